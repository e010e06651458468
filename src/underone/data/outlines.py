"""Areas of a picture as COCO writes them: polygons and run lengths → the pixels inside."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadFile
from .boxed import FARTHEST

Area = NDArray[np.bool_]
Size = tuple[int, int]

_SCALE = 5  # polygons are walked along on a grid that is finer by this
_CENTRE = 2  # of a pixel on that grid
_LONGEST = 1 << 21  # points of that grid along one polygon: a way of 419,000 pixels


def area_of(where: str, outline: Any, size: Size) -> Area:
    """Return the pixels inside an outline.

    Args:
        where: what it is the outline of, for errors.
        outline: COCO's ``segmentation``: polygons [[x1, y1, x2, y2, …], …], of which the areas are put together; or
            run lengths {"size": [height, width], "counts": …}, down the columns, the first outside, as whole numbers
            or packed into a text.
        size: (height, width) of the picture.

    Returns:
        (height, width), equal to what pycocotools gives.

    Raises:
        BadFile: it is nothing of that, has another size than the picture, or is absurd.

    Source: cocodataset/cocoapi, common/maskApi.c, rleFrPoly, rleDecode and rleFrString.
    """
    if isinstance(outline, dict):
        return _of_runs(where, outline, size)
    if not isinstance(outline, list) or not outline:
        raise BadFile(f"{where} has no outline; polygons or run lengths are required, a box is not enough")
    inside = np.zeros(size, np.bool_)
    for ring in outline:
        _fill(inside, _steps_along(where, _points(where, ring)))
    return inside


def _points(where: str, ring: Any) -> NDArray[np.int64]:
    """Give the corners of a polygon on the fine grid, (n, 2) x y."""
    try:
        numbers = np.array(ring, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadFile(f"{where} has a polygon that is no list of numbers: {error}") from error
    good = numbers.ndim == 1 and numbers.size >= 6 and numbers.size % 2 == 0
    if not good or not (np.abs(numbers) <= FARTHEST).all():  # NaN compares as False
        raise BadFile(
            f"{where} has a polygon of the shape {numbers.shape}; x and y of three points or more, each up to "
            f"{FARTHEST:.0f}, are required"
        )
    return np.trunc(_SCALE * numbers.reshape(-1, 2) + 0.5).astype(np.int64)


def _steps_along(where: str, points: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give every point of the fine grid on the way around a polygon, (n, 2): each edge with both its ends."""
    start, stop = points, np.roll(points, -1, axis=0)
    far = np.abs(stop - start)  # (edges, 2)
    steps, along = far.max(axis=1), (far[:, 1] > far[:, 0]).astype(int)  # along: the axis that is walked, 0 is x
    if steps.sum() + len(steps) > _LONGEST:
        raise BadFile(f"{where} has a polygon of {steps.sum() // _SCALE} pixels around; it is damaged")
    edge = np.repeat(np.arange(len(steps)), steps + 1)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(steps + 1) - (steps + 1), steps + 1)
    rows = np.arange(len(steps))
    back = start[rows, along] > stop[rows, along]  # edges are calculated from the end with the smaller coordinate
    first, last = np.where(back[:, None], stop, start), np.where(back[:, None], start, stop)
    slope = (last - first)[rows, 1 - along] / np.maximum(steps, 1)
    step = np.where(back[edge], steps[edge] - step, step)
    walked = first[rows, along][edge] + step
    beside = np.trunc(first[rows, 1 - along][edge] + slope[edge] * step + 0.5).astype(np.int64)
    upright = along[edge] == 1
    return np.stack([np.where(upright, beside, walked), np.where(upright, walked, beside)], axis=1)


def _fill(inside: Area, way: NDArray[np.int64]) -> None:
    """Mark the pixels inside a closed way of the fine grid: below every point where it crosses a column, they change.

    A column is crossed at the centres of its pixels, and a pixel changes where its centre lies below the crossing.
    """
    height, width = inside.shape
    (before, above), (x, y) = way[:-1].T, way[1:].T
    left, upper = np.where(x < before, x, x - 1), np.minimum(y, above)
    column, rest = np.divmod(left - _CENTRE, _SCALE)
    crossed = (x != before) & (rest == 0) & (column >= 0) & (column < width)
    if not crossed.any():
        return
    column, row = column[crossed], np.clip(-((_CENTRE - upper[crossed]) // _SCALE), 0, height)
    first, last = int(column.min()), int(column.max())
    changes = np.bincount((column - first) * height + row, minlength=(last - first + 1) * height)
    odd = np.cumsum(changes[: (last - first + 1) * height]) % 2 == 1
    inside[:, first : last + 1] |= odd.reshape(-1, height).T


def _of_runs(where: str, outline: dict[str, Any], size: Size) -> Area:
    if outline.get("size") != list(size):
        raise BadFile(f"{where} has run lengths of the size {outline.get('size')}; the picture has {list(size)}")
    counts, pixels = outline.get("counts"), size[0] * size[1]
    try:
        runs = np.array(_unpacked(counts, pixels + 1) if isinstance(counts, str) else counts)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadFile(f"{where} has run lengths that cannot be read: {error}") from error
    good = runs.ndim == 1 and runs.dtype.kind == "i" and len(runs) and runs.min() >= 0 and runs.max() <= pixels
    if not good or len(runs) > pixels + 1 or int(runs.sum()) != pixels:
        raise BadFile(f"{where} has run lengths that do not add up to {pixels}, the pixels of its picture")
    turns = np.arange(len(runs)) % 2 == 1
    return np.repeat(turns, runs).reshape(size[::-1]).T


def _unpacked(text: str, most: int) -> list[int]:
    """Give the numbers of a text, at the most so many.

    They have five bits a character, the lowest first; the third and later ones are differences.

    Raises:
        ValueError: a character or number that such a text cannot have, or too many.
    """
    runs: list[int] = []
    value = shift = 0
    for place, character in enumerate(text):
        code = ord(character) - ord("0")
        if not 0 <= code < 64 or shift > 60:
            raise ValueError(f"character {place} of the text is {character!r}")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:  # goes on
            continue
        value -= 1 << shift if code & 16 else 0  # the sign
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
        if len(runs) > most:
            raise ValueError(f"there are more than {most}; a run for each pixel is enough")
    if shift:
        raise ValueError("the text ends inside a number")
    return runs

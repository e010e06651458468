"""Maps of class outputs on a coarse grid → the class of each pixel, exactly and in bounded memory.

Between two points of a row the outputs are straight lines, so a class that wins at both wins between them: the compiled
way calculates the others only where that is not so. The way in numpy, for builds without a compiler, leaves out classes
before: between four neighbouring points outputs are weighted means of those at the points, and a class that lies below
the mean of the points' winners at all four points cannot win anywhere between them; mostly two to four are left.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..image.resample import chosen_isa

compiled: Callable[..., None] | None
try:
    from .._native import label_map as compiled
except ImportError:  # built without a compiler
    compiled = None

Array = NDArray[Any]
Size = tuple[int, int]
Alignment = Literal["corners", "borders"]

_BLOCK = 1 << 19  # numbers that are calculated at once


class Places(NamedTuple):
    """Where the pixels of one axis lie between the points of a map.

    Attributes:
        before: (n,) the point before each pixel, never the last of several.
        share: (n,) float32, from 0 to 1, of the way to the next one.
    """

    before: NDArray[np.int64]
    share: NDArray[np.float32]


def places(pixels: int, points: int, seen: int, alignment: Alignment) -> Places:
    """Say where the pixels of one axis lie on a map.

    Args:
        pixels: of the picture.
        points: of the map.
        seen: pixels of the tensor that the network got; the picture was resized to it from border to border.
        alignment: how the map lies on that tensor, as in `SegmentationSpec`.
    """
    at = (np.arange(pixels) + 0.5) * (seen / pixels) - 0.5  # pixels of the tensor
    corners = alignment == "corners"
    on_map = at * ((points - 1) / max(seen - 1, 1)) if corners else (at + 0.5) * (points / seen) - 0.5
    on_map = np.clip(on_map, 0, points - 1)
    before = np.minimum(on_map.astype(np.int64), max(points - 2, 0))
    return Places(before, (on_map - before).astype(np.float32))


def enlarge_classes(maps: Array, size: Size, seen: Size, alignment: Alignment) -> Array:
    """Return the class that wins at each pixel once the maps are enlarged bilinearly.

    Args:
        maps: (classes, h, w) floats, the greater the likelier.
        size: (H, W) of the picture.
        seen: (height, width) of the tensor that the network got.
        alignment: as in `places`.

    Returns:
        (H, W) uint8, int32 beyond 256 classes; at equal outputs the lower class.
    """
    rows, columns = (places(size[i], maps.shape[1 + i], seen[i], alignment) for i in (0, 1))
    result = np.empty(size, np.uint8 if len(maps) <= 256 else np.int32)
    (enlarge_numpy if compiled is None else enlarge_compiled)(maps, rows, columns, result)
    return result


def enlarge_compiled(maps: Array, rows: Places, columns: Places, result: Array, isa: str | None = None) -> None:
    """Write the class that wins at each pixel; `isa` is one of `image.resample.ISAS`."""
    assert compiled is not None
    compiled(
        np.ascontiguousarray(maps, np.float32),
        result,
        rows=rows.before,
        row_shares=rows.share,
        columns=columns.before,
        column_shares=columns.share,
        isa=isa or chosen_isa(),
    )


def enlarge_numpy(maps: Array, rows: Places, columns: Places, result: Array) -> None:
    """Do what `enlarge_compiled` does in numpy."""
    _, height, width = maps.shape
    maps = np.pad(maps, ((0, 0), (0, int(height == 1)), (0, int(width == 1))), "edge")  # two points on each axis
    left = np.flatnonzero(possible_classes(maps))
    result[...] = 0
    if len(left) > 1:
        maps = maps[left].astype(np.float32, copy=False)
        for start in range(0, result.shape[1], 2048):
            part = slice(start, start + 2048)
            _fill(result[:, part], maps, rows, Places(columns.before[part], columns.share[part]))
    result[...] = left.astype(result.dtype)[result]


def _fill(result: Array, maps: Array, rows: Places, columns: Places) -> None:
    """Write the number of the winning map for each pixel, by blocks of rows."""
    step = max(1, _BLOCK // (len(maps) * result.shape[1]))
    for start in range(0, len(result), step):
        part = slice(start, start + step)
        before = rows.before[part]
        low = before[0]
        wide = _between(maps[:, low : before[-1] + 2], columns)  # (classes, points, columns)
        share = rows.share[part, None]
        first = before - low
        values = wide[:, first + 1]  # (classes, rows, columns)
        above = wide[:, first]
        values -= above
        values *= share
        values += above
        _take_greatest(values, result[part])


def _between(maps: Array, columns: Places) -> Array:
    left, right = maps[:, :, columns.before], maps[:, :, columns.before + 1]
    return np.asarray(left + (right - left) * columns.share)


def _take_greatest(values: Array, result: Array) -> None:
    """Write the index of the greatest along the first axis; numpy's argmax is many times slower along it."""
    best = values[0]
    result[...] = 0
    for index in range(1, len(values)):
        better = values[index] > best
        np.maximum(best, values[index], out=best)
        result[better] = index


def possible_classes(maps: Array) -> NDArray[np.bool_]:
    """Say which classes may win somewhere between the points.

    Args:
        maps: (classes, h, w), h and w from 2 up.

    Returns:
        (classes,) True where a class wins somewhere; some that do not are True as well.
    """
    winners = maps.argmax(0)
    corners = [(slice(y, y - 1 or None), slice(x, x - 1 or None)) for y in (0, 1) for x in (0, 1)]
    ys, xs = np.ogrid[: maps.shape[1] - 1, : maps.shape[2] - 1]
    possible = np.zeros(len(maps), bool)
    for corner in corners:
        y, x = ys + corner[0].start, xs + corner[1].start
        mean = sum(maps[winners[other], y, x] for other in corners) / 4  # of the four winners, at this corner
        slack = 1e-6 * np.abs(mean)  # rounding
        possible |= (maps[:, *corner] >= mean - slack).any((1, 2))
    return possible


def nearest_classes(classes: Array, size: Size, seen: Size, alignment: Alignment) -> Array:
    """Return a map of classes (h, w) at the size of the picture: each pixel has the class of the nearest point.

    The other arguments are those of `enlarge_classes`.
    """
    height, width = classes.shape
    rows, columns = (places(size[i], (height, width)[i], seen[i], alignment) for i in (0, 1))
    y, x = (place.before + (place.share >= 0.5) for place in (rows, columns))
    return np.ascontiguousarray(classes[y][:, x])

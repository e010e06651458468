"""Anchors that a file lists → the AnchorGrids that make them."""

import numpy as np
from numpy.typing import NDArray

from ..errors import BadValue
from ..spec import AnchorGrid
from ..spec.detection import MOST_ANCHORS
from .anchors import anchor_boxes

_MOST_GRIDS = 64  # feature maps; a list without order would become one for each anchor
_SAME = 2e-5  # shares of the picture: far below a pixel, above what float32 loses in files


def find_grids(anchors: NDArray[np.floating]) -> tuple[AnchorGrid, ...]:
    """Find the grids that make given anchors.

    Args:
        anchors: (anchors, 4) cx cy w h, shares of the picture, in the order grid, row, column, shape.

    Returns:
        Grids for which `anchor_boxes` gives the anchors, within 2e-5 of the picture.

    Raises:
        BadValue: they lie in no such order.
    """
    given = np.asarray(anchors, np.float64)
    if given.ndim != 2 or given.shape[1] != 4 or not 0 < len(given) <= MOST_ANCHORS:
        raise BadValue(f"anchors have shape {given.shape}; (1 to {MOST_ANCHORS}, 4), cx cy w h, is required")
    if not np.isfinite(given).all() or given[:, 2:].min() <= 0:
        raise BadValue("anchors have sides that are not finite and above 0; all must be")
    starts = np.flatnonzero(np.append(True, _differ(given[1:, :2], given[:-1, :2])))  # of each cell
    grids: list[AnchorGrid] = []
    while len(starts) and len(grids) < _MOST_GRIDS:
        grid = _first_grid(given[starts[0] :], starts - starts[0])
        starts = starts[grid.rows * grid.columns :]
        grids.append(grid)
    made = anchor_boxes(grids)
    if made.shape != given.shape or np.abs(made - given).max() > _SAME:
        raise BadValue(f"{len(given)} anchors lie in no grids of rows and columns")
    return tuple(grids)


def _first_grid(anchors: NDArray[np.float64], starts: NDArray[np.int64]) -> AnchorGrid:
    """Give the grid of the first cells that have the same shapes, in lines of equal length."""
    ends = np.append(starts[1:], len(anchors))
    shapes = anchors[: ends[0], 2:]
    count = 1
    while count < len(starts) and _continues(anchors, starts[count], ends[count], shapes):
        count += 1
    centres = anchors[starts[:count], :2]
    new_line = np.flatnonzero(_differ(centres[1:, 1:], centres[:-1, 1:])) + 1
    columns = int(new_line[0]) if len(new_line) else count
    rows = count // columns
    first, last = centres[0], centres[columns * rows - 1]
    steps = [_step(first[i], last[i], n) for i, n in enumerate((columns, rows))]
    return AnchorGrid(
        rows=rows,
        columns=columns,
        shapes=tuple((float(w), float(h)) for w, h in shapes),
        step=(steps[0], steps[1]),
        offset=(round(float(first[0]) / steps[0], 5), round(float(first[1]) / steps[1], 5)),
    )


def _continues(anchors: NDArray[np.float64], start: int, end: int, shapes: NDArray[np.float64]) -> bool:
    """Say whether a cell has the shapes of its grid, and does not lie above the one before it."""
    cell = anchors[start:end]
    same = len(cell) == len(shapes) and not _differ(cell[:, 2:], shapes).any()
    return same and bool(cell[0, 1] >= anchors[start - 1, 1] - _SAME)


def _step(first: float, last: float, count: int) -> float:
    """Give the distance of neighbours, an even share of the picture where it is close; a lone cell has all of it."""
    step = float(last - first) / (count - 1) if count > 1 else 1.0
    if step <= 0:
        raise BadValue("anchors lie in no grids: neighbours must follow one another to the right or down")
    return 1 / count if abs(step * count - 1) < _SAME else step


def _differ(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((np.abs(a - b) > _SAME).any(-1))

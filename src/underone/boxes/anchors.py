"""AnchorGrids → anchors, one row for each row of a detector's outputs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..spec import AnchorGrid
from .coding import centres, corners


def anchor_boxes(grids: Sequence[AnchorGrid], clip: bool = False) -> NDArray[np.float32]:
    """Lay out the anchors of all grids.

    Args:
        grids: in the order of the outputs.
        clip: cut the corners at the border of the picture.

    Returns:
        (anchors, 4) cx cy w h, shares of the picture, in the order grid, row, column, shape.

    >>> anchor_boxes([AnchorGrid(rows=1, columns=2, shapes=((0.5, 1.0),), step=(0.5, 1.0))]).tolist()
    [[0.25, 0.5, 0.5, 1.0], [0.75, 0.5, 0.5, 1.0]]
    """
    anchors = np.concatenate([_of_one(grid) for grid in grids]) if grids else np.zeros((0, 4))
    if clip:
        anchors = centres(np.clip(corners(anchors), 0, 1))
    return anchors.astype(np.float32)


def _of_one(grid: AnchorGrid) -> NDArray[np.float64]:
    x = (np.arange(grid.columns) + grid.offset[0]) * grid.step[0]
    y = (np.arange(grid.rows) + grid.offset[1]) * grid.step[1]
    anchors = np.empty((grid.rows, grid.columns, len(grid.shapes), 4))
    anchors[..., 0] = x[:, None]
    anchors[..., 1] = y[:, None, None]
    anchors[..., 2:] = grid.shapes
    return anchors.reshape(-1, 4)

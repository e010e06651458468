"""A picture in tiles that a segmenter sees at their full resolution, put together in the memory of one tile."""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[Any]
Size = tuple[int, int]

_OVERLAP = 0.25  # of a tile with the next, at least


class _Span(NamedTuple):
    """A tile along one axis: the pixels that are seen, and those of them that nobody sees better."""

    start: int
    stop: int
    first: int
    last: int


def in_tiles(segment: Callable[[NDArray[np.uint8]], Mask], pixels: NDArray[np.uint8], tile: Size) -> Mask:
    """Segment a picture tile by tile; every pixel has the class that the tile says in which it lies deepest.

    Args:
        segment: from a part of the picture (h, w, 3) to the class of each of its pixels (h, w).
        pixels: uint8 (H, W, 3).
        tile: (height, width) of a tile; where the picture is smaller, the largest tile of that shape that fits in it.

    Returns:
        (H, W), of the dtype that `segment` gives.
    """
    height, width = pixels.shape[:2]
    factor = min(1.0, height / tile[0], width / tile[1])
    tall, wide = (max(1, round(side * factor)) for side in tile)
    result: Mask | None = None
    for rows in _spans(height, tall):
        for columns in _spans(width, wide):
            said = segment(pixels[rows.start : rows.stop, columns.start : columns.stop])
            if result is None:
                result = np.empty((height, width), said.dtype)
            own = said[rows.first - rows.start : rows.last - rows.start]
            result[rows.first : rows.last, columns.first : columns.last] = own[
                :, columns.first - columns.start : columns.last - columns.start
            ]
    assert result is not None, "every picture has a pixel"
    return result


def _spans(length: int, tile: int) -> Iterator[_Span]:
    """Lay tiles along one axis from end to end, evenly; each pixel belongs to one."""
    count = 1 + math.ceil(max(0, length - tile) / (tile * (1 - _OVERLAP)))
    starts = np.linspace(0, length - tile, count).round().astype(int).tolist()
    middles = [(before + tile + after) // 2 for before, after in pairwise(starts)]
    for start, first, last in zip(starts, [0, *middles], [*middles, length], strict=True):
        yield _Span(start, start + tile, first, last)

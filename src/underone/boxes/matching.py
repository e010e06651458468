"""Which anchor answers for which box."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ShapeError
from .coding import corners

_ROWS = 1024  # boxes compared at once: bounds the memory for pictures with thousands of them

Array = NDArray[Any]


def iou(a: ArrayLike, b: ArrayLike) -> NDArray[np.float32]:
    """Give the intersection over union of every pair of boxes.

    Args:
        a: (N, 4) x1 y1 x2 y2, any unit.
        b: (M, 4) in the same unit.

    Returns:
        (N, M), 0 to 1; 0 where a box has no area.

    Raises:
        ShapeError: boxes are not (any, 4).
    """
    a, b = _boxes(a), _boxes(b)
    left_top = np.maximum(a[:, None, :2], b[None, :, :2])
    right_bottom = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.prod(np.maximum(right_bottom - left_top, 0), -1)  # (N, M)
    either = _area(a)[:, None] + _area(b)[None] - both
    share = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    return np.asarray(share, np.float32)


def match(boxes: ArrayLike, anchors: Array, positive: float = 0.5, force: bool = True) -> NDArray[np.int64]:
    """Give each anchor the box that it must find.

    Args:
        boxes: (boxes, 4) x1 y1 x2 y2, shares of the picture.
        anchors: (anchors, 4) cx cy w h.
        positive: an anchor takes the box that overlaps it most, if their intersection over union is at least this.
        force: give each box an anchor of its own too: the best that is free, boxes with the largest overlap first.
            A box that overlaps no anchor stays without one.

    Returns:
        (anchors,) index of the box; -1: none, the anchor must say "no object".

    Source: Liu et al., SSD (arXiv 1512.02325), section 2.2, "Matching strategy".
    """
    boxes, spans = _boxes(boxes), corners(anchors.astype(np.float64))
    best, found = np.zeros(len(anchors), np.float32), np.full(len(anchors), -1, np.int64)
    largest = np.zeros(len(boxes), np.float32)  # overlap of each box with any anchor
    for start in range(0, len(boxes), _ROWS):
        overlap = iou(boxes[start : start + _ROWS], spans)
        largest[start : start + _ROWS] = overlap.max(1, initial=0)
        row = overlap.argmax(0) if overlap.size else np.zeros(0, np.int64)
        better = overlap.max(0, initial=0) > best
        best[better], found[better] = overlap.max(0)[better], row[better] + start
    found[best < positive] = -1
    return _forced(found, boxes, spans, largest) if force else found


def _forced(found: NDArray[np.int64], boxes: Array, spans: Array, largest: Array) -> NDArray[np.int64]:
    taken = np.zeros(len(spans), bool)
    for i in np.argsort(-largest, kind="stable"):
        if largest[i] == 0:
            break
        overlap = np.where(taken, 0, iou(boxes[i : i + 1], spans)[0])
        anchor = int(overlap.argmax())
        if overlap[anchor] > 0:
            taken[anchor], found[anchor] = True, i
    return found


def _area(boxes: Array) -> Array:
    return np.asarray(np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), -1))


def _boxes(given: ArrayLike) -> NDArray[np.float64]:
    boxes = np.asarray(given, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ShapeError(f"boxes have shape {boxes.shape}; (any, 4), x1 y1 x2 y2, is required")
    return boxes

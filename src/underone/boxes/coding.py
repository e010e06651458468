"""Boxes ↔ codes: what a head says of a box is its distance from an anchor.

Source: Ren et al., Faster R-CNN (arXiv 1506.01497), equation 2; Liu et al., SSD (arXiv 1512.02325), section 2.2.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ShapeError
from ..spec import DetectionSpec

MOST_LOG = 20.0  # e^20 anchors: far outside every picture, and still a finite float32
_LEAST_SIZE = 1e-6  # of a box that is encoded: a box without area has no logarithm

Array = NDArray[Any]


def corners(boxes: Array) -> Array:
    """Turn cx cy w h into x1 y1 x2 y2; any leading axes."""
    half = boxes[..., 2:] / 2
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], -1)


def centres(boxes: Array) -> Array:
    """Turn x1 y1 x2 y2 into cx cy w h; any leading axes."""
    return np.concatenate([(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], -1)


def encode(boxes: ArrayLike, anchors: Array, detection: DetectionSpec) -> NDArray[np.float32]:
    """Give the code that decodes to each box; always finite, also for boxes without area.

    Args:
        boxes: (anchors, 4) x1 y1 x2 y2, shares of the picture, one for each anchor.
        anchors: (anchors, 4) cx cy w h.
        detection: order and factors of the code.

    Raises:
        ShapeError: there is not one box for each anchor.
    """
    wanted = centres(np.asarray(boxes, np.float64))
    _require_one_for_each(wanted, anchors, "boxes")
    share = np.maximum(wanted[..., 2:], _LEAST_SIZE) / anchors[..., 2:]
    sizes = np.log(share) if detection.sizes == "log" else share
    codes = np.concatenate([(wanted[..., :2] - anchors[..., :2]) / anchors[..., 2:], sizes], -1)
    return _reorder(codes / np.asarray(detection.variances), detection).astype(np.float32)


def decode(codes: ArrayLike, anchors: Array, detection: DetectionSpec) -> NDArray[np.float32]:
    """Give the boxes that codes stand for.

    A size of more than e^20 anchors is cut there, so no code makes infinity; NaN stays NaN, which no suppression keeps.

    Args:
        codes: (…, anchors, 4) as the head gives them.
        anchors: (anchors, 4) cx cy w h.
        detection: order and factors of the code.

    Returns:
        (…, anchors, 4) x1 y1 x2 y2, shares of the picture, not cut at its border.

    Raises:
        ShapeError: there is not one code for each anchor.
    """
    given = np.asarray(codes, np.float32)
    _require_one_for_each(given, anchors, "codes")
    scaled = _reorder(given, detection) * np.asarray(detection.variances, np.float32)
    sizes = np.exp(np.clip(scaled[..., 2:], -MOST_LOG, MOST_LOG)) if detection.sizes == "log" else scaled[..., 2:]
    return corners(np.concatenate([scaled[..., :2], sizes], -1) * anchors[..., [2, 3, 2, 3]] + _origin(anchors))


def _origin(anchors: Array) -> Array:
    return np.concatenate([anchors[..., :2], np.zeros_like(anchors[..., :2])], -1)


def _reorder(codes: Array, detection: DetectionSpec) -> Array:
    """Swap x with y and w with h, where the code has them the other way round."""
    return codes if detection.code == "xywh" else codes[..., [1, 0, 3, 2]]


def _require_one_for_each(given: Array, anchors: Array, what: str) -> None:
    if given.ndim < 2 or given.shape[-2:] != (len(anchors), 4):
        raise ShapeError(f"{what} have shape {given.shape}; (…, {len(anchors)}, 4) is required, one for each anchor")

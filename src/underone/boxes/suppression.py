"""Of boxes that show the same object, keep one."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadValue, ShapeError
from ..spec import DetectionSpec
from .matching import iou

_TINY = 1e-12  # a mean of boxes whose scores are all 0 is still a mean
_SIGMA = 0.5  # of soft suppression: Bodla et al., Soft-NMS (arXiv 1704.04503), section 4

Array = NDArray[Any]
Indices = NDArray[np.int64]

compiled: Callable[..., Indices] | None
try:
    from .._native import nms as compiled
except ImportError:  # built without a compiler
    compiled = None


class Found(NamedTuple):
    """Boxes of a picture, best first.

    Attributes:
        boxes: (N, 4) float32, x1 y1 x2 y2, shares of the picture, inside it.
        scores: (N,) float32, 0 to 1.
        class_ids: (N,) int64, the background left out.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: Indices


def nms(
    boxes: ArrayLike,
    scores: ArrayLike,
    iou_threshold: float,
    class_ids: ArrayLike | None = None,
    most: int | None = None,
) -> Indices:
    """Give the boxes that no better box of their class overlaps by more than a threshold.

    Args:
        boxes: (N, 4) x1 y1 x2 y2, any unit; boxes with NaN or infinity are never kept.
        scores: (N,); a box whose score is NaN is never kept.
        iou_threshold: intersection over union, 0 to 1.
        class_ids: (N,); None: all are of one class.
        most: how many are kept; None: all.

    Returns:
        Indices, best first, at equal score the lower index first.

    Raises:
        ShapeError: there is not one score, and one class, for each box.
        BadValue: the threshold is outside 0 to 1, or `most` negative.
    """
    rows = np.ascontiguousarray(boxes, np.float32)
    marks = np.ascontiguousarray(scores, np.float32)
    classes = np.zeros(len(marks), np.int64) if class_ids is None else np.ascontiguousarray(class_ids, np.int64)
    if rows.ndim != 2 or rows.shape[1] != 4 or not marks.shape == classes.shape == rows.shape[:1]:
        raise ShapeError(
            f"boxes {rows.shape}, scores {marks.shape}, class_ids {classes.shape}; (N, 4), (N,) and (N,) are required"
        )
    if not 0 <= iou_threshold <= 1:
        raise BadValue(f"iou_threshold is {iou_threshold}; 0 to 1 is required")
    if most is not None and most < 0:
        raise BadValue(f"most is {most}; 0 or more is required")
    if compiled is None:
        return _nms_in_numpy(rows, marks, classes, iou_threshold)[:most]
    return compiled(rows, marks, iou_threshold, classes, most)


def _nms_in_numpy(boxes: Array, scores: Array, classes: Indices, threshold: float) -> Indices:
    order = np.argsort(-scores, kind="stable")
    order = order[np.isfinite(boxes[order]).all(1) & ~np.isnan(scores[order])]
    kept: list[int] = []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(int(first))
        rivals = classes[order] == classes[first]
        order = order[~(rivals & (iou(boxes[first : first + 1], boxes[order])[0] > threshold))]
    return np.asarray(kept, np.int64)


def suppress(boxes: Array, scores: Array, class_ids: Indices, detection: DetectionSpec) -> Found:
    """Choose the boxes of a picture from candidates.

    Args:
        boxes: (N, 4) x1 y1 x2 y2, shares of the picture.
        scores: (N,) above the score threshold.
        class_ids: (N,).
        detection: limits, and the kind of suppression.

    Returns:
        Boxes cut at the border of the picture; those without an area inside it, and those that are not finite, are left
        out.
    """
    seen = visible(boxes)
    found = Found(boxes[seen].astype(np.float32), scores[seen].astype(np.float32), class_ids[seen])
    if detection.clip_boxes == "before":
        found = found._replace(boxes=np.clip(found.boxes, 0, 1))
    found = _pick(found, _best_of_each_class(found.scores, found.class_ids, detection.top_k))
    found = _KINDS[detection.nms](found, detection)
    found = _pick(found, _best_of_each_class(found.scores, found.class_ids, detection.max_per_class))
    found = _pick(found, np.argsort(-found.scores, kind="stable")[: detection.max_detections])
    return found._replace(boxes=np.clip(found.boxes, 0, 1))


def visible(boxes: Array) -> NDArray[np.bool_]:
    """Say which boxes, (N, 4) x1 y1 x2 y2 as shares of the picture, are finite and have an area inside it."""
    inside = np.clip(boxes, 0, 1)  # NaN stays, and is not larger than anything
    return np.asarray(np.isfinite(boxes).all(1) & (inside[:, 2:] > inside[:, :2]).all(1))


def _pick(found: Found, rows: Indices) -> Found:
    return Found(found.boxes[rows], found.scores[rows], found.class_ids[rows])


def _best_of_each_class(scores: Array, class_ids: Indices, most: int) -> Indices:
    """Give the best `most` of each class, in their own order; at equal score the lower index."""
    if len(scores) <= most:
        return np.arange(len(scores))
    order = np.argsort(-scores, kind="stable")
    order = order[np.argsort(class_ids[order].astype(np.int32), kind="stable")]  # class by class, best first
    ordered = class_ids[order]
    rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return np.sort(order[rank < most])


def _hard(found: Found, detection: DetectionSpec) -> Found:
    classes = found.class_ids if detection.per_class else None
    # the best come first: where no class has a smaller limit the rest is not looked at; 10,000 boxes take 1.2 ms, not 3
    most = detection.max_detections if detection.max_per_class >= detection.max_detections else None
    return _pick(found, nms(found.boxes, found.scores, detection.iou_threshold, classes, most))


def _none(found: Found, detection: DetectionSpec) -> Found:
    del detection
    return found


def _soft(found: Found, detection: DetectionSpec) -> Found:
    """Lower the score of each box by its overlap with every better one, and keep what stays above the threshold."""
    scores, left, kept = found.scores.copy(), np.ones(len(found.scores), bool), []
    while left.any():
        best = int(np.where(left, scores, -1).argmax())
        left[best] = False
        kept.append(best)
        scores[left] *= np.exp(-(_overlap(found, best, detection)[left] ** 2) / _SIGMA)
        left &= scores >= detection.score_threshold
    return _pick(found._replace(scores=scores), np.asarray(kept, np.int64))


def _weighted(found: Found, detection: DetectionSpec) -> Found:
    """Replace the best box and all that it overlaps by their mean, weighted by score.

    Source: Zhou et al., CAD (2017); the suppression of BlazeFace (arXiv 1907.05047), section 3.4.
    """
    boxes, left, kept = found.boxes.copy(), np.ones(len(found.boxes), bool), []
    for best in np.argsort(-found.scores, kind="stable"):
        if left[best]:
            same = left & (_overlap(found, best, detection) > detection.iou_threshold)
            same[best] = True
            boxes[best] = np.average(found.boxes[same], axis=0, weights=np.maximum(found.scores[same], _TINY))
            left &= ~same
            kept.append(int(best))
    return _pick(found._replace(boxes=boxes), np.asarray(kept, np.int64))


def _overlap(found: Found, best: int, detection: DetectionSpec) -> Array:
    """Give the overlap of one box with all, (N,), 0 with boxes of other classes that do not compete."""
    overlap: Array = iou(found.boxes[best : best + 1], found.boxes)[0]
    if detection.per_class:
        overlap[found.class_ids != found.class_ids[best]] = 0
    return overlap


_KINDS = cast(
    dict[str, Callable[[Found, DetectionSpec], Found]],
    {"hard": _hard, "soft": _soft, "weighted": _weighted, "none": _none},
)

"""The outputs of a detector for one picture → the boxes that count, as shares of the picture."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..boxes import Found, anchor_boxes, suppress, visible
from ..boxes import decode as decode_codes
from ..errors import BadValue, ShapeError
from ..spec import AnchorGrid, DetectionSpec, ModelSpec

_ROUNDING = 1e-3  # in logits, or share of a score: far more than float32's
_LARGEST_POWER = 80.0  # whose exponential can be summed in float32
_MOST_CLASSES = 1 << 16  # of a file without labels: ids beyond are none

Array = NDArray[Any]


class _Candidates(NamedTuple):
    """What is above the threshold.

    Attributes:
        rows: (N,) of the outputs.
        class_ids: (N,) with the background left out.
        scores: (N,).
    """

    rows: NDArray[np.int64]
    class_ids: NDArray[np.int64]
    scores: Array


def find_boxes(outputs: Mapping[str, Array], spec: ModelSpec, threshold: float | None = None) -> Found:
    """Find the objects of one picture in the outputs of a detector.

    Args:
        outputs: by name, for one picture: box codes or boxes (1, anchors, 4) with logits or probabilities
            (1, anchors, classes); of a file that suppresses overlaps itself, what is left.
        spec: of the network; meanings, anchors, thresholds and labels.
        threshold: a box counts from this score on; None: as the spec says.

    Returns:
        Boxes x1 y1 x2 y2 as shares of what the network saw, inside it, best first.

    Raises:
        BadValue: the spec says too little, there are other labels than classes, a value is NaN or no class, or the
            threshold is outside 0 to 1.
        ShapeError: an output is not of one picture, or has other rows than there are anchors.
    """
    how = _how(spec, threshold)
    named: dict[str, Array] = {o.meaning: _one(outputs[o.name], o.name) for o in spec.outputs if o.meaning}
    if "scores" in named:
        return _found_inside(named, spec, how)
    scores = named.get("logits", named.get("probabilities"))
    places = named.get("box_codes", named.get("boxes"))
    if scores is None or places is None:
        raise BadValue(f"{spec.name!r} has no outputs that mean boxes and their scores; set OutputSpec.meaning")
    _require_rows(scores, places, how, spec)
    candidates = _candidates(scores, how)
    rows = np.unique(candidates.rows)  # a row can be a candidate of many classes
    boxes = np.empty((len(places), 4), np.float32)
    boxes[rows] = (
        decode_codes(places[rows], _anchors(how.anchors, how.clip_anchors)[rows], how)
        if "box_codes" in named
        else places[rows]
    )
    if np.isnan(boxes[rows]).any():
        raise BadValue(f"boxes of {spec.name!r} are NaN; check the weights")
    return suppress(boxes[candidates.rows], candidates.scores, candidates.class_ids, how)


def _how(spec: ModelSpec, threshold: float | None) -> DetectionSpec:
    if spec.detection is None:
        raise BadValue(f"{spec.name!r} does not say how its outputs become boxes; its spec needs a DetectionSpec")
    if threshold is None:
        return spec.detection
    if not 0 <= threshold <= 1:
        raise BadValue(f"threshold={threshold}; a score from 0 to 1 is required")
    return spec.detection.model_copy(update={"score_threshold": threshold})


def _one(output: Array, name: str) -> Array:
    """Take the only picture out of its batch."""
    if output.ndim == 0 or len(output) != 1:
        raise ShapeError(f"output {name!r} has shape {output.shape}; one picture at a time is required")
    picture: Array = output[0]
    return picture


def _require_rows(scores: Array, places: Array, how: DetectionSpec, spec: ModelSpec) -> None:
    rows = how.anchor_count or len(places)
    if scores.ndim != 2 or places.shape != (rows, 4) or len(scores) != rows or scores.shape[1] == 0:
        raise ShapeError(
            f"{spec.name!r} gives boxes {places.shape} and class outputs {scores.shape}, its spec has {rows} anchors; "
            f"({rows}, 4) and ({rows}, classes) are required: the anchors are those of another input size"
        )
    classes = scores.shape[1] - (how.background is not None)
    spec.require_labels_for(classes)
    bad = int(np.count_nonzero(np.isnan(scores))) if np.isnan(scores.max(initial=-np.inf)) else 0  # this is quicker
    if bad:
        raise BadValue(f"{bad} of {scores.size} class outputs of {spec.name!r} are NaN; check the weights")


def _candidates(outputs: Array, how: DetectionSpec) -> _Candidates:
    """Find the scores above the threshold; only what may be above it is calculated."""
    possible = _possible(outputs, how)
    if how.background is not None:
        possible[:, how.background] = False
    rows, classes = np.divmod(np.flatnonzero(possible), outputs.shape[1])
    scores = _scores(outputs, rows, classes, how)
    kept = scores >= how.score_threshold
    if how.background is not None:
        classes = classes - (classes > how.background)
    found = _Candidates(rows[kept], classes[kept], scores[kept])
    return found if how.per_class else _best_of_each_row(found)


def _possible(outputs: Array, how: DetectionSpec) -> Array:
    """Mark what may be above the threshold, quickly: (anchors, classes); what is not marked is not."""
    if how.activation == "none":
        return np.asarray(outputs >= how.score_threshold)
    threshold = np.float64(how.score_threshold)
    with np.errstate(divide="ignore"):  # a threshold of 0 is an infinite output; 2^-53: beyond it a share is 1
        least = np.log(threshold / max(1 - threshold, 2.0**-53)) - _ROUNDING
    if how.activation == "sigmoid":
        return np.asarray(outputs >= least.astype(outputs.dtype))
    # Two bounds of softmax: two shares of a row are at most 1 together, and what the mean says. Where both leave much,
    # as with a low threshold, all shares are calculated.
    outputs = outputs.astype(np.float32, copy=False)
    base = outputs[:, how.background or 0]
    bound = base + np.float32(least) if how.background is not None else -np.inf
    possible = outputs >= np.maximum(_least_of_mean(outputs, how), bound)[:, None]
    few = np.count_nonzero(possible) <= 2 * len(outputs)
    return possible if few else _possible_shares(outputs - base[:, None], how)


def _least_of_mean(logits: Array, how: DetectionSpec) -> Array:
    """Give the logit, (anchors,), below which no share of a row reaches the threshold.

    A mean of exponentials is no less than the exponential of the mean (Jensen), so a share is at most
    exp(logit - mean) / classes.
    """
    classes = logits.shape[1]
    means = logits @ np.full(classes, 1 / classes, np.float32)
    with np.errstate(divide="ignore"):  # a threshold of 0
        share = np.log(np.float64(how.score_threshold) * classes)
    return np.asarray(means + np.float32(share) - _ROUNDING * (1 + np.abs(means)))


def _possible_shares(logits: Array, how: DetectionSpec) -> Array:
    if logits.max() > _LARGEST_POWER:
        logits -= logits.max(1, keepdims=True)
    powers = np.exp(logits, out=logits)
    sums = powers @ np.ones(powers.shape[1], powers.dtype)
    least = sums * powers.dtype.type(how.score_threshold * (1 - _ROUNDING))
    return np.asarray(powers >= least[:, None])


def _scores(outputs: Array, rows: NDArray[np.int64], classes: NDArray[np.int64], how: DetectionSpec) -> Array:
    chosen = outputs[rows, classes].astype(np.float64)
    if how.activation == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-np.clip(chosen, -500, 500))))
    if how.activation == "softmax":
        wanted, back = np.unique(rows, return_inverse=True)
        logits = outputs[wanted].astype(np.float64)
        greatest = logits.max(1, initial=-np.inf)
        logits -= greatest[:, None]  # in place: no further arrays of this size
        sums = np.exp(logits, out=logits).sum(1)
        return np.asarray(np.exp(chosen - greatest[back]) / sums[back])
    return chosen


def _best_of_each_row(found: _Candidates) -> _Candidates:
    order = np.lexsort((-found.scores, found.rows))  # row by row, best first
    rows = found.rows[order]
    first = order[np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])] if len(rows) else order
    return _Candidates(found.rows[first], found.class_ids[first], found.scores[first])


def _found_inside(named: Mapping[str, Array], spec: ModelSpec, how: DetectionSpec) -> Found:
    """Take over what a file found that suppresses overlaps itself, but for boxes without area inside the picture."""
    missing = [meaning for meaning in ("boxes", "class_ids") if meaning not in named]
    if missing:
        raise BadValue(f"{spec.name!r} has scores of boxes, but no {' and no '.join(missing)}; set OutputSpec.meaning")
    boxes, scores, class_ids = named["boxes"], named["scores"], named["class_ids"]
    count = _count(named.get("box_count"), spec.name, scores.size)
    if boxes.shape != (scores.size, 4) or not scores.shape == class_ids.shape == (scores.size,) or count > scores.size:
        raise ShapeError(
            f"{spec.name!r} gives boxes {boxes.shape}, scores {scores.shape}, class_ids {class_ids.shape}, of which "
            f"{count} count; (N, 4), (N,), (N,) and at most N are required"
        )
    sure = np.flatnonzero(scores[:count] >= how.score_threshold)
    if np.isnan(scores[:count]).any() or np.isnan(boxes[sure]).any():
        raise BadValue(f"scores or boxes of {spec.name!r} are NaN; check the weights")
    _require_classes(class_ids[sure], spec)
    kept = sure[visible(boxes[sure])]
    kept = kept[np.argsort(-scores[kept], kind="stable")][: how.max_detections]
    inside = np.clip(boxes[kept], 0, 1).astype(np.float32)
    return Found(inside, scores[kept].astype(np.float32), class_ids[kept].astype(np.int64))


def _count(given: Array | None, name: str, rows: int) -> int:
    if given is None:
        return rows
    if given.size != 1 or not np.isfinite(given).all() or given.item() < 0:
        raise BadValue(f"{name!r} gives box_count {given.reshape(-1)[:3].tolist()}; one number, 0 or more, is required")
    return int(given.item())


def _require_classes(class_ids: Array, spec: ModelSpec) -> None:
    most = len(spec.labels) - 1 if spec.labels else _MOST_CLASSES - 1
    wrong = class_ids[~((class_ids >= 0) & (class_ids <= most))]
    if wrong.size:
        raise BadValue(f"{spec.name!r} gives a box the class {wrong[0]:g}; 0 to {most} is required")


@lru_cache(maxsize=16)
def _anchors(grids: tuple[AnchorGrid, ...], clip: bool) -> NDArray[np.float32]:
    anchors = anchor_boxes(grids, clip)
    anchors.setflags(write=False)
    return anchors

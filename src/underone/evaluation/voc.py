"""Pascal VOC's average precision, and who found whom."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..boxes import iou
from ..data.boxed import Boxes
from .coco import Answers

OVERLAP = 0.5


class VocPrecision(NamedTuple):
    """Average precision of each class in percent at overlap 0.5; NaN where a class has no object.

    Attributes:
        area: (classes,) the area under the curve (2010 and later).
        eleven: (classes,) the mean precision at eleven recalls (until 2009).
    """

    area: NDArray[np.float64]
    eleven: NDArray[np.float64]


def voc_ap(found: Sequence[Answers], truths: Sequence[Boxes], classes: int) -> VocPrecision:
    """Score boxes as Pascal VOC does.

    Args:
        found: what was said about each picture.
        truths: what is right; difficult boxes and crowds are neither wanted nor wrong.
        classes: number of classes.

    Source: Everingham et al., The Pascal Visual Object Classes Challenge (IJCV 2010), section 4.2; the rules of its
    development kit: a box goes to the object that it overlaps most, whether or not that is taken.
    """
    rows = [_class_ap(found, truths, index) for index in range(classes)]
    return VocPrecision(*np.array(rows, np.float64).reshape(classes, 2).T)


def _class_ap(found: Sequence[Answers], truths: Sequence[Boxes], index: int) -> tuple[float, float]:
    wanted = sum(int((_counted(boxes) & (boxes.class_ids == index)).sum()) for boxes in truths)
    if not wanted:
        return math.nan, math.nan
    verdicts = [_verdicts(said, boxes, index) for said, boxes in zip(found, truths, strict=True)]
    scores, right = (np.concatenate(part) for part in zip(*verdicts, strict=True))
    order = np.argsort(-scores, kind="stable")
    right = right[order][np.isfinite(right[order])]  # those that do not count are NaN
    hits = np.cumsum(right)
    recall, precision = hits / wanted, hits / np.arange(1, len(hits) + 1)
    return 100 * _area(recall, precision), 100 * _mean_at(recall, precision, 11)


def _counted(boxes: Boxes) -> NDArray[np.bool_]:
    counted: NDArray[np.bool_] = ~(boxes.difficult | boxes.crowd)
    return counted


def _verdicts(said: Answers, boxes: Boxes, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the scores of a picture's boxes of a class, and 1 (right), 0 (wrong) or NaN (does not count) for each."""
    chosen = said.class_ids == index
    corners, scores = said.corners[chosen], said.scores[chosen]
    order = np.argsort(-scores, kind="stable")
    corners, scores = corners[order], scores[order]
    right = np.zeros(len(scores))
    there = boxes.at(boxes.class_ids == index)
    if not len(there.corners) or not len(scores):
        return scores, right
    overlaps = iou(corners.astype(np.float32), there.corners)
    taken, counted = set(), _counted(there)
    for row, best in enumerate(overlaps.argmax(axis=1)):
        if overlaps[row, best] < OVERLAP:
            continue
        if not counted[best]:
            right[row] = np.nan
        elif best not in taken:
            right[row] = 1
            taken.add(best)
    return scores, right


def _area(recall: NDArray[Any], precision: NDArray[Any]) -> float:
    """Return the area under the curve, each precision raised to the best that any higher recall has."""
    recall = np.concatenate([[0.0], recall])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * envelope).sum())


def _mean_at(recall: NDArray[Any], precision: NDArray[Any], points: int) -> float:
    steps = np.linspace(0, 1, points)
    return float(np.mean([precision[recall >= step - 1e-12].max(initial=0.0) for step in steps]))


def pair_up(said: Answers, boxes: Boxes, threshold: float) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Say which box found which object, whatever their classes: the best score chooses first.

    Args:
        said: about one picture.
        boxes: what is right.
        threshold: boxes below this score are left out.

    Returns:
        Pairs (row of `said`, row of `boxes`) that overlap by half or more, rows of `said` that found nothing, and rows
        of `boxes` that were not found. Difficult boxes and crowds are in neither list of left-overs.
    """
    rows = np.flatnonzero(said.scores >= threshold)
    rows = rows[np.argsort(-said.scores[rows], kind="stable")]
    overlaps = iou(said.corners[rows].astype(np.float32), boxes.corners)
    pairs, lone, taken = [], [], set()
    counted = _counted(boxes)
    for row, overlap in zip(rows, overlaps, strict=True):
        order = [int(i) for i in np.argsort(-overlap, kind="stable") if overlap[i] >= OVERLAP]
        free = [i for i in order if i not in taken]
        if free and counted[free[0]]:
            pairs.append((int(row), free[0]))
            taken.add(free[0])
        elif not any(not counted[i] for i in order):
            lone.append(int(row))
    missed = [i for i in np.flatnonzero(counted).tolist() if i not in taken]
    return pairs, lone, missed

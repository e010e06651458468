"""COCO's table of a detector: average precision and recall, at all sizes."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.boxed import Boxes
from ..errors import MissingExtra
from ..spec import Frozen

MOST = (1, 10, 100)  # boxes of a picture that count
_OF_CLASS = (0, slice(None), slice(None), 0, -1)


class Answers(NamedTuple):
    """What a detector says about one picture.

    Attributes:
        corners: (n, 4) x1 y1 x2 y2 in the picture's pixels.
        class_ids: int (n,).
        scores: (n,).
    """

    corners: NDArray[Any]
    class_ids: NDArray[Any]
    scores: NDArray[Any]


class CocoTable(Frozen):
    """COCO's twelve figures in percent; None where no object is of that size.

    Attributes:
        ap: average precision, mean over the overlaps 0.50, 0.55 … 0.95 and over the classes.
        ap50: at overlap 0.5.
        ap75: at overlap 0.75.
        ap_small: of objects below 32 x 32 pixels.
        ap_medium: of those from there to 96 x 96.
        ap_large: of those above.
        ar1: average recall with one box a picture; mean over the same overlaps.
        ar10: with ten.
        ar100: with a hundred.
        ar_small: with a hundred, by size.
        ar_medium: the same.
        ar_large: the same.
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    ar1: float | None
    ar10: float | None
    ar100: float | None
    ar_small: float | None
    ar_medium: float | None
    ar_large: float | None


class CocoResult(NamedTuple):
    """The table, and what it is the mean of.

    Attributes:
        table: the twelve figures.
        class_ap: (classes,) percent, over the ten overlaps; NaN where the class has no object.
        class_ap50: (classes,) percent, at overlap 0.5; NaN the same.
        precision: (classes, 101) share at overlap 0.5 for the recalls 0, 0.01 … 1; NaN the same.
        scores: (classes, 101) score from which on that recall is reached; 0 where it never is.
    """

    table: CocoTable
    class_ap: NDArray[np.float64]
    class_ap50: NDArray[np.float64]
    precision: NDArray[np.float64]
    scores: NDArray[np.float64]


def coco_result(found: Sequence[Answers], truths: Sequence[Boxes], classes: int) -> CocoResult:
    """Score boxes as COCO does.

    Args:
        found: what was said about each picture.
        truths: what is right; crowds, and VOC's difficult boxes, are neither wanted nor wrong.
        classes: number of classes.

    Raises:
        MissingExtra: faster-coco-eval is not installed.

    Source: Lin et al. (arXiv 1405.0312); the figures of pycocotools' COCOeval.
    """
    package = require_package()
    truth = package.COCO(coco_truth(truths, classes))
    run = package.COCOeval_faster(truth, truth.loadRes(coco_answers(found)), "bbox")
    run.params.maxDets = list(MOST)
    run.evaluate()
    run.accumulate()
    precision = _shares(run.eval["precision"])  # (overlaps, recalls, classes, sizes, most)
    recall = _shares(run.eval["recall"])  # (overlaps, classes, sizes, most)
    return CocoResult(
        _table(precision, recall),
        100 * _mean(precision[:, :, :, 0, -1], (0, 1)),
        100 * _mean(precision[0, :, :, 0, -1], 0),
        precision[_OF_CLASS].T,
        np.maximum(np.asarray(run.eval["scores"], np.float64)[_OF_CLASS].T, 0),
    )


def require_package() -> Any:
    """Return the package that calculates.

    Raises:
        MissingExtra: faster-coco-eval is not installed.
    """
    try:
        import faster_coco_eval
    except ImportError as error:
        raise MissingExtra("COCO's table", "faster-coco-eval", "detection") from error
    return faster_coco_eval


def coco_truth(truths: Sequence[Boxes], classes: int) -> dict[str, Any]:
    """Return what is right in COCO's form; the id of a picture is its number, of a class its index + 1."""
    annotations = [
        {
            "image_id": picture,
            "category_id": int(boxes.class_ids[i]) + 1,
            "bbox": _bbox(boxes.corners[i]),
            "area": float(boxes.areas[i]),
            "iscrowd": int(boxes.crowd[i] or boxes.difficult[i]),
        }
        for picture, boxes in enumerate(truths)
        for i in range(len(boxes.corners))
    ]
    return {
        "images": [{"id": i} for i in range(len(truths))],
        "categories": [{"id": i + 1, "name": str(i)} for i in range(classes)],
        "annotations": [{"id": number, **entry} for number, entry in enumerate(annotations, 1)],
    }


def coco_answers(found: Sequence[Answers]) -> list[dict[str, Any]]:
    """Return what was said in COCO's form, with the ids of `coco_truth`."""
    return [
        {
            "image_id": picture,
            "category_id": int(said.class_ids[i]) + 1,
            "bbox": _bbox(said.corners[i]),
            "score": float(said.scores[i]),
        }
        for picture, said in enumerate(found)
        for i in range(len(said.corners))
    ]


def _bbox(corners: NDArray[Any]) -> list[float]:
    x1, y1, x2, y2 = map(float, corners)
    return [x1, y1, x2 - x1, y2 - y1]


def _shares(values: Any) -> NDArray[np.float64]:
    """Return the values with NaN for COCO's -1, which says that there is none."""
    values = np.asarray(values, np.float64)
    shares: NDArray[np.float64] = np.where(values < 0, np.nan, values)
    return shares


def _table(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> CocoTable:
    all_sizes, small, medium, large = range(4)
    return CocoTable(
        ap=_percent(precision[..., all_sizes, -1]),
        ap50=_percent(precision[0, ..., all_sizes, -1]),
        ap75=_percent(precision[5, ..., all_sizes, -1]),
        ap_small=_percent(precision[..., small, -1]),
        ap_medium=_percent(precision[..., medium, -1]),
        ap_large=_percent(precision[..., large, -1]),
        ar1=_percent(recall[..., all_sizes, 0]),
        ar10=_percent(recall[..., all_sizes, 1]),
        ar100=_percent(recall[..., all_sizes, 2]),
        ar_small=_percent(recall[..., small, 2]),
        ar_medium=_percent(recall[..., medium, 2]),
        ar_large=_percent(recall[..., large, 2]),
    )


def _percent(values: NDArray[np.float64]) -> float | None:
    mean = float(_mean(values, None))
    return None if math.isnan(mean) else 100 * mean


def _mean(values: NDArray[np.float64], axis: Any) -> NDArray[np.float64]:
    """Return the mean of what is there; NaN where nothing is, without numpy's warning."""
    there = np.isfinite(values)
    count = there.sum(axis=axis)
    mean: NDArray[np.float64] = np.where(
        count, np.where(there, values, 0).sum(axis=axis) / np.maximum(count, 1), np.nan
    )
    return mean

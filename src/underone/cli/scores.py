"""What the commands print of scores: how right a network is, and what a training gave."""

from typing import TYPE_CHECKING

from rich.markup import escape

from .show import line, new_table, out, warning

if TYPE_CHECKING:
    from ..evaluation import ClassScore, DetectionScore, SegmentationScore
    from ..training import TrainingResult


def trained(value: "TrainingResult") -> None:
    """Print what a run gave."""
    for name, found in (("validation", value.validation), ("test", value.test)):
        if found:
            line(f"{name + ':':<12}{_totals(found)}")
    line(
        f"weights:    {value.weights} (epoch {value.best_epoch}, chosen on the validation pictures)",
        f"folder:     {value.folder}, {value.seconds / 60:.1f} minutes",
    )


def score(value: "ClassScore | DetectionScore | SegmentationScore") -> None:
    """Print a score: the totals, then each class."""
    from ..evaluation import ClassScore, SegmentationScore

    line(_totals(value))
    if isinstance(value, ClassScore):
        _of_classes(value)
    elif isinstance(value, SegmentationScore):
        _of_areas(value)
    else:
        _of_boxes(value)
    for text in value.unreadable:
        warning(f"not scored: {text}")


def _of_boxes(value: "DetectionScore") -> None:
    for text, key in (("AP", "ap"), ("AR", "ar")):
        found = [(size, getattr(value.coco, f"{key}_{size}")) for size in ("small", "medium", "large")]
        line(f"{text} by size: " + ", ".join(f"{size} {_percent(share)}" for size, share in found))
    table = new_table(None)
    for name in ("class", "boxes", "AP", "AP50", "precision", "recall", "from score"):
        table.add_column(name, justify="left" if name == "class" else "right", overflow="fold")
    for one in value.by_class:
        if one.boxes:
            shares = (one.ap, one.ap50, one.precision, one.recall)
            table.add_row(escape(one.name), str(one.boxes), *map(_percent, shares), f"{one.score:.2f}")
    out.print(table)


def _of_areas(value: "SegmentationScore") -> None:
    table = new_table(None)
    for name in ("class", "pixels", "IoU", "recall", "precision"):
        table.add_column(name, justify="left" if name == "class" else "right", overflow="fold")
    for one in value.by_class:
        if one.pixels:
            table.add_row(escape(one.name), str(one.pixels), *map(_percent, (one.iou, one.recall, one.precision)))
    out.print(table)


def _of_classes(value: "ClassScore") -> None:
    table = new_table(None)
    for name in ("class", "pictures", "right %", "mostly taken for"):
        table.add_column(name, justify="right" if name in ("pictures", "right %") else "left", overflow="fold")
    for index, (name, share) in enumerate(zip(value.classes, value.by_class, strict=True)):
        if share is not None:
            table.add_row(
                escape(name), str(sum(value.confusion[index])), f"{share:.1f}", escape(_mistaken(value, index))
            )
    out.print(table)


def _totals(value: "ClassScore | DetectionScore | SegmentationScore") -> str:
    from ..evaluation import ClassScore, SegmentationScore

    if isinstance(value, SegmentationScore):
        right, borders = value.pixel_accuracy, _percent(value.boundary_f1)
        return f"{value.pictures} pictures, mIoU {value.miou:.1f} %, pixels {right:.1f} %, borders {borders} %"
    if isinstance(value, ClassScore):
        top5 = f"top-5 {value.top5:.1f} %, " if len(value.classes) > 5 else ""
        shares = f"top-1 {value.top1:.1f} %, {top5}balanced {value.balanced:.1f} %"
        return f"{value.pictures} pictures, {shares}, loss {value.loss:.3f}"
    ap50, ap, ar, voc = map(_percent, (value.coco.ap50, value.coco.ap, value.coco.ar100, value.voc))
    return f"{value.pictures} pictures, {value.boxes} boxes, AP50 {ap50} %, AP {ap} %, AR {ar} %, VOC {voc} %"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1f}"


def _mistaken(value: "ClassScore", index: int) -> str:
    """Name the two classes that a class is most often taken for."""
    row = value.confusion[index]
    others = sorted(((count, value.classes[i]) for i, count in enumerate(row) if count and i != index), reverse=True)
    return ", ".join(f"{name} ({count})" for count, name in others[:2])

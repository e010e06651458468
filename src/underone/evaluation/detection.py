"""The score of a detector: COCO's table, VOC's precision, by class, and what is taken for what."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.boxed import BoxedPictures, Boxes
from ..errors import BadFile, BadValue
from ..image import Pixels, read_image
from ..spec import Frozen
from .coco import Answers, CocoTable, coco_result
from .voc import pair_up, voc_ap

Detect = Callable[[Sequence[Pixels]], Sequence[Answers]]
LOWEST = 0.01  # boxes with a lower score are not asked for
SHOWN = 0.3  # score from which on a box counts as said, in the matrix and the worst pictures
_WORST = 24


class ClassFigures(Frozen):
    """How well one class is found; all in percent, None where there is no object of it.

    Attributes:
        name: of the class.
        boxes: number of its objects, without crowds and difficult ones.
        ap: COCO's average precision.
        ap50: at overlap 0.5.
        voc: VOC's (area under the curve).
        precision: at `score`, overlap 0.5.
        recall: the same.
        score: threshold, 0 to 1, where the harmonic mean of both is greatest.
        curve: precision in percent at overlap 0.5 for the recalls 0, 1 … 100 %.
    """

    name: str
    boxes: int
    ap: float | None
    ap50: float | None
    voc: float | None
    precision: float | None
    recall: float | None
    score: float | None
    curve: tuple[float, ...]


class WorstPicture(Frozen):
    """A picture that the detector is most wrong about.

    Attributes:
        picture: which.
        missed: objects that were not found.
        invented: boxes where nothing is.
        confused: objects that were found with another class.
        objects: in the picture.
    """

    picture: str
    missed: int
    invented: int
    confused: int
    objects: int


class DetectionScore(Frozen):
    """How right a detector is.

    Attributes:
        pictures: number of pictures that were scored.
        boxes: objects in them, without crowds and difficult ones.
        coco: COCO's table.
        voc: mean of the classes' VOC precision, in percent (area under the curve); None without any object.
        voc07: the same at eleven recalls.
        classes: names by class index.
        by_class: figures of each.
        confusion: objects by class (row) and said class (column) at score 0.3; the last row is boxes where nothing is,
            the last column objects that were missed.
        worst: the pictures with the lowest share of right boxes, at the same score.
        unreadable: pictures that could not be read, with the reason; they are not scored.
    """

    pictures: int
    boxes: int
    coco: CocoTable
    voc: float | None
    voc07: float | None
    classes: tuple[str, ...]
    by_class: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]
    worst: tuple[WorstPicture, ...] = ()
    unreadable: tuple[str, ...] = ()


def score_boxes(
    detect: Detect,
    pictures: BoxedPictures,
    *,
    batch: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> DetectionScore:
    """Score a detector.

    Args:
        detect: from up to `batch` pictures, uint8 (H, W, 3), to what is found in each; class ids are those of the data.
        pictures: with their boxes.
        batch: pictures in one call.
        progress: told (done, total) after each batch.

    Raises:
        BadFile: not one picture can be read.
        BadValue: an answer is not finite or of no class of the data.
        MissingExtra: faster-coco-eval is not installed.
    """
    found: list[Answers] = []
    truths: list[Boxes] = []
    names: list[str] = []
    unreadable: list[str] = []
    for start in range(0, len(pictures), batch):
        indexes = range(start, min(start + batch, len(pictures)))
        shown = []
        for index in indexes:
            try:
                shown.append(read_image(pictures.read(index)))
            except BadFile as error:
                unreadable.append(f"{pictures.name(index)}: {error}")
                continue
            truths.append(pictures.boxes(index, shown[-1].shape[:2]))
            names.append(pictures.name(index))
        found += [_checked(one, pictures) for one in detect(shown)] if shown else []
        progress(indexes.stop, len(pictures))
    if not found:
        raise BadFile(f"not one of {len(pictures)} pictures can be read; the first: {unreadable[0]}")
    return _score(found, truths, names, pictures.classes, unreadable)


def _checked(found: Answers, pictures: BoxedPictures) -> Answers:
    if not (np.isfinite(found.corners).all() and np.isfinite(found.scores).all()):
        raise BadValue("the network answers NaN or infinity; check its weights")
    if len(found.class_ids) and not 0 <= found.class_ids.min() <= found.class_ids.max() < len(pictures.classes):
        raise BadValue(
            f"the network answers the class {found.class_ids.max()}; the data has {len(pictures.classes)} classes"
        )
    return found


def _score(
    found: Sequence[Answers], truths: Sequence[Boxes], names: Sequence[str], classes: tuple[str, ...],
    unreadable: Sequence[str],
) -> DetectionScore:  # fmt: skip
    voc = voc_ap(found, truths, len(classes))
    paired = _pair(found, truths)
    by_class, table = _by_class(found, truths, classes, voc.area)
    return DetectionScore(
        pictures=len(found),
        boxes=sum(figures.boxes for figures in by_class),
        coco=table,
        voc=_mean(voc.area),
        voc07=_mean(voc.eleven),
        classes=classes,
        by_class=by_class,
        confusion=_confusion(paired, len(classes)),
        worst=_worst(paired, names),
        unreadable=tuple(unreadable),
    )


def _by_class(
    found: Sequence[Answers], truths: Sequence[Boxes], classes: tuple[str, ...], voc: NDArray[np.float64]
) -> tuple[tuple[ClassFigures, ...], CocoTable]:
    result = coco_result(found, truths, len(classes))
    ids = np.concatenate([boxes.class_ids[~(boxes.crowd | boxes.difficult)] for boxes in truths])
    counts = np.bincount(ids, minlength=len(classes))
    figures = []
    for index, name in enumerate(classes):
        curve = np.nan_to_num(result.precision[index])
        recalls = np.linspace(0, 1, len(curve))
        f1 = 2 * curve * recalls / np.maximum(curve + recalls, 1e-12)
        best, any_ = int(f1.argmax()), counts[index] > 0
        figures.append(
            ClassFigures(
                name=name,
                boxes=int(counts[index]),
                ap=_number(result.class_ap[index]),
                ap50=_number(result.class_ap50[index]),
                voc=_number(voc[index]),
                precision=100 * float(curve[best]) if any_ else None,
                recall=100 * float(recalls[best]) if any_ else None,
                score=float(result.scores[index][best]) if any_ else None,
                curve=tuple(round(100 * float(v), 2) for v in curve),
            )
        )
    return tuple(figures), result.table


class _Paired(NamedTuple):
    """Classes of a picture's pairs (object, box), of the boxes where nothing is, and of the missed objects."""

    pairs: list[tuple[int, int]]
    invented: list[int]
    missed: list[int]

    @property
    def right(self) -> float:
        """Twice the right boxes over all boxes and objects (F1), 1 where there is nothing and nothing was said."""
        right = sum(truth == said for truth, said in self.pairs)
        total = 2 * len(self.pairs) + len(self.invented) + len(self.missed)
        return 2 * right / total if total else 1.0


def _pair(found: Sequence[Answers], truths: Sequence[Boxes]) -> list[_Paired]:
    paired = []
    for said, boxes in zip(found, truths, strict=True):
        pairs, lone, missed = pair_up(said, boxes, SHOWN)
        paired.append(
            _Paired(
                [(int(boxes.class_ids[t]), int(said.class_ids[s])) for s, t in pairs],
                [int(said.class_ids[s]) for s in lone],
                [int(boxes.class_ids[t]) for t in missed],
            )
        )
    return paired


def _confusion(paired: Sequence[_Paired], classes: int) -> tuple[tuple[int, ...], ...]:
    matrix = np.zeros((classes + 1, classes + 1), np.int64)
    for one in paired:
        for truth, said in [*one.pairs, *((classes, s) for s in one.invented), *((t, classes) for t in one.missed)]:
            matrix[truth, said] += 1
    return tuple(tuple(map(int, row)) for row in matrix)


def _worst(paired: Sequence[_Paired], names: Sequence[str]) -> tuple[WorstPicture, ...]:
    order = sorted(range(len(paired)), key=lambda i: paired[i].right)
    return tuple(
        WorstPicture(
            picture=names[i],
            missed=len(paired[i].missed),
            invented=len(paired[i].invented),
            confused=sum(truth != said for truth, said in paired[i].pairs),
            objects=len(paired[i].pairs) + len(paired[i].missed),
        )
        for i in order[:_WORST]
        if paired[i].right < 1
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else None


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None

"""The score of a segmenter: overlap by class, share of right pixels, and how near its borders are."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.masked import IGNORED, MaskedPictures
from ..errors import BadFile, BadValue, ShapeError
from ..image import Pixels, read_image
from ..spec import Frozen

Mask = NDArray[Any]
Segment = Callable[[Sequence[Pixels]], Sequence[Mask]]

_WORST = 24
_NEAR = 0.0075  # of the diagonal: how far borders may be apart


class AreaFigures(Frozen):
    """How well one class is found; in percent, None where there is nothing of it.

    Attributes:
        name: of the class.
        pixels: that have it.
        iou: pixels that have it and are said to, of those that have it or are said to.
        recall: of the pixels that have it, those that are said to.
        precision: of those that are said to, the ones that have it.
    """

    name: str
    pixels: int
    iou: float | None
    recall: float | None
    precision: float | None


class WorstMask(Frozen):
    """A picture that the segmenter is most wrong about.

    Attributes:
        picture: which.
        right: share of its pixels that are right, in percent.
        confused: the class that most wrong pixels have, and the one that they are said to have.
    """

    picture: str
    right: float
    confused: tuple[str, str] | None


class SegmentationScore(Frozen):
    """How right a segmenter is, at the size of the pictures.

    Attributes:
        pictures: number of pictures that were scored.
        miou: mean of the classes' overlap, in percent, over those that are there or are said to be.
        pixel_accuracy: share of right pixels, in percent.
        boundary_f1: how near borders are, in percent: mean over the pictures and the classes in each; a border counts
            as found within 0.75 % of the diagonal. None without any border.
        classes: names by class index.
        by_class: figures of each.
        confusion: pixels by class (row) and said class (column).
        worst: the pictures with the lowest share of right pixels.
        unreadable: pictures or masks that could not be read, with the reason; they are not scored.
    """

    pictures: int
    miou: float
    pixel_accuracy: float
    boundary_f1: float | None
    classes: tuple[str, ...]
    by_class: tuple[AreaFigures, ...]
    confusion: tuple[tuple[int, ...], ...]
    worst: tuple[WorstMask, ...] = ()
    unreadable: tuple[str, ...] = ()


def score_masks(
    segment: Segment,
    pictures: MaskedPictures,
    *,
    batch: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> SegmentationScore:
    """Score a segmenter.

    Args:
        segment: from up to `batch` pictures, uint8 (H, W, 3), to the class of each pixel, (H, W) each.
        pictures: with their masks; pixels of 255 are neither right nor wrong.
        batch: pictures in one call.
        progress: told (done, total) after each batch.

    Raises:
        BadFile: no picture could be read.
        BadValue: not a single pixel has a class, or a class is said that the data has not.
        ShapeError: a mask of another size than its picture was given.
    """
    count = len(pictures.classes)
    tables: list[NDArray[np.int64]] = []
    borders: list[float] = []
    names, unreadable = [], []
    for start in range(0, len(pictures), batch):
        read, faults = _read(pictures, range(start, min(start + batch, len(pictures))))
        unreadable += faults
        said = segment([pixels for _, pixels, _ in read]) if read else ()
        for (name, _, truth), mask in zip(read, said, strict=True):
            _check(mask, truth, name, count)
            tables.append(confusion_of(truth, mask, count))
            names.append(name)
            borders += boundary_scores(truth, mask)
        progress(min(start + batch, len(pictures)), len(pictures))
    if not tables:
        raise BadFile(f"none of {len(pictures)} pictures could be read; first: {unreadable[0]}")
    total = np.sum(tables, 0)
    if not total.any():
        raise BadValue(f"all pixels of {len(tables)} masks are ignored ({IGNORED}); nothing can be scored")
    by_class = tuple(_figures(name, total, i) for i, name in enumerate(pictures.classes))
    return SegmentationScore(
        pictures=len(tables),
        miou=float(np.mean([row.iou for row in by_class if row.iou is not None])),
        pixel_accuracy=100 * float(np.trace(total) / total.sum()),
        boundary_f1=100 * float(np.mean(borders)) if borders else None,
        classes=pictures.classes,
        by_class=by_class,
        confusion=tuple(tuple(row) for row in total.tolist()),
        worst=tuple(_worst(names, tables, pictures.classes)),
        unreadable=tuple(unreadable),
    )


def _read(pictures: MaskedPictures, which: range) -> tuple[list[tuple[str, Pixels, Mask]], list[str]]:
    read, faults = [], []
    for index in which:
        name = pictures.name(index)
        try:
            pixels = read_image(pictures.read(index))
            read.append((name, pixels, pictures.mask(index, (pixels.shape[0], pixels.shape[1]))))
        except BadFile as error:
            faults.append(str(error) if name in str(error) else f"{name}: {error}")
    return read, faults


def _check(mask: Mask, truth: Mask, name: str, classes: int) -> None:
    if mask.shape != truth.shape:
        raise ShapeError(f"{name}: a mask {mask.shape} was given; {truth.shape}, the size of the picture, is required")
    if mask.size and not 0 <= int(mask.min()) <= int(mask.max()) < classes:
        raise BadValue(f"{name}: class {int(mask.max())} was given; the data has {classes}")


def confusion_of(truth: Mask, said: Mask, classes: int) -> NDArray[np.int64]:
    """Count pixels by class (row) and said class (column), (classes, classes); those of 255 are left out."""
    counted = truth != IGNORED
    pairs = truth[counted].astype(np.int64) * classes + said[counted]
    table: NDArray[np.int64] = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    return table


def boundary_scores(truth: Mask, said: Mask) -> Iterator[float]:
    """Give the border score of each class that the truth has: the harmonic mean of precision and recall, 0 to 1.

    A pixel of a border counts as found when the other border is within 0.75 % of the diagonal, along both axes.

    Source: Csurka et al., BMVC 2013, "What is a good evaluation measure for semantic segmentation?", whose distance is
    Euclid's.
    """
    reach = max(1, math.ceil(_NEAR * math.hypot(*truth.shape)))
    counted = truth != IGNORED
    for index in np.unique(truth[counted]):
        wanted, given = (border_of(mask == index) & counted for mask in (truth, said))
        if wanted.any():
            found = (wanted & _grown(given, reach)).sum() / wanted.sum()
            right = (given & _grown(wanted, reach)).sum() / max(given.sum(), 1)
            yield float(2 * found * right / max(found + right, 1e-12))


def border_of(area: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which pixels of an area have a neighbour, of the four in the picture, outside it."""
    inside = np.pad(area, 1, "edge")
    return area & ~(inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:])


def _grown(area: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Say which pixels have one of the area within reach along both axes, by the area's sums over such windows."""
    side = 2 * reach + 1
    sums = np.pad(area, ((reach + 1, reach),) * 2).cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32)
    grown: NDArray[np.bool_] = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side] > 0
    return grown


def _figures(name: str, table: NDArray[np.int64], index: int) -> AreaFigures:
    right, there, said = (int(n) for n in (table[index, index], table[index].sum(), table[:, index].sum()))
    shares = [100 * right / n if n else None for n in (there + said - right, there, said)]
    return AreaFigures(name=name, pixels=there, iou=shares[0], recall=shares[1], precision=shares[2])


def _worst(names: Sequence[str], tables: Sequence[NDArray[np.int64]], classes: Sequence[str]) -> Iterator[WorstMask]:
    shares = [100 * float(np.trace(table) / table.sum()) if table.any() else 100.0 for table in tables]
    for i in sorted(range(len(names)), key=lambda i: shares[i])[:_WORST]:
        wrong = tables[i] * (1 - np.eye(len(classes), dtype=np.int64))
        row, column = divmod(int(wrong.argmax()), len(classes))
        confused = (classes[row], classes[column]) if wrong.any() else None
        yield WorstMask(picture=names[i], right=shares[i], confused=confused)

"""The score of a classifier: accuracy as it is usually stated, by class, and what is taken for what."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import Pictures
from ..errors import BadFile, BadValue, ShapeError
from ..image import prepare
from ..spec import Frozen, InputSpec

Answer = Callable[[NDArray[np.float32]], NDArray[Any]]  # (N, C, H, W) → (N, classes)
TOP = 5
_WORST = 24


class Mistake(Frozen):
    """A picture that the classifier is wrong about.

    Attributes:
        picture: which.
        target: the right class.
        answer: the class that was said.
        score: its share, 0 to 1.
    """

    picture: str
    target: str
    answer: str
    score: float


class ClassScore(Frozen):
    """How right a classifier is.

    Attributes:
        pictures: number of pictures that were scored.
        top1: share whose best class is right, in percent.
        top5: share whose best five classes hold the right one, in percent; of fewer classes, all of them count.
        balanced: mean of the classes' shares, in percent; classes without a picture are left out.
        loss: mean cross entropy of the answers.
        classes: names by class index.
        by_class: share of each class that is right, in percent; None where it has no picture.
        confusion: pictures by right class (row) and said class (column).
        worst: the wrong answers with the highest scores.
        unreadable: pictures that could not be read, with the reason; they are not scored.
    """

    pictures: int
    top1: float
    top5: float
    balanced: float
    loss: float
    classes: tuple[str, ...]
    by_class: tuple[float | None, ...]
    confusion: tuple[tuple[int, ...], ...]
    worst: tuple[Mistake, ...] = ()
    unreadable: tuple[str, ...] = ()


def score_classes(
    answer: Answer,
    pictures: Pictures,
    spec: InputSpec,
    *,
    batch: int = 1,
    logits: bool = True,
    reduced: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> ClassScore:
    """Score a classifier.

    Args:
        answer: from the prepared tensor of up to `batch` pictures to an array (N, classes).
        pictures: with their classes, in the order of the outputs.
        spec: of the classifier's input, with its preparation.
        batch: pictures in one call.
        logits: whether the answers are logits; else shares of 1.
        reduced: whether large JPEG files are decoded at a part of their size, as `prepare` does it.
        progress: told (done, total) after each batch.

    Raises:
        ShapeError: the answer has another number of classes than the pictures, or another length.
        BadFile: not one picture can be read.
        BadValue: an answer is not finite.
    """
    outputs: list[NDArray[np.float64]] = []
    kept: list[int] = []
    unreadable: list[str] = []
    for start in range(0, len(pictures), batch):
        tensors = []
        for index in range(start, min(start + batch, len(pictures))):
            try:
                tensors.append(prepare(pictures.read(index), spec, reduced=reduced))
                kept.append(index)
            except BadFile as error:
                unreadable.append(f"{pictures.name(index)}: {error}")
        if tensors:
            outputs.append(_checked(answer(np.concatenate(tensors)), len(tensors), pictures))
        progress(min(start + batch, len(pictures)), len(pictures))
    if not outputs:
        raise BadFile(f"not one of {len(pictures)} pictures can be read; the first: {unreadable[0]}")
    logs = np.concatenate(outputs)
    return _score(
        _log_shares(logs) if logits else np.log(np.maximum(logs, 1e-30)), np.array(kept), pictures, unreadable
    )


def _checked(values: NDArray[Any], count: int, pictures: Pictures) -> NDArray[np.float64]:
    values = np.asarray(values, np.float64).reshape(len(values), -1)  # (N, classes, 1, 1) → (N, classes)
    if values.shape != (count, len(pictures.classes)):
        raise ShapeError(
            f"the network answers {values.shape} for {count} pictures; the data has {len(pictures.classes)} classes"
        )
    if not np.isfinite(values).all():
        raise BadValue("the network answers NaN or infinity; check its weights")
    return values


def _log_shares(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    logs: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs


def _score(logs: NDArray[np.float64], kept: NDArray[np.int64], pictures: Pictures, unreadable: list[str]) -> ClassScore:
    targets, classes = pictures.targets[kept], len(pictures.classes)
    ranked = np.argsort(-logs, axis=1, kind="stable")  # (N, classes), at equal score the lower index first
    said = ranked[:, 0]
    confusion = np.bincount(targets * classes + said, minlength=classes**2).reshape(classes, classes)
    sums, right = confusion.sum(axis=1), confusion.diagonal()
    by_class = [100 * float(r) / int(n) if n else None for r, n in zip(right, sums, strict=True)]
    return ClassScore(
        pictures=len(kept),
        top1=100 * float((said == targets).mean()),
        top5=100 * float((ranked[:, :TOP] == targets[:, None]).any(axis=1).mean()),
        balanced=math.fsum(v for v in by_class if v is not None) / sum(v is not None for v in by_class),
        loss=float(-logs[np.arange(len(kept)), targets].mean()),
        classes=pictures.classes,
        by_class=tuple(by_class),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        worst=_worst(logs, said, targets, kept, pictures),
        unreadable=tuple(unreadable),
    )


def _worst(
    logs: NDArray[np.float64], said: NDArray[np.int64], targets: NDArray[np.int64], kept: NDArray[np.int64],
    pictures: Pictures,
) -> tuple[Mistake, ...]:  # fmt: skip
    wrong = np.flatnonzero(said != targets)
    order = wrong[np.argsort(-logs[wrong, said[wrong]], kind="stable")][:_WORST]
    return tuple(
        Mistake(
            picture=pictures.name(int(kept[i])),
            target=pictures.classes[targets[i]],
            answer=pictures.classes[said[i]],
            score=float(np.exp(logs[i, said[i]])),
        )
        for i in order
    )

"""Sheets of validation pictures with what is right and what was said."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import Pictures
from ..errors import BadFile
from ..evaluation.classification import Answer
from ..files import atomic_write
from ..image import Pixels, prepare, read_image
from ..spec import InputSpec
from . import drawing

_SHEETS, _TILES = 3, 32


def draw_answers(folder: Path, answer: Answer, pictures: Pictures, spec: InputSpec) -> None:
    """Write ``val_batch0_pred.jpg`` and so on: pictures from the whole list, each with its class and the answer.

    Args:
        folder: of the run.
        answer: from the prepared tensor (N, 3, H, W) to logits (N, classes).
        pictures: with their classes; those that cannot be read are left out.
        spec: of the network's input, with its preparation.
    """
    count = min(len(pictures), _SHEETS * _TILES)
    chosen = np.linspace(0, len(pictures) - 1, count).round().astype(int)
    for number in range(min(_SHEETS, -(-count // _TILES))):
        shown: list[Pixels] = []
        texts, wrong = [], []
        for index in chosen[number :: -(-count // _TILES)]:
            try:
                pixels = read_image(pictures.read(int(index)))
            except BadFile:
                continue
            text, right = _said(answer(prepare(pixels, spec))[0], pictures.classes, int(pictures.targets[index]))
            shown.append(pixels)
            texts.append(text)
            wrong.append(not right)
        if shown:
            with atomic_write(folder / f"val_batch{number}_pred.jpg") as path:
                drawing.sheet(path, shown, texts, wrong)


def _said(logits: NDArray[Any], classes: tuple[str, ...], target: int) -> tuple[str, bool]:
    """Return ``class 93%`` of the answer, after the right class where it is another; and whether it is right."""
    shares = np.exp(logits - logits.max())
    best = int(shares.argmax())
    said = f"{classes[best]} {shares[best] / shares.sum():.0%}"
    return (said, True) if best == target else (f"{classes[target]}: {said}", False)

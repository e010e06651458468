"""Boxes drawn on pictures, for the sheets of a run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..data import BoxedPictures
from ..errors import BadFile
from ..evaluation.detection import SHOWN, Detect
from ..files import atomic_write
from ..image import read_image
from ..image.frames import draw_frames
from . import drawing


def sheet(path: Path, detect: Detect, pictures: BoxedPictures, rows: Sequence[int]) -> None:
    """Write pictures twice, with the boxes that are right and with those that are said; nothing where there is none.

    Args:
        path: of the JPEG file.
        detect: from pictures to what is found in each; boxes with a score from 0.3 on are drawn.
        pictures: with their boxes.
        rows: which of them.
    """
    drawn, texts = [], []
    for row in rows:
        try:
            pixels = read_image(pictures.read(row))
        except BadFile:  # removed since
            continue
        truth, said = pictures.boxes(row, pixels.shape[:2]), detect([pixels])[0]
        kept = said.scores >= SHOWN
        right = draw_frames(pixels, truth.corners, truth.class_ids)
        found = draw_frames(pixels, said.corners[kept], said.class_ids[kept], [f"{s:.2f}" for s in said.scores[kept]])
        drawn.append(np.concatenate([right, found], axis=1))
        texts.append(f"{Path(pictures.name(row)).name}: {len(truth.corners)} right, {int(kept.sum())} said")
    if drawn:
        with atomic_write(path) as temporary:
            drawing.sheet(temporary, drawn, texts, tile=(640, 240))

"""Boxes drawn on pictures, for the sheets of a run."""

from collections.abc import Sequence
from pathlib import Path

from ..data import BoxedPictures
from ..evaluation.detection import SHOWN, Detect
from ..image import Pixels
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

    def compared(row: int, pixels: Pixels) -> tuple[Pixels, Pixels, str]:
        truth, said = pictures.boxes(row, pixels.shape[:2]), detect([pixels])[0]
        kept = said.scores >= SHOWN
        right = draw_frames(pixels, truth.corners, truth.class_ids)
        found = draw_frames(pixels, said.corners[kept], said.class_ids[kept], [f"{s:.2f}" for s in said.scores[kept]])
        return right, found, f"{Path(pictures.name(row)).name}: {len(truth.corners)} labelled, {int(kept.sum())} found"

    drawing.comparisons(path, pictures, rows, compared)

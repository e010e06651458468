"""Masks drawn on pictures, for the sheets of a run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..data.masked import IGNORED, MaskedPictures
from ..evaluation.segmentation import Segment
from ..image import Pixels, overlay_mask
from . import drawing


def sheet(path: Path, segment: Segment, pictures: MaskedPictures, rows: Sequence[int]) -> None:
    """Write pictures twice, under the classes that are right and under those that are said; nothing without pictures.

    Args:
        path: of the JPEG file.
        segment: from pictures to the class of each pixel.
        pictures: with their masks.
        rows: which of them.
    """

    def compared(row: int, pixels: Pixels) -> tuple[Pixels, Pixels, str]:
        truth, said = pictures.mask(row, (pixels.shape[0], pixels.shape[1])), segment([pixels])[0]
        counted = truth != IGNORED
        right = 100 * (said == truth)[counted].mean() if counted.any() else 100.0
        drawn = [np.asarray(overlay_mask(pixels, mask, background=IGNORED)) for mask in (truth, said)]
        return drawn[0], drawn[1], f"{Path(pictures.name(row)).name}: {right:.1f} % right"

    drawing.comparisons(path, pictures, rows, compared)

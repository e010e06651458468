"""Boxes drawn on pictures, for the sheets of a run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..data import BoxedPictures
from ..errors import BadFile
from ..evaluation.detection import SHOWN, Detect
from ..files import atomic_write
from ..image import Pixels, read_image
from . import drawing

COLORS = ("#2563eb", "#d97706", "#0d9488", "#b91c1c", "#7c3aed", "#4d7c0f", "#be185d", "#0369a1")


def draw_boxes(
    pixels: Pixels, corners: NDArray[np.float32], class_ids: Sequence[int] | NDArray[np.int64],
    texts: Sequence[str] = (), width: int = 2,
) -> Pixels:  # fmt: skip
    """Return the picture with boxes in the colours of their classes.

    Args:
        pixels: uint8 (H, W, 3).
        corners: (n, 4) x1 y1 x2 y2 in its pixels.
        class_ids: (n,).
        texts: shown in the upper left corner of each box; (): none.
        width: of the lines, in pixels.
    """
    page = Image.fromarray(pixels)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(11)
    for number, (box, index) in enumerate(zip(corners.tolist(), class_ids, strict=True)):
        color = COLORS[int(index) % len(COLORS)]
        draw.rectangle(box, outline=color, width=width)
        if texts:
            at = (box[0] + width, max(box[1], 0))
            draw.rectangle(draw.textbbox(at, texts[number], font), fill=color)
            draw.text(at, texts[number], "white", font)
    return np.asarray(page)


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
        right = draw_boxes(pixels, truth.corners, truth.class_ids)
        found = draw_boxes(pixels, said.corners[kept], said.class_ids[kept], [f"{s:.2f}" for s in said.scores[kept]])
        drawn.append(np.concatenate([right, found], axis=1))
        texts.append(f"{Path(pictures.name(row)).name}: {len(truth.corners)} right, {int(kept.sum())} said")
    if drawn:
        with atomic_write(path) as temporary:
            drawing.sheet(temporary, drawn, texts, tile=(640, 240))

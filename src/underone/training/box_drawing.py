"""Boxes drawn on pictures, for the sheets of a run."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..image import Pixels

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

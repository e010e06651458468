"""Thin frames in the colours of their classes, for sheets of many pictures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .draw_boxes import COLORS
from .read import Pixels


def draw_frames(
    picture: Pixels, corners: NDArray[Any], class_ids: Sequence[int] | NDArray[Any], texts: Sequence[str] = (),
    size: tuple[int, int] = (318, 236),
) -> Pixels:  # fmt: skip
    """Return a small copy of a picture with frames.

    Args:
        picture: uint8 (H, W, 3).
        corners: (n, 4) x1 y1 x2 y2 in its pixels, also outside it or without area.
        class_ids: (n,), which colour.
        texts: shown at the upper left corner of each frame; "" or (): none.
        size: (width, height) in pixels that it is shrunk to.
    """
    page = Image.fromarray(picture)
    page.thumbnail(size)
    factor = page.width / picture.shape[1], page.height / picture.shape[0]
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(10)
    for number, (box, index) in enumerate(zip((corners * (*factor, *factor)).tolist(), class_ids, strict=True)):
        color = COLORS[int(index) % len(COLORS)]
        left, top, right, bottom = (min(max(edge, -9), 9 + max(page.size)) for edge in box)  # Pillow's own limits
        draw.rectangle((left, top, max(left, right), max(top, bottom)), outline=color, width=2)
        if texts and texts[number]:
            at = (left + 2, max(top, 0))
            draw.rectangle(draw.textbbox(at, texts[number], font), fill=color)
            draw.text(at, texts[number], "black", font)
    return np.asarray(page)

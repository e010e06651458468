"""Draw found objects on a picture, with Pillow alone."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .draw import Color, percent, readable, scaled
from .read import Pixels

# Okabe and Ito's colours, told apart by everybody; by class, again from the start after eight
COLORS: tuple[Color, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (204, 121, 167),
    (213, 94, 0),
    (0, 114, 178),
    (200, 200, 200),
)
_DARK: Color = (20, 23, 28)


def draw_boxes(
    picture: Pixels, boxes: NDArray[Any], names: Sequence[str], scores: Sequence[float], class_ids: Sequence[int]
) -> Image.Image:
    """Draw a frame around each object, with its name and score, in the colour of its class.

    Small pictures are enlarged and large ones shrunk, as `draw_classification` does. The best objects are drawn last,
    so that their names stand on top.

    Args:
        picture: uint8 (H, W, 3) RGB.
        boxes: (N, 4) x1 y1 x2 y2 in its pixels.
        names: of each object's class.
        scores: of each object, from 0 to 1, best first.
        class_ids: of each object.

    Returns:
        An RGB picture of the same shape.
    """
    shown = scaled(Image.fromarray(picture)).copy()
    x, y = shown.width / picture.shape[1], shown.height / picture.shape[0]
    draw = ImageDraw.Draw(shown)
    line = max(2, round(shown.width / 320))
    font, plain = readable(list(names), round(10 + shown.width / 120))
    for i in reversed(range(len(boxes))):
        left, top, right, bottom = boxes[i] * (x, y, x, y)
        color = COLORS[class_ids[i] % len(COLORS)]
        frame = (left, top, max(right, left + 1), max(bottom, top + 1))
        draw.rectangle(frame, outline=color, width=line)
        _label(draw, (left, top), f"{plain[i]} {percent(float(scores[i]))}", font, color)
    return shown


def _label(draw: ImageDraw.ImageDraw, corner: tuple[float, float], text: str, font: Any, color: Color) -> None:
    """Write a text on its colour above a corner, or below it where the picture ends."""
    _, _, width, height = draw.textbbox((0, 0), text, font)
    left = max(0.0, min(corner[0], draw.im.size[0] - width - 6))
    top = corner[1] - height - 4 if corner[1] >= height + 4 else corner[1]
    draw.rectangle((left, top, left + width + 6, top + height + 4), fill=color)
    draw.text((left + 3, top + 2), text, _DARK, font)

"""Draw the class of each pixel on a picture, with Pillow alone."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .draw import Color, readable, scaled
from .draw_boxes import COLORS
from .read import Pixels

_COVER = 150  # of 255: how much a colour hides of the picture
_PANEL: Color = (20, 23, 28)
_BRIGHT: Color = (245, 247, 250)
_GOLDEN = 0.618034  # share of the circle of hues between classes: neighbours are far apart


def class_color(index: int) -> Color:
    """Return the colour of a class, the same in every picture: one of eight, then hues that go round the circle.

    >>> class_color(1), class_color(1) == class_color(9)
    ((86, 180, 233), False)
    """
    if index < len(COLORS):
        return COLORS[index]
    hue, value = (index * _GOLDEN) % 1, (1.0, 0.75, 0.55)[index % 3]
    around = np.clip(np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    red, green, blue = (255 * value * (0.25 + 0.75 * around)).astype(int).tolist()
    return red, green, blue


def overlay_mask(picture: Pixels, mask: NDArray[Any], background: int | None = None) -> Image.Image:
    """Lay the colour of its class over each pixel.

    Args:
        picture: uint8 (H, W, 3) RGB.
        mask: (H, W) class of each pixel.
        background: class that is left as it is.

    Returns:
        An RGB picture of the same size.
    """
    cover = np.full(mask.shape, _COVER, np.uint8)
    if background is not None:
        cover[mask == background] = 0
    return Image.composite(_colored(mask), Image.fromarray(picture), Image.fromarray(cover))


def _colored(mask: NDArray[Any]) -> Image.Image:
    if mask.dtype == np.uint8:
        return indexed_mask(mask).convert("RGB")
    classes, places = np.unique(mask, return_inverse=True)  # a palette has 256 colours
    colors = np.array([class_color(int(index)) for index in classes], np.uint8)
    return Image.fromarray(colors[places.reshape(mask.shape)])


def draw_mask(
    picture: Pixels, mask: NDArray[Any], areas: Sequence[tuple[int, str]], background: int | None = None
) -> Image.Image:
    """Lay the colours of the classes over a picture, and name them in a panel below.

    Small pictures are enlarged and large ones shrunk, as `draw_classification` does.

    Args:
        picture: uint8 (H, W, 3) RGB.
        mask: (H, W) class of each pixel.
        areas: class and text of each entry of the panel, in its order.
        background: class that is left as it is.

    Returns:
        An RGB picture.
    """
    shown = scaled(overlay_mask(picture, mask, background))
    if not areas:
        return shown
    panel = _legend(shown.width, areas)
    card = Image.new("RGB", (shown.width, shown.height + panel.height), _PANEL)
    card.paste(shown, (0, 0))
    card.paste(panel, (0, shown.height))
    return card


def _legend(width: int, areas: Sequence[tuple[int, str]]) -> Image.Image:
    """Write the texts one behind the other, each after a patch of its colour, in as many rows as they need."""
    text = round(11 + width / 120)  # px
    font, names = readable([name for _, name in areas], text)
    row, left, top, placed = round(1.8 * text), text, text, []
    for (index, _), name in zip(areas, names, strict=True):
        length = round(1.6 * text + font.getlength(name))
        if left + length > width - text and left > text:
            left, top = text, top + row
        placed.append((left, top, class_color(index), name))
        left += length + text
    panel = Image.new("RGB", (width, top + row), _PANEL)
    draw = ImageDraw.Draw(panel)
    for x, y, color, name in placed:
        draw.rounded_rectangle((x, y, x + text, y + text), text // 4, color)
        draw.text((x + 1.5 * text, y + text / 2), name, _BRIGHT, font, anchor="lm")
    return panel


@lru_cache(maxsize=1)
def _palette() -> bytes:
    return bytes(channel for index in range(256) for channel in class_color(index))


def indexed_mask(mask: NDArray[Any]) -> Image.Image:
    """Return a mask (H, W) uint8 as a picture with a palette: its values are the classes.

    >>> indexed_mask(np.zeros((2, 3), np.uint8)).mode
    'P'
    """
    picture = Image.fromarray(mask).convert("L")
    picture.putpalette(_palette())
    return picture

"""The pixels of a Pillow picture: where they lie, or copied in bands."""

from typing import Any, cast

import numpy as np
import PIL
from PIL import Image

from .array import Pixels

try:
    from .._native import view_of_arrow

    _SHOWN = hasattr(Image.Image, "__arrow_c_array__")  # from Pillow 11.2 on
except ImportError:  # built without a compiler
    _SHOWN = False

# before Pillow 13 its view says nothing of the gaps between rows that PILLOW_ALIGNMENT makes
_KNOWS_GAPS = int(PIL.__version__.split(".")[0]) >= 13
_BAND = 1 << 19  # pixels that are copied at a time: of 12 million in one, Pillow takes 54 ms, in bands 20


def view_of(image: Image.Image) -> Pixels:
    """Decode a picture in RGB and show its pixels.

    Args:
        image: of Pillow's mode RGB.

    Returns:
        uint8 (H, W, 3), not to be written to; a copy where Pillow's rows do not follow each other in one piece, as
        in pictures of more than 4 million pixels.

    Raises:
        Exception: whatever Pillow's decoders raise on damaged files.
    """
    image.load()
    if not _SHOWN or not (_KNOWS_GAPS or cast(Any, Image).core.get_alignment() == 1):
        return copy_of(image)
    try:
        return view_of_arrow(*image.__arrow_c_array__(), image.size[::-1])
    except ValueError:  # not in one piece
        return copy_of(image)


def copy_of(image: Image.Image) -> Pixels:
    """Decode a picture in RGB and copy its pixels.

    Args:
        image: of Pillow's mode RGB.

    Returns:
        uint8 (H, W, 3), contiguous, and the caller's own.

    Raises:
        Exception: whatever Pillow's decoders raise on damaged files.
    """
    image.load()
    width, height = image.size
    rows = max(1, _BAND // width)
    if rows >= height:
        return np.array(image)
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return pixels

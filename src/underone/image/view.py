"""The pixels of a Pillow picture where they lie, without a copy."""

import numpy as np
from PIL import Image

from .read import Pixels

try:
    from .._native import view_of_arrow

    _SHOWN = hasattr(Image.Image, "__arrow_c_array__")  # from Pillow 11.2 on
except ImportError:  # built without a compiler
    _SHOWN = False


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
    try:
        return view_of_arrow(*image.__arrow_c_array__(), image.size[::-1]) if _SHOWN else np.asarray(image)
    except ValueError:  # not in one piece
        return np.asarray(image)

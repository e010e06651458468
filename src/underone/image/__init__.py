"""Every kind of picture to an array, and back to a picture."""

from .draw import draw_classification
from .photo import Photograph, photograph, photographs
from .prepare import prepare
from .read import Picture, Pixels, read_image

__all__ = [
    "Photograph",
    "Picture",
    "Pixels",
    "draw_classification",
    "photograph",
    "photographs",
    "prepare",
    "read_image",
]

"""Every kind of picture to an array, and back to a picture."""

from .draw import draw_classification
from .draw_boxes import draw_boxes
from .photo import Photograph, photograph, photographs
from .prepare import prepare, region_seen
from .read import Picture, Pixels, read_image

__all__ = [
    "Photograph",
    "Picture",
    "Pixels",
    "draw_boxes",
    "draw_classification",
    "photograph",
    "photographs",
    "prepare",
    "read_image",
    "region_seen",
]

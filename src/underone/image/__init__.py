"""Every kind of picture to an array, and back to a picture."""

from .draw import draw_classification
from .draw_boxes import draw_boxes
from .draw_mask import class_color, draw_mask, indexed_mask, overlay_mask
from .from_array import from_array, from_planes
from .photo import Photograph, photograph, photographs
from .planes import Planes
from .prepare import prepare, region_seen
from .read import Picture, Pixels, read_image
from .url import Url

__all__ = [
    "Photograph",
    "Picture",
    "Pixels",
    "Planes",
    "Url",
    "class_color",
    "draw_boxes",
    "draw_classification",
    "draw_mask",
    "from_array",
    "from_planes",
    "indexed_mask",
    "overlay_mask",
    "photograph",
    "photographs",
    "prepare",
    "read_image",
    "region_seen",
]

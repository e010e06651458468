"""Every kind of picture to an array, and back to a picture."""

from .photo import Photograph, photograph, photographs
from .prepare import prepare
from .read import Picture, Pixels, read_image

__all__ = ["Photograph", "Picture", "Pixels", "photograph", "photographs", "prepare", "read_image"]

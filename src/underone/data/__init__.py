"""Readers of training and test data: pictures with their answers, listed at once, read one at a time."""

from .boxed import BoxedPictures
from .masked import MaskedPictures
from .open_boxes import open_box_splits, open_boxes
from .open_masks import open_mask_splits, open_masks
from .open_pictures import open_pictures, open_splits
from .pictures import Pictures

__all__ = [
    "BoxedPictures",
    "MaskedPictures",
    "Pictures",
    "open_box_splits",
    "open_boxes",
    "open_mask_splits",
    "open_masks",
    "open_pictures",
    "open_splits",
]

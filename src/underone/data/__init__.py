"""Readers of training and test data: pictures with their answers, listed at once, read one at a time."""

from .boxed import BoxedPictures
from .open_boxes import open_box_splits, open_boxes
from .open_pictures import open_pictures, open_splits
from .pictures import Pictures

__all__ = ["BoxedPictures", "Pictures", "open_box_splits", "open_boxes", "open_pictures", "open_splits"]

"""Readers of training and test data: pictures with their answers, listed at once, read one at a time."""

from .open_pictures import open_pictures, open_splits
from .pictures import Pictures

__all__ = ["Pictures", "open_pictures", "open_splits"]

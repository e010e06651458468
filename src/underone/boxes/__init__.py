"""Boxes as arrays: anchors, codes, overlap, matching, suppression and tracking. Numpy only; the sums of every detector.

A box is x1 y1 x2 y2, an anchor is cx cy w h, both as shares of the picture's width and height unless said otherwise.
"""

from .anchors import anchor_boxes
from .coding import centres, corners, decode, encode
from .matching import iou, match
from .suppression import Found, nms, suppress, visible
from .tracking import Tracker

__all__ = [
    "Found",
    "Tracker",
    "anchor_boxes",
    "centres",
    "corners",
    "decode",
    "encode",
    "iou",
    "match",
    "nms",
    "suppress",
    "visible",
]

"""How right a network is: any callable on arrays, on pictures with known answers."""

from .classification import ClassScore, score_classes
from .detection import DetectionScore, score_boxes
from .evaluate import evaluate
from .segmentation import SegmentationScore, score_masks

__all__ = [
    "ClassScore",
    "DetectionScore",
    "SegmentationScore",
    "evaluate",
    "score_boxes",
    "score_classes",
    "score_masks",
]

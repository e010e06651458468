"""ModelSpec and the records in it: plain data that travels inside every file we write."""

from .detection import AnchorGrid, DetectionSpec
from .model import SPEC_VERSION, ModelSpec, Published
from .record import Frozen, read_record
from .segmentation import VOC_CLASSES, SegmentationSpec
from .tensors import IMAGENET_PREPARATION, InputSpec, OutputSpec, Preparation, Shape

__all__ = [
    "IMAGENET_PREPARATION",
    "SPEC_VERSION",
    "VOC_CLASSES",
    "AnchorGrid",
    "DetectionSpec",
    "Frozen",
    "InputSpec",
    "ModelSpec",
    "OutputSpec",
    "Preparation",
    "Published",
    "SegmentationSpec",
    "Shape",
    "read_record",
]

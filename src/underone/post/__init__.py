"""Raw outputs → an answer, as the spec says. The only decoder in the product."""

from .classification import Classification, Label, Labels, decode_classification, softmax
from .decode import decode
from .detection import Detection, decode_detection
from .find import find_boxes
from .segmentation import Area, Segmentation, decode_segmentation

__all__ = [
    "Area",
    "Classification",
    "Detection",
    "Label",
    "Labels",
    "Segmentation",
    "decode",
    "decode_classification",
    "decode_detection",
    "decode_segmentation",
    "find_boxes",
    "softmax",
]

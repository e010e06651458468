"""Raw outputs → an answer, as the spec says. The only decoder in the product."""

from .classification import Classification, Label, Labels, decode_classification, softmax
from .decode import decode
from .detection import Detection, decode_detection
from .find import find_boxes

__all__ = [
    "Classification",
    "Detection",
    "Label",
    "Labels",
    "decode",
    "decode_classification",
    "decode_detection",
    "find_boxes",
    "softmax",
]

"""SegmentationSpec: how maps of class outputs lie on the picture."""

from typing import Literal

from pydantic import NonNegativeInt

from .record import Frozen

# PASCAL VOC 2012, in the order of its masks
VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


class SegmentationSpec(Frozen):
    """How maps of class outputs, or of classes, become one class for each pixel.

    Attributes:
        alignment: how a map lies on the picture: ``corners``: the centres of its corner points are the centres of the
            corner pixels (TensorFlow's DeepLab, `align_corners`); ``borders``: its border is the picture's (PyTorch).
        background: index of the class that is nothing in particular, which drawings leave as it is; None: there is
            none.
        output_stride: of the backbone's last map, in networks of the zoo; None: unknown.
    """

    alignment: Literal["corners", "borders"] = "corners"
    background: NonNegativeInt | None = None
    output_stride: Literal[8, 16, 32] | None = None

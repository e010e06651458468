"""What goes into a network and what comes out: tensors, and how a picture becomes one."""

from typing import Literal, Self

from pydantic import PositiveInt, model_validator

from .record import Frozen

Shape = tuple[int | None, ...]
Meaning = Literal[
    "logits", "probabilities", "features", "box_codes", "boxes", "scores", "class_ids", "box_count", "label_map"
]


class Preparation(Frozen):
    """How a picture becomes the input tensor.

    Attributes:
        color: channel order of the tensor.
        resize: ``cover``: keep the shape, cover (H, W) / crop_ratio, cut the centre; ``squeeze``: resize to (H, W).
        crop_ratio: share of the resized picture that the centre crop keeps, 0 < ratio <= 1; ``cover`` only.
        interpolation: resampling filter, antialiased when it shrinks; ``bilinear_corner``: not antialiased, between the
            two neighbours by the distance from the corner, TensorFlow 1's way.
        range: tensor values of byte 0 and byte 255, before mean and std.
        mean: per channel, in units of `range`.
        std: per channel, in units of `range`.
        size: (height, width) in pixels of the tensor, where the network takes any and nobody asks for one.
    """

    color: Literal["RGB", "BGR", "GRAY"] = "RGB"
    resize: Literal["cover", "squeeze"] = "cover"
    crop_ratio: float = 0.875
    interpolation: Literal["nearest", "bilinear", "bicubic", "bilinear_corner"] = "bilinear"
    range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    size: tuple[PositiveInt, PositiveInt] | None = None

    def whole(self) -> "Preparation":
        """Return the same for whole pictures of any size: not cut, as detectors and segmenters want them."""
        return self.model_copy(update={"resize": "squeeze", "size": None})

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        channels = 1 if self.color == "GRAY" else 3
        if len(self.mean) != channels or len(self.std) != channels:
            raise ValueError(f"mean and std need {channels} values for {self.color}")
        if not 0 < self.crop_ratio <= 1:
            raise ValueError(f"crop_ratio is {self.crop_ratio}; 0 < crop_ratio <= 1 is required")
        if min(self.std) <= 0:
            raise ValueError(f"std is {self.std}; values above 0 are required")
        return self


IMAGENET_PREPARATION = Preparation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


class InputSpec(Frozen):
    """One input tensor.

    Attributes:
        name: of the tensor in the file.
        shape: in the file's own layout, None where any size is taken; () where nothing is known.
        layout: order of the axes of a picture input.
        dtype: numpy's name of its numbers.
        preparation: how a picture becomes this tensor; None: the caller prepares it.
    """

    name: str = "image"
    shape: Shape = ()
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    dtype: str = "float32"
    preparation: Preparation | None = None

    @property
    def size(self) -> tuple[int | None, int | None]:
        """(height, width) of the picture in pixels; None where any is taken, and where the shape is of no picture."""
        if len(self.shape) != 4:
            return None, None
        _, *rest = self.shape
        return (rest[1], rest[2]) if self.layout == "NCHW" else (rest[0], rest[1])


class OutputSpec(Frozen):
    """One output tensor and what it means.

    Attributes:
        name: of the tensor in the file.
        shape: None where the size follows the input's; () where nothing is known.
        dtype: numpy's name of its numbers.
        meaning: ``logits`` and ``probabilities`` (N, classes), of a detector (N, anchors, classes), of a segmenter
            (N, classes, h, w); ``label_map`` (N, h, w), a class for each point; ``features`` (N, C, H, W);
            ``box_codes`` (N, anchors, 4), to be decoded; ``boxes`` (N, boxes, 4), x1 y1 x2 y2 as shares of the picture,
            and beside them, where the file suppresses overlaps itself, ``scores`` and ``class_ids``
            (N, boxes) and ``box_count`` (N,) of boxes that count; None: unknown.
    """

    name: str
    shape: Shape = ()
    dtype: str = "float32"
    meaning: Meaning | None = None

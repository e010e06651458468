"""A picture → the input tensor of a network, exactly as torchvision's evaluation transform makes it."""

import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import BadValue
from ..spec import InputSpec, Preparation
from .read import Picture, read_image

Size = tuple[int, int]  # (height, width)
T = TypeVar("T", int, int | None)

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
_LARGEST = 1 << 27  # pixels of the resized picture before its crop


def prepare(image: Picture, spec: InputSpec, size: Size | None = None) -> NDArray[Any]:
    """Resize, crop and normalise a picture as the network was trained for.

    Args:
        image: anything that `read_image` takes.
        spec: input of the network, with its preparation.
        size: (height, width), for a network that takes any size; None: what its preparation says.

    Returns:
        (1, C, H, W) or (1, H, W, C) as `spec.layout` says, of the dtype that `spec` names; equal bit for bit to
        torchvision's Resize, CenterCrop, ToTensor and Normalize on the same PIL picture.

    Raises:
        BadValue: the spec has no preparation, is no picture input, or its size is open or another than `size`;
            or the picture is so narrow that covering the crop takes more than 134 million pixels.
        BadFile, ShapeError: as `read_image`.

    Source: torchvision 0.29, transforms/functional.py: resize, center_crop, normalize.
    """
    how = _preparation(spec)
    target = _target_size(spec, how, size)
    picture = Image.fromarray(read_image(image))
    if how.color == "GRAY":
        picture = picture.convert("L")
    tensor = _normalise(_resize(picture, target, how), how).astype(_float_dtype(spec), copy=False)[None]
    return tensor if spec.layout == "NCHW" else np.ascontiguousarray(tensor.transpose(0, 2, 3, 1))  # (1, H, W, C)


def _preparation(spec: InputSpec) -> Preparation:
    if spec.preparation is None:
        raise BadValue(
            f"input {spec.name!r} does not say how a picture becomes its tensor; give its spec a preparation: "
            f"spec.model_copy(update={{'preparation': Preparation(mean=…, std=…)}}), or pass a prepared tensor to run()"
        )
    channels = 1 if spec.preparation.color == "GRAY" else 3
    axis = 1 if spec.layout == "NCHW" else -1
    if len(spec.shape) != 4 or spec.shape[axis] not in (channels, None):
        raise BadValue(
            f"input {spec.name!r} has shape {spec.shape} in {spec.layout}; "
            f"a {spec.preparation.color} picture needs 4 dimensions and {channels} channels"
        )
    return spec.preparation


def _target_size(spec: InputSpec, how: Preparation, size: Size | None) -> Size:
    if size is None and None in spec.size and how.size is not None:
        size = _filled(spec.size, how.size)
    if size is None and None in spec.size:
        raise BadValue(f"input {spec.name!r} takes any size, {spec.shape}; pass size=(height, width)")
    height, width = _filled(spec.size, size or spec.size)
    if not height or not width or size not in (None, (height, width)):
        raise BadValue(f"input {spec.name!r} has the size {spec.size}; size={size} was given; leave it out")
    return height, width


def _filled(size: tuple[int | None, int | None], given: tuple[T, T]) -> tuple[int | T, int | T]:
    height, width = (fixed or wanted for fixed, wanted in zip(size, given, strict=True))
    return height, width


def _float_dtype(spec: InputSpec) -> np.dtype[Any]:
    if not spec.dtype.startswith("float"):
        raise BadValue(f"input {spec.name!r} takes {spec.dtype}; only float inputs are prepared: call run()")
    return np.dtype(spec.dtype)


def _resize(picture: Image.Image, target: Size, how: Preparation) -> Image.Image:
    height, width = target
    resample = _FILTERS[how.interpolation]
    if how.resize == "squeeze":
        return picture.resize((width, height), resample)
    # a resize to 232 px before a crop of 160 is the ratio 160/232, and 160/(160/232) is a hair under 232
    box = [math.floor(side / how.crop_ratio + 1e-6) for side in target]
    covering = _covering(picture.size, (box[1], box[0]))
    if covering[0] * covering[1] > _LARGEST:
        raise BadValue(
            f"a picture {picture.size} is too narrow: it would grow to {covering} to cover {box}; cut it first"
        )
    picture = picture.resize(covering, resample)
    left, top = round((picture.width - width) / 2), round((picture.height - height) / 2)  # half to even, as torchvision
    return picture.crop((left, top, left + width, top + height))


def _covering(picture: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """Return the (width, height) of `picture`, scaled so that one side equals `box` and the other is no less."""
    width, height = picture
    if width * box[1] <= height * box[0]:
        return box[0], int(box[0] * height / width)
    return int(box[1] * width / height), box[1]


def _normalise(picture: Image.Image, how: Preparation) -> NDArray[np.float32]:
    pixels = np.atleast_3d(np.asarray(picture))  # (H, W, C)
    if how.color == "BGR":
        pixels = pixels[:, :, ::-1]
    planes = [table[pixels[:, :, c]] for c, table in enumerate(_tables(how))]  # C × (H, W)
    return np.stack(planes)  # (C, H, W)


def _tables(how: Preparation) -> NDArray[np.float32]:
    """Return the value of each byte in each channel, (C, 256), by torchvision's own float32 steps."""
    low, high = how.range
    values = np.arange(256, dtype=np.float32) * np.float32(high - low) / np.float32(255) + np.float32(low)
    mean, std = (np.array(v, np.float32)[:, None] for v in (how.mean, how.std))
    result: NDArray[np.float32] = (values - mean) / std
    return result

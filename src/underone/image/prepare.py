"""A picture → the input tensor of a network, exactly as torchvision's evaluation transform makes it."""

import math
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import BadValue, ShapeError
from ..spec import InputSpec, Preparation
from .between import resample_between
from .planes import Planes
from .read import Picture, show_image
from .resample import Cut, Size, Tables, resample, resample_planes

T = TypeVar("T", int, int | None)
_LARGEST = 1 << 27  # pixels of the resized picture before its crop


def prepare(
    image: Picture,
    spec: InputSpec,
    size: Size | None = None,
    out: NDArray[Any] | None = None,
    *,
    reduced: bool = False,
) -> NDArray[Any]:
    """Resize, crop and normalise a picture as the network was trained for.

    Args:
        image: anything that `read_image` takes.
        spec: input of the network, with its preparation.
        size: (height, width), for a network that takes any size; None: what its preparation says.
        out: contiguous array to fill, such as one row of a batch; None: a new one.
        reduced: decode a large JPEG file at a part of its size, as `least_size` allows: faster, and not the same bits.

    Returns:
        (1, C, H, W) or (1, H, W, C) as `spec.layout` says, of the dtype that `spec` names; equal bit for bit to
        torchvision's Resize, CenterCrop, ToTensor and Normalize on the same PIL picture, but for ``bilinear_corner``.

    Raises:
        BadValue: the spec has no preparation, is no picture input, or its size is open or another than `size`;
            or the picture is so narrow that covering the crop takes more than 134 million pixels.
        ShapeError: `out` is of another shape or dtype, or not contiguous; or as `read_image`.
        BadFile: as `read_image`.

    Source: torchvision 0.29, transforms/functional.py: resize, center_crop, normalize.
    """
    how = _preparation(spec)
    target = _target_size(spec, how, size)
    dtype = _float_dtype(spec)
    channels_last = spec.layout == "NHWC"
    shape = (1, *target, len(how.mean)) if channels_last else (1, len(how.mean), *target)
    out = np.empty(shape, dtype) if out is None else _checked(out, shape, dtype)
    tensor = out if dtype == np.float32 else np.empty(shape, np.float32)
    tables = _tables(how.range, how.mean, how.std)
    if isinstance(image, Planes) and how.interpolation != "bilinear_corner":
        resample_planes(image, _cut(image.luma.shape, target, how), tables, tensor, channels_last)
    else:
        pixels = show_image(image, _box(target, how) if reduced else None)
        fill = resample_between if how.interpolation == "bilinear_corner" else resample
        fill(pixels, _cut(pixels.shape[:2], target, how), tables, tensor, channels_last)
    if tensor is not out:
        out[...] = tensor
    return out


def prepared_size(spec: InputSpec, size: Size | None = None) -> Size:
    """Return the (height, width) that a picture is prepared in; arguments and errors are those of `prepare`."""
    return _target_size(spec, _preparation(spec), size)


def least_size(spec: InputSpec, size: Size | None = None) -> Size:
    """Return the (height, width) below which a picture would be enlarged; arguments and errors as of `prepare`."""
    return _box(prepared_size(spec, size), _preparation(spec))


def region_seen(picture: Size, spec: InputSpec) -> tuple[float, float, float, float]:
    """Say which part of a picture the network is given.

    Args:
        picture: its height and width in pixels.
        spec: input of the network, with its preparation.

    Returns:
        x, y, width and height in pixels of the picture, not rounded.

    Raises:
        BadValue: as `prepare`.
    """
    how = _preparation(spec)
    target = _target_size(spec, how, None)
    cut = _cut(picture, target, how)
    # pixels of the picture for one of the resized
    down, across = picture[0] / cut.resized[0], picture[1] / cut.resized[1]
    return cut.origin[1] * across, cut.origin[0] * down, target[1] * across, target[0] * down


def _checked(out: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    if out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous or not out.flags.writeable:
        raise ShapeError(
            f"out is {out.shape} of {out.dtype}; {shape} of {dtype}, contiguous and writeable, is required"
        )
    return out


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


def _cut(picture: Size, target: Size, how: Preparation) -> Cut:
    if how.resize == "squeeze":
        return Cut(target, (0, 0), target, how.interpolation, how.color)
    height, width = _box(target, how)
    covering = _covering(picture, (height, width))
    if covering[0] * covering[1] > _LARGEST:
        raise BadValue(
            f"a picture {picture[::-1]} is too narrow: it would grow to {covering[::-1]} to cover {[width, height]}; "
            f"cut it first"
        )
    # half to even, as torchvision
    origin = (round((covering[0] - target[0]) / 2), round((covering[1] - target[1]) / 2))
    return Cut(covering, origin, target, how.interpolation, how.color)


def _box(target: Size, how: Preparation) -> Size:
    """Return the size that the picture is resized to cover."""
    if how.resize == "squeeze":
        return target
    # a resize to 232 px before a crop of 160 is the ratio 160/232, and 160/(160/232) is a hair under 232
    height, width = (math.floor(side / how.crop_ratio + 1e-6) for side in target)
    return height, width


def _covering(picture: Size, box: Size) -> Size:
    """Return the size of `picture`, scaled so that one side equals `box` and the other is no less."""
    height, width = picture
    if width * box[0] <= height * box[1]:
        return int(box[1] * height / width), box[1]
    return box[0], int(box[0] * width / height)


@lru_cache(maxsize=16)
def _tables(span: tuple[float, float], mean: tuple[float, ...], std: tuple[float, ...]) -> Tables:
    """Return the value of each byte in each channel, (C, 256), by torchvision's own float32 steps."""
    low, high = span
    values = np.arange(256, dtype=np.float32) * np.float32(high - low) / np.float32(255) + np.float32(low)
    means, stds = (np.array(v, np.float32)[:, None] for v in (mean, std))
    result: Tables = (values - means) / stds
    return result

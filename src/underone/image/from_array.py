"""Arrays of every layout, order and range, and the planes of video, to one uint8 RGB array."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import BadValue, ShapeError
from .array import as_numpy
from .planes import Matrix, Planes
from .read import Pixels, read_image

Order = Literal["RGB", "BGR", "RGBA", "BGRA"]

_WHOLE = {"uint8": (0.0, 255.0), "uint16": (0.0, 65535.0)}


def from_array(
    array: Any, order: Order = "RGB", layout: Literal["HWC", "CHW"] = "HWC", span: tuple[float, float] | None = None
) -> Pixels:
    """Make a picture of an array of any kind, as its owner declares it.

    Args:
        array: (H, W), (H, W, C) or with ``layout="CHW"`` (C, H, W), C = 1, 3 or 4: numpy, or anything in the CPU's
            memory that speaks DLPack or the array interface (torch, MLX, JAX …).
        order: of the channels; alpha is dropped, not blended. One channel is grey.
        layout: where the channels are.
        span: the values that become 0 and 255, others are cut off; None: 0 to 255 for uint8, 0 to 65535 for uint16,
            0 to 1 for floats, which must lie in it.

    Returns:
        uint8 (H, W, 3) RGB; the same memory where nothing had to change.

    Raises:
        ShapeError: no array, or another rank or number of channels.
        BadValue: floats outside 0 to 1 without a span, NaN, or a span whose ends are not in order.

    >>> from_array(np.full((3, 2, 2), 0.5), layout="CHW")[0, 0]
    array([128, 128, 128], dtype=uint8)
    """
    values = as_numpy(array)
    if layout == "CHW" and values.ndim == 3:
        values = values.transpose(1, 2, 0)
    values = values[:, :, None] if values.ndim == 2 else values
    channels = values.shape[2] if values.ndim == 3 else 0
    if channels not in (1, len(order)) or not values.size:
        required = "(C, H, W)" if layout == "CHW" else "(H, W, C)"
        raise ShapeError(
            f"the picture is an array {as_numpy(array).shape}; (H, W) or {required} with C = 1 or, for "
            f"order={order!r}, {len(order)} is required: pass order= and layout= as it is, and one picture at a time"
        )
    pixels = _bytes(values, span)
    if channels == 1:
        return np.repeat(pixels, 3, axis=2)
    if order != "RGB":
        pixels = pixels[:, :, [order.index(color) for color in "RGB"]]
    return np.ascontiguousarray(pixels)


def from_planes(
    luma: Any, chroma: Any, second: Any = None, *, matrix: Matrix = "bt601", full_range: bool = False
) -> Pixels:
    """Make a picture of the planes of a camera's or a decoder's frame.

    Arguments and errors are those of `Planes`.

    Returns:
        uint8 (H, W, 3) RGB; each pixel takes the chroma of its square of two by two.
    """
    return read_image(Planes(luma, chroma, second, matrix, full_range))


def _bytes(values: NDArray[Any], span: tuple[float, float] | None) -> Pixels:
    if values.dtype == np.uint8 and span in (None, (0, 255)):
        return values
    if values.dtype.kind not in "uif":
        raise ShapeError(f"the picture is an array of {values.dtype}; whole numbers or floats are required")
    low, high = span or _WHOLE.get(str(values.dtype), (0.0, 1.0))
    if not low < high:
        raise BadValue(f"span={span}; the value of black, then the value of white, is required")
    seen = float(values.min()), float(values.max())
    if not np.isfinite(seen).all() or (span is None and not low <= seen[0] <= seen[1] <= high):
        raise BadValue(
            f"the picture's {values.dtype} values go from {seen[0]:g} to {seen[1]:g}; for others than {low:g} to "
            f"{high:g} pass span=(black, white), for a normalised tensor undo mean and std first"
        )
    share = (values.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    pixels: Pixels = np.rint(share.clip(0, 1) * 255).astype(np.uint8)
    return pixels

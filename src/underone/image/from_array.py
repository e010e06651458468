"""Arrays of every layout, order and range, and the planes of video, to one uint8 RGB array."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import BadValue, ShapeError
from .read import Pixels

Order = Literal["RGB", "BGR", "RGBA", "BGRA"]
Matrix = Literal["bt601", "bt709"]

_WHOLE = {"uint8": (0.0, 255.0), "uint16": (0.0, 65535.0)}
# weights of red and blue in the luma: ITU-R BT.601-7, 2.5.1; BT.709-6, 3.2
_LUMA: dict[Matrix, tuple[float, float]] = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


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
    values = _as_numpy(array)
    if layout == "CHW" and values.ndim == 3:
        values = values.transpose(1, 2, 0)
    values = values[:, :, None] if values.ndim == 2 else values
    channels = values.shape[2] if values.ndim == 3 else 0
    if channels not in (1, len(order)) or not values.size:
        required = "(C, H, W)" if layout == "CHW" else "(H, W, C)"
        raise ShapeError(
            f"the picture is an array {_as_numpy(array).shape}; (H, W) or {required} with C = 1 or, for "
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

    Args:
        luma: uint8 (H, W).
        chroma: uint8 (ceil(H/2), ceil(W/2), 2), blue difference first, as NV12 has them; or, with `second`,
            (ceil(H/2), ceil(W/2) ) of the blue difference alone, as I420 has them.
        second: the plane of the red difference.
        matrix: of the colours: ``bt601`` for standard definition and JPEG, ``bt709`` for high definition.
        full_range: values from 0 to 255, as JPEG has them, and not from 16 to 235 (240).

    Returns:
        uint8 (H, W, 3) RGB; each pixel takes the chroma of its square of two by two.

    Raises:
        ShapeError: planes of other shapes or of another dtype.
        BadValue: another matrix.

    Source: ITU-R BT.601-7, BT.709-6; JFIF 1.02 for the full range.
    """
    if matrix not in _LUMA:
        raise BadValue(f"matrix={matrix!r}; {' or '.join(map(repr, _LUMA))} is required")
    y, blue, red = _planes(luma, chroma, second)
    low, tall, wide = (0, 255, 255) if full_range else (16, 219, 224)
    height, width = y.shape
    light = (y.astype(np.float32) - low) * np.float32(255 / tall)
    b, r = (
        ((plane.astype(np.float32) - 128) * np.float32(255 / wide)).repeat(2, 0).repeat(2, 1)[:height, :width]
        for plane in (blue, red)
    )
    of_red, of_blue = _LUMA[matrix]
    of_green = 1 - of_red - of_blue
    from_red, from_blue = 2 * (1 - of_red), 2 * (1 - of_blue)
    green = light - r * np.float32(from_red * of_red / of_green) - b * np.float32(from_blue * of_blue / of_green)
    colors = np.stack((light + r * np.float32(from_red), green, light + b * np.float32(from_blue)), axis=-1)
    pixels: Pixels = np.rint(colors.clip(0, 255)).astype(np.uint8)
    return pixels


def _as_numpy(array: Any) -> NDArray[Any]:
    if isinstance(array, np.ndarray):
        return array
    try:
        if hasattr(array, "__array_interface__"):
            return np.asarray(array)
        return np.from_dlpack(array)
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError) as error:
        kind = f"{type(array).__module__}.{type(array).__name__}"
        raise ShapeError(
            f"a {kind} is no array in the processor's memory: {error}; pass a numpy array, or a tensor on the CPU "
            f"without a gradient"
        ) from error


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


def _planes(luma: Any, chroma: Any, second: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    y, first = _as_numpy(luma), _as_numpy(chroma)
    both = [first[..., 0], first[..., 1]] if second is None and first.ndim == 3 and first.shape[2] == 2 else None
    blue, red = both or [first, _as_numpy(second) if second is not None else first[:0]]
    halves = tuple(-(-side // 2) for side in y.shape)
    if y.ndim != 2 or not y.size or {p.dtype for p in (y, blue, red)} != {np.dtype(np.uint8)}:
        raise ShapeError(f"the luma is {y.shape} of {y.dtype}; uint8 planes, the luma (H, W), are required")
    if blue.shape != halves or red.shape != halves:
        shapes = [p.shape for p in (first, *(() if second is None else (red,)))]
        raise ShapeError(
            f"for a luma {y.shape} the chroma planes are {shapes}; one {(*halves, 2)} (NV12) or two {halves} "
            f"(I420) are required"
        )
    return y, blue, red

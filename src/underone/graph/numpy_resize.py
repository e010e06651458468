"""Resize in plain numpy: one small matrix of weights per axis, applied axis by axis.

Source: ONNX operator specification, Resize-19 (coordinate transformations, nearest modes, cubic kernel).
"""

# ruff: noqa: ARG005 (one signature for a whole table)

from collections.abc import Callable, Mapping

import numpy as np

from ..errors import BadValue
from .graph import Array
from .layout_rules import resize as resize_shape
from .shape_rules import Attrs

MODES = ("nearest", "linear", "cubic")

# name -> position in the input of output positions `i`; (i, scale, input size, output size)
COORDINATES: Mapping[str, Callable[[Array, float, int, int], Array]] = {
    "asymmetric": lambda i, scale, n, m: i / scale,
    "half_pixel": lambda i, scale, n, m: (i + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda i, scale, n, m: (i + 0.5) / scale - 0.5 if m > 1 else 0 * i,
    "align_corners": lambda i, scale, n, m: i * (n - 1) / (m - 1) if m > 1 else 0 * i,
    # keeps the picture centred when scale times size is no whole number
    "half_pixel_symmetric": lambda i, scale, n, m: n / 2 * (1 - m / (n * scale)) + (i + 0.5) / scale - 0.5,
}

NEAREST: Mapping[str, Callable[[Array], Array]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda p: np.ceil(p - 0.5),
    "round_prefer_ceil": lambda p: np.floor(p + 0.5),
}


def resize(attrs: Attrs, x: Array) -> Array:
    """Resample x to `sizes`, or by `scales`, along every axis that changes."""
    (shape,) = resize_shape([x.shape], attrs)
    for axis, (n, m) in enumerate(zip(x.shape, shape, strict=True)):
        scale = float(attrs["scales"][axis]) if attrs["scales"] else m / n
        if n != m or scale != 1:
            weights = axis_weights(attrs, n, m, scale).astype(x.dtype)  # (m, n)
            x = np.moveaxis(np.moveaxis(x, axis, -1) @ weights.T, -1, axis)
    return x


def axis_weights(attrs: Attrs, n: int, m: int, scale: float) -> Array:
    """Give the (m, n) float64 matrix that resamples n elements to m.

    Raises:
        BadValue: a mode that is not in the tables.
    """
    mode, coordinate = attrs["mode"], attrs["coordinate_transformation_mode"]
    if coordinate not in COORDINATES or attrs["nearest_mode"] not in NEAREST or mode not in MODES:
        raise BadValue(f"Resize mode {mode!r}, {coordinate!r}, {attrs['nearest_mode']!r} is not implemented")
    at = COORDINATES[coordinate](np.arange(m, dtype=np.float64), scale, n, m)  # (m,)
    if mode == "nearest":
        taps, parts = NEAREST[attrs["nearest_mode"]](at)[:, None], np.ones((m, 1))
    elif mode == "linear":
        taps = np.floor(at)[:, None] + np.arange(2)
        parts = 1 - np.abs(taps - at[:, None])
    else:
        taps = np.floor(at)[:, None] + np.arange(-1, 3)
        parts = _cubic(np.abs(taps - at[:, None]), attrs["cubic_coeff_a"])
    weights = np.zeros((m, n))
    np.add.at(weights, (np.arange(m)[:, None], np.clip(taps, 0, n - 1).astype(int)), parts)  # borders repeat
    return weights


def _cubic(distance: Array, a: float) -> Array:
    """Give the cubic convolution kernel. Source: Keys 1981, equation 15, with a free."""
    d = distance
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))

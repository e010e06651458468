"""Operators of integer networks in plain numpy: products summed exactly, rounding half to even, saturation.

Products run in float64, where every sum below 2⁵³ is exact, so numpy's BLAS can do them.
"""

# ruff: noqa: ARG001 (one signature for a whole table)

import numpy as np

from .graph import Array
from .numpy_windows import conv
from .shape_rules import Attrs


def quantize(attrs: Attrs, x: Array, scale: Array, zero: Array | None = None) -> Array:
    """Give round(x / scale) + zero, saturated to the zero point's dtype (uint8 without one)."""
    dtype = np.dtype(np.uint8) if zero is None else zero.dtype
    offset = np.zeros(1) if zero is None else _along(zero, x, attrs["axis"]).astype(np.float64)
    return saturate(np.rint(x / _along(scale, x, attrs["axis"])) + offset, dtype)


def dequantize(attrs: Attrs, x: Array, scale: Array, zero: Array | None = None) -> Array:
    """Give (x - zero) scale."""
    offset = np.int64(0) if zero is None else _along(zero, x, attrs["axis"]).astype(np.int64)
    return np.asarray((x.astype(np.int64) - offset).astype(scale.dtype) * _along(scale, x, attrs["axis"]))


def conv_integer(attrs: Attrs, x: Array, w: Array, x_zero: Array | None = None, w_zero: Array | None = None) -> Array:
    """Convolve (x - x_zero) with (w - w_zero) to int32."""
    return conv(attrs, _centred(x, x_zero), _centred(w, w_zero, w)).astype(np.int32)


def matmul_integer(attrs: Attrs, a: Array, b: Array, a_zero: Array | None = None, b_zero: Array | None = None) -> Array:
    """Multiply (a - a_zero) by (b - b_zero) to int32."""
    rows = a_zero[..., None] if a_zero is not None and a_zero.ndim == 1 and a_zero.size > 1 else a_zero
    return np.asarray(_centred(a, rows) @ _centred(b, b_zero)).astype(np.int32)


def conv_quantized(
    attrs: Attrs, x: Array, x_scale: Array, x_zero: Array, w: Array, w_scale: Array, w_zero: Array,
    y_scale: Array, y_zero: Array, bias: Array | None = None,
) -> Array:  # fmt: skip
    """Convolve, add the int32 bias (scale x_scale w_scale), and quantise to y_scale and y_zero."""
    total = conv(attrs, _centred(x, x_zero), _centred(w, w_zero, w), None if bias is None else bias.astype(np.float64))
    scale = (x_scale * w_scale / y_scale).reshape(-1, *(1,) * (x.ndim - 2))  # (O, 1, …) or (1, …)
    return _requantized(total, scale, y_zero)


def matmul_quantized(
    attrs: Attrs, a: Array, a_scale: Array, a_zero: Array, b: Array, b_scale: Array, b_zero: Array,
    y_scale: Array, y_zero: Array,
) -> Array:  # fmt: skip
    """Multiply and quantise to y_scale and y_zero."""
    total = _centred(a, a_zero) @ _centred(b, b_zero)
    return _requantized(total, a_scale * b_scale / y_scale, y_zero)


def _requantized(total: Array, scale: Array, zero: Array) -> Array:
    """Turn whole sums into quantised values by one float32 product, as every engine does."""
    rounded = np.rint(total.astype(np.float32) * scale).astype(np.float64)
    return saturate(rounded + zero.astype(np.float64), zero.dtype)


def saturate(values: Array, dtype: np.dtype) -> Array:
    """Limit whole float64 values to the range of an integer dtype."""
    info = np.iinfo(dtype)
    return np.clip(values, info.min, info.max).astype(dtype)


def _centred(x: Array, zero: Array | None, weight: Array | None = None) -> Array:
    if zero is None:
        return x.astype(np.float64)
    if weight is not None and zero.size > 1:
        zero = zero.reshape(-1, *(1,) * (weight.ndim - 1))  # one per output channel
    return np.asarray(x.astype(np.float64) - zero)


def _along(values: Array, x: Array, axis: int) -> Array:
    """Lay one value per tensor or per index of `axis` out for broadcasting with x."""
    if values.size == 1:
        return values.reshape(())
    return values.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])

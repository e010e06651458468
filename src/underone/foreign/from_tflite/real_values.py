"""The real values that quantised tensors stand for: real = (stored - zero) * scale."""

import numpy as np

from ...graph import Array
from .model_file import Quantisation


def real_values(stored: Array, how: Quantisation) -> Array:
    """Give (stored - zero) * scale in float32."""
    shape = [1] * stored.ndim
    if len(how.scale) > 1:
        shape[how.axis] = -1
    scale, zero = how.scale.astype(np.float32), how.zero
    if len(scale) == 1:
        scale, zero = scale.reshape([1] * stored.ndim), zero.reshape([1] * stored.ndim)
    else:
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    real = stored.astype(np.float32)
    if stored.dtype.itemsize > 2:
        real = stored.astype(np.float64)  # a bias of 32 bits
    real = real - zero.astype(real.dtype)
    return (real * scale).astype(np.float32)


def real_range(dtype: str, how: Quantisation) -> tuple[float, float]:
    """Give the least and the largest real value that a quantised tensor can hold."""
    info = np.iinfo(np.dtype(dtype))
    low, high = ((limit - how.zero.astype(np.float64)) * how.scale for limit in (info.min, info.max))
    return float(low.min()), float(high.max())

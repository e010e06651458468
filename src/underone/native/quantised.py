"""Numbers of quantised layers: what bytes stand for, and what turns whole sums into bytes.

The engine holds int8 tensors shifted by 128, as uint8; so are their zero points here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..graph import Array, Node

BYTES = ("uint8", "int8")


@dataclass(frozen=True)
class Scale:
    """Bytes that stand for (byte - zero) * step; limits are those of what is stored."""

    step: float
    zero: int
    low: int = 0
    high: int = 255

    def numbers(self) -> list[float]:
        """Give the attribute of a step."""
        return [self.step, self.zero, self.low, self.high]


@dataclass(frozen=True)
class Whole:
    """A convolution of bytes.

    Attributes:
        weight: (O, I, h, w) int8.
        bias: (O,) int64, without what the zero of the input adds.
        factors: (O,) float32 of the sums.
        x_zero, y_zero: of the input and the result.
    """

    weight: Array
    bias: Array
    factors: Array
    x_zero: int
    y_zero: int

    def bias_for(self, weight: Array) -> Array:
        """Give the int32 bias that makes up for the zero of the input, of the taps that are left."""
        sums = weight.astype(np.int64).reshape(len(weight), -1).sum(axis=1)
        return np.asarray(self.bias - self.x_zero * sums, np.int32)


def scale_of(constants: Mapping[str, Array], operands: tuple[str, ...]) -> Scale | None:
    """Give what a QuantizeLinear or DequantizeLinear says, when it is fixed, one for the tensor, and usable."""
    values = [constants.get(n) for n in operands[1:]]
    if len(values) != 2 or any(v is None or v.size != 1 for v in values):
        return None
    step, zero = values
    if step is None or zero is None or step.dtype != np.float32 or zero.dtype.name not in BYTES:
        return None
    return Scale(float(step.item()), shifted(zero)) if 0 < step.item() < np.inf else None


def shifted(zero: Array) -> int:
    """Give a zero point as the engine holds it."""
    return int(zero.item()) + (128 if zero.dtype == np.int8 else 0)


def whole_of(constants: Mapping[str, Array], node: Node) -> Whole | None:
    """Read a QLinearConv on bytes whose weights less their zero points fit into int8, and whose sums into int32.

    ONNX asks for no positive scales; where a factor is below 0, or NaN, there is no kernel (bytes_simd.h).
    """
    _, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, *rest = node.inputs
    names = (x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, *rest)
    if any(n not in constants for n in names) or constants[w].ndim != 4:
        return None
    one = (constants[n] for n in (x_scale, x_zero, y_scale, y_zero))
    if any(v.size != 1 for v in one) or any(constants[n].dtype.name not in BYTES for n in (x_zero, y_zero)):
        return None
    weight = constants[w].astype(np.int64) - constants[w_zero].astype(np.int64).reshape(-1, *[1] * 3)
    count = len(weight)
    bias = constants[rest[0]].astype(np.int64) if rest else np.zeros(count, np.int64)
    factors = constants[x_scale].ravel() * constants[w_scale].ravel() / constants[y_scale].ravel()
    factors = np.broadcast_to(np.asarray(factors, np.float32), (count,))
    largest = 255.0 * np.abs(weight).reshape(count, -1).sum(axis=1) + np.abs(bias)  # of a sum
    fits = weight.min() >= -128 and weight.max() <= 127
    if not fits or not np.all((factors >= 0) & (largest * np.maximum(1, factors) < 2.0**31)):
        return None
    zeros = (shifted(constants[n]) for n in (x_zero, y_zero))
    return Whole(np.ascontiguousarray(weight, np.int8), bias, factors, *zeros)

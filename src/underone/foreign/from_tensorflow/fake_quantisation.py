"""Nodes by which a network was trained for whole numbers: they round to the steps of a range.

Source: tensorflow/core/kernels/fake_quant_ops_functor.h (the range moves until zero is one of its steps).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...graph import Array
from .fixed_numbers import Fixed
from .graph_def import TfNode
from .translation import Rule, Translation


class _Steps(NamedTuple):
    """The steps (q - zero) · scale for q from 0 to `last`; arrays with one number, or one for each channel."""

    scale: Array
    zero: Array
    last: int

    @property
    def low(self) -> Array:
        return -self.zero * self.scale

    @property
    def high(self) -> Array:
        return (self.last - self.zero) * self.scale


def _fake_quantised(t: Translation, node: TfNode) -> str:
    steps = _steps(t, node)
    value = t.value(node.inputs[0])
    fixed = value.first if isinstance(value, Fixed) else t.builder.value(value)
    if fixed is not None:
        made = np.clip(fixed, steps.low, steps.high)
        rounded = np.floor(made / steps.scale + 0.5) * steps.scale if t.kept else made
        return t.builder.constant(node.name, rounded.astype(np.float32))
    if steps.scale.size != 1:
        raise t.unsupported(node, "rounds each channel of what the input gives; only stored numbers are read so")
    low, high = float(steps.low.item()), float(steps.high.item())
    clipped = t.builder.add("Clip", [t.operand(node, 0)], f"{node.name}/range", min=low, max=high)
    if not t.kept or steps.last > 255:
        t.builder.note("the rounding of fake quantisation is left out, its ranges are kept")
        return clipped
    scale = t.builder.constant(f"{node.name}/scale", steps.scale.astype(np.float32).reshape(()))
    zero = t.builder.constant(f"{node.name}/zero", steps.zero.astype(np.uint8).reshape(()))
    quantised = t.builder.add("QuantizeLinear", [clipped, scale, zero], f"{node.name}/steps")
    return t.builder.add("DequantizeLinear", [quantised, scale, zero], node.name)


def _steps(t: Translation, node: TfNode) -> _Steps:
    if node.op == "FakeQuantWithMinMaxArgs":
        low, high = (np.array(node.number(name, default)) for name, default in (("min", -6.0), ("max", 6.0)))
    else:
        low, high = t.array(node, 1).astype(np.float64), t.array(node, 2).astype(np.float64)
    bits = node.integer("num_bits", 8)
    last = 2**bits - 1 - bool(node.integer("narrow_range")) if 2 <= bits <= 16 else 0
    if low.shape != high.shape or not last or not ((low <= 0) & (high >= 0) & (low < high)).all():
        raise node.bad(f"rounds to {bits} bits from {_short(low)} to {_short(high)}; ranges around zero are required")
    scale = (high - low) / last
    return _Steps(scale, np.round(-low / scale), last)


def _short(values: Array) -> str:
    return str(values.ravel()[:4].tolist())


FAKE_QUANTISATION: Mapping[str, Rule] = dict.fromkeys(
    ("FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel"), _fake_quantised
)

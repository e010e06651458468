"""torch operations on single elements, and what the Graph says instead."""
# ruff: noqa: ARG001 - the arguments are those of the torch operations, needed or not

import math
from typing import Any

import torch

from .emit import Emitter, Number, Ref, Translation


def unary(op: str, **attrs: Any) -> Translation:
    """Make the translation of a function of one tensor."""

    def translate(e: Emitter, x: Ref) -> Ref:
        return e.emit(op, x, **attrs)

    return translate


def binary(op: str) -> Translation:
    """Make the translation of a function of two tensors, or of a tensor and a number."""

    def translate(e: Emitter, x: Ref | Number, y: Ref | Number, *, alpha: Number = 1) -> Ref:
        if alpha != 1:  # torch's add and sub can scale the second operand
            y = e.emit("Mul", _ref(e, y), e.constant("alpha", alpha), gives=_ref(e, y).shape)
        return e.emit(op, _ref(e, x), _ref(e, y))

    return translate


def reversed_subtraction(e: Emitter, x: Ref, y: Ref | Number, alpha: Number = 1) -> Ref:
    """Translate rsub: y - alpha * x."""
    assert alpha == 1
    return e.emit("Sub", _ref(e, y), x)


def clip(e: Emitter, x: Ref, low: Number | None = -1.0, high: Number | None = 1.0) -> Ref:
    """Translate hardtanh, clamp and relu6."""
    bounds = (-math.inf if low is None else float(low), math.inf if high is None else float(high))
    return e.emit("Clip", x, min=bounds[0], max=bounds[1])


def clamp(e: Emitter, x: Ref, min: Number | None = None, max: Number | None = None) -> Ref:  # noqa: A002, as torch
    """Translate clamp, clamp_min."""
    return clip(e, x, min, max)


def clamp_max(e: Emitter, x: Ref, high: Number) -> Ref:
    """Translate clamp_max."""
    return clip(e, x, None, high)


def relu6(e: Emitter, x: Ref) -> Ref:
    """Translate relu6."""
    return clip(e, x, 0.0, 6.0)


def leaky_relu(e: Emitter, x: Ref, negative_slope: float = 0.01) -> Ref:
    """Translate leaky_relu."""
    return e.emit("LeakyRelu", x, alpha=float(negative_slope))


def prelu(e: Emitter, x: Ref, weight: Ref) -> Ref:
    """Translate prelu; the slopes become (C, 1, 1)."""
    value = e.known(weight, "slope of a prelu").reshape(-1, *[1] * (len(x.shape) - 2))
    return e.emit("PRelu", x, Ref(f"{weight.name}.channels", tuple(value.shape), value))


def silu(e: Emitter, x: Ref) -> Ref:
    """Translate silu: x * sigmoid(x)."""
    return e.emit("Mul", x, e.emit("Sigmoid", x))


def gelu(e: Emitter, x: Ref, *, approximate: str = "none") -> Ref:
    """Translate gelu."""
    return e.emit("Gelu", x, approximate=approximate)


def softmax(e: Emitter, x: Ref, dim: int, dtype: torch.dtype | None = None) -> Ref:
    """Translate softmax."""
    return e.emit("Softmax", x, axis=dim)


def cast(e: Emitter, x: Ref, *args: Any, **kwargs: Any) -> Ref:
    """Translate to and _to_copy: nothing is left of a change of device or memory layout."""
    before, after = e.node.all_input_nodes[0].meta["val"].dtype, e.node.meta["val"].dtype
    return x if before == after else e.emit("Cast", x, to=str(after).removeprefix("torch."))


def same(e: Emitter, x: Ref, *args: Any, **kwargs: Any) -> Ref:
    """Translate what changes nothing at inference: dropout, clone, contiguous, detach."""
    return x


def _ref(e: Emitter, operand: Ref | Number) -> Ref:
    return operand if isinstance(operand, Ref) else e.constant("number", operand)

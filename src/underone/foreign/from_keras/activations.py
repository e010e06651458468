"""Keras' activation functions by name, as nodes."""

# ruff: noqa: ARG005 (one signature for a whole table)

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...errors import Unsupported
from .call import Call
from .settings import Settings

Function = Callable[[Call, str, str], str]  # call, tensor, name of the result's part


def _node(op: str, **attrs: Any) -> Function:
    return lambda call, x, part: call.add(op, [x], part, **attrs)


def _times_itself(op: str, **attrs: Any) -> Function:
    return lambda call, x, part: call.add("Mul", [x, call.add(op, [x], f"{part}/gate", **attrs)], part)


def _hard_sigmoid(call: Call, x: str, part: str) -> str:
    """Give 0.2 x + 0.5 (Keras 2) or x / 6 + 0.5 (Keras 3), limited to [0, 1]."""
    return call.add("HardSigmoid", [x], part, alpha=0.2 if call.keras < 3 else 1 / 6, beta=0.5)


def _leaky(call: Call, x: str, part: str) -> str:
    return call.add("LeakyRelu", [x], part, alpha=0.2)


def _softsign(call: Call, x: str, part: str) -> str:
    one = call.constant("one", np.ones((), np.float32))
    return call.add("Div", [x, call.add("Add", [call.add("Abs", [x], f"{part}/size"), one], f"{part}/below")], part)


def _selu(call: Call, x: str, part: str) -> str:
    """Give scale * elu(x, alpha). Source: Klambauer et al. 2017 (arXiv 1706.02515), section 2."""
    scale = call.constant("scale", np.asarray(1.0507009873554805, np.float32))
    return call.add("Mul", [call.add("Elu", [x], f"{part}/elu", alpha=1.6732632423543772), scale], part)


_SILU, _HARD_SILU = _times_itself("Sigmoid"), _node("HardSwish")

ACTIVATIONS: Mapping[str, Function] = {
    "linear": lambda call, x, part: x,
    "relu": _node("Relu"),
    "relu6": _node("Clip", min=0.0, max=6.0),
    "leaky_relu": _leaky,
    "elu": _node("Elu"),
    "selu": _selu,
    "gelu": _node("Gelu"),
    "silu": _SILU,
    "swish": _SILU,
    "hard_silu": _HARD_SILU,
    "hard_swish": _HARD_SILU,
    "mish": _node("Mish"),
    "sigmoid": _node("Sigmoid"),
    "hard_sigmoid": _hard_sigmoid,
    "tanh": _node("Tanh"),
    "softplus": _node("Softplus"),
    "softsign": _softsign,
    "exponential": _node("Exp"),
    "softmax": _node("Softmax", axis=-1),
    "log_softmax": _node("LogSoftmax", axis=-1),
}


def activation_of(settings: Settings) -> str:
    """Give the name of the activation that a layer's configuration asks for.

    Raises:
        Unsupported: it is no known function; one of the user's own is never run.
    """
    value = settings.raw("activation")
    if isinstance(value, dict):  # Keras 3 writes an object where the function has settings of its own
        inner = value.get("config")
        value = inner if isinstance(inner, str) else value.get("class_name")
    value = "linear" if value is None else value
    if not isinstance(value, str) or value not in ACTIVATIONS:
        raise Unsupported(f"{settings.owner} has the activation {value!r}; {', '.join(ACTIVATIONS)} are read")
    return value


def activate(call: Call, x: str) -> str:
    """Apply the activation that a layer's configuration asks for; the last step of the layer."""
    return ACTIVATIONS[activation_of(call.settings)](call, x, "")

"""Keras layers without kernels, as nodes: normalisation, activations, pools, shapes, sums."""

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from ...graph import Array
from .. import channels_last as last
from .activations import ACTIVATIONS, activate
from .call import Call
from .convolutions import window

Rule = Callable[[Call], str]
_MOST_CHANNELS = 1 << 20


def same(call: Call) -> str:
    """Give what was given: of layers that do nothing at inference."""
    return call.x


def random(call: Call) -> str:
    """Give what was given, and say so: of layers that change pictures at random while training."""
    call.builder.note(f"{call.name} changes pictures in training only; it is left out")
    return call.x


def batch_norm(call: Call) -> str:
    """BatchNormalization over the last axis."""
    builder, (size,) = call.builder, call.builder.fixed_shape(call.x, [-1])
    _last_axis(call, "axis")
    mean, variance = (call.weight(kind, (size,)) for kind in ("moving_mean", "moving_variance"))
    scale = call.weight("gamma", (size,)) if "gamma" in call.weights else np.ones_like(mean)
    shift = call.weight("beta", (size,)) if "beta" in call.weights else np.zeros_like(mean)
    given = {"gamma": scale, "beta": shift, "mean": mean, "variance": variance}
    gamma, beta, middle, spread = (call.constant(kind, value) for kind, value in given.items())
    epsilon = call.settings.number("epsilon", 1e-3)
    if builder.rank(call.x) == 4:
        return last.batch_norm(builder, call.x, gamma, beta, middle, spread, epsilon, call.name)
    if builder.rank(call.x) != 2:
        raise call.unsupported(f"normalises a tensor of {builder.rank(call.x)} axes; 2 and 4 are read")
    return call.add("BatchNormalization", [call.x, gamma, beta, middle, spread], epsilon=epsilon)


def layer_norm(call: Call) -> str:
    """LayerNormalization over the last axis."""
    (size,) = call.builder.fixed_shape(call.x, [-1])
    _last_axis(call, "axis")
    call.settings.require("rms_scaling", False)
    if size > _MOST_CHANNELS:
        raise call.bad(f"works on {size} channels; at most {_MOST_CHANNELS} are read")
    scale = call.weight("gamma", (size,)) if "gamma" in call.weights else np.ones(size, np.float32)
    shift = [call.constant("beta", call.weight("beta", (size,)))] if "beta" in call.weights else []
    epsilon = call.settings.number("epsilon", 1e-3)
    return call.add("LayerNormalization", [call.x, call.constant("gamma", scale), *shift], axis=-1, epsilon=epsilon)


def relu(call: Call) -> str:
    """ReLU with an optional ceiling and slope below zero."""
    call.settings.require("threshold", 0, 0.0)
    key = "negative_slope" if "negative_slope" in call.settings else "alpha"
    slope = call.settings.number(key, 0.0) if key in call.settings else 0.0
    ceiling = call.settings.number("max_value") if "max_value" in call.settings else math.inf
    if slope:
        bent = call.add("LeakyRelu", [call.x], "slope" if ceiling < math.inf else "", alpha=slope)
        return bent if ceiling == math.inf else call.add("Clip", [bent], max=ceiling)
    return call.add("Relu", [call.x]) if ceiling == math.inf else call.add("Clip", [call.x], min=0.0, max=ceiling)


def leaky_relu(call: Call) -> str:
    """LeakyReLU; the slope is `alpha` in Keras 2."""
    key = "negative_slope" if "negative_slope" in call.settings else "alpha"
    return call.add("LeakyRelu", [call.x], alpha=call.settings.number(key, 0.3))


def prelu(call: Call) -> str:
    """PReLU; the slopes have the shape of the tensor, 1 along shared axes."""
    rank = call.builder.rank(call.x)
    return call.add("PRelu", [call.x, call.constant("slope", call.weight("alpha", (None,) * (rank - 1)))])


def elu(call: Call) -> str:
    """ELU."""
    return call.add("Elu", [call.x], alpha=call.settings.number("alpha", 1.0))


def softmax(call: Call) -> str:
    """Softmax along one axis."""
    axis = call.settings.integers("axis") if "axis" in call.settings else (-1,)
    if len(axis) != 1:
        raise call.unsupported(f"is a softmax over the axes {axis}; one is read")
    return call.add("Softmax", [call.x], axis=axis[0])


def activation(call: Call) -> str:
    """Activation by name."""
    return activate(call, call.x)


def function(name: str) -> Rule:
    """Give the rule of an activation that is called without a layer."""
    return lambda call: ACTIVATIONS[name](call, call.x, "")


def pool(op: Literal["MaxPool", "AveragePool"]) -> Rule:
    """Give the rule of a pool; strides that are not given are the window's size."""

    def rule(call: Call) -> str:
        size = call.settings.pair("pool_size")
        return last.pool(call.builder, op, call.x, size, window(call, size), call.name)

    return rule


def global_pool(op: str) -> Rule:
    """Give the rule of a pool over the whole map."""

    def rule(call: Call) -> str:
        call.settings.require("data_format", "channels_last")
        return call.add(op, [call.x], axes=(1, 2), keepdims=int(call.settings.flag("keepdims", False)))

    return rule


def zero_padding(call: Call) -> str:
    """ZeroPadding2D."""
    return _padded(call, +1)


def cropping(call: Call) -> str:
    """Cropping2D."""
    return _padded(call, -1, "cropping")


def _padded(call: Call, sign: int, key: str = "padding") -> str:
    call.settings.require("data_format", "channels_last")
    rows, columns = call.settings.borders(key)
    pairs = [(0, 0), *((sign * a, sign * b) for a, b in (rows, columns)), (0, 0)]
    return last.pad(call.builder, call.x, pairs, call.name)


def reshape(call: Call) -> str:
    """Reshape; the batch stays."""
    return call.add("Reshape", [call.x], shape=(0, *call.settings.integers("target_shape")))


def flatten(call: Call) -> str:
    """Flatten; the batch stays."""
    call.settings.require("data_format", "channels_last")
    return call.add("Flatten", [call.x], axis=1)


def permute(call: Call) -> str:
    """Permute; axes are counted from 1, the batch stays."""
    return call.add("Transpose", [call.x], perm=(0, *call.settings.integers("dims")))


def repeat(call: Call) -> str:
    """RepeatVector: (N, C) → (N, n, C)."""
    row = call.add("Unsqueeze", [call.x], "row", axes=(1,))
    return call.add("Tile", [row], repeats=(1, call.settings.integer("n"), 1))


def concatenate(call: Call) -> str:
    """Concatenate along one axis."""
    axis = call.settings.integer("axis", -1)
    return call.add("Concat", call.tensors(1), axis=axis % max(call.builder.rank(call.x), 1))


def arithmetic(op: str) -> Rule:
    """Give the rule of an operator on two or more tensors or numbers, from the left to the right."""

    def rule(call: Call) -> str:
        total, *rest = call.operands()
        for i, operand in enumerate(rest):
            total = call.add(op, [total, operand], "" if i == len(rest) - 1 else f"part_{i}")
        return total

    return rule


def average(call: Call) -> str:
    """Average of tensors of one shape."""
    count = call.constant("count", np.asarray(len(call.tensors(1)), np.float32))
    return call.add("Div", [call.add("Sum", call.tensors(1), "sum"), count])


def rescaling(call: Call) -> str:
    """Rescaling: scale * x + offset."""
    scale, offset = (_numbers(call, key) for key in ("scale", "offset"))
    return call.add("Add", [call.add("Mul", [_float(call), call.constant("scale", scale)], "scaled"),
                            call.constant("offset", offset)])  # fmt: skip


def normalization(call: Call) -> str:
    """Normalization by mean and variance, stored or in the configuration."""
    _last_axis(call, "axis")
    (size,) = call.builder.fixed_shape(call.x, [-1])
    given = "mean" in call.settings
    mean, variance = (np.ravel(_numbers(call, k)) if given else call.weight(k, (size,)) for k in ("mean", "variance"))
    if not {mean.size, variance.size} <= {1, size}:
        raise call.bad(f"has {mean.size} means and {variance.size} variances; 1 or {size} are required")
    if not variance.min(initial=0) >= 0:
        raise call.bad("has a variance below 0")
    deviation = call.constant("deviation", np.maximum(np.sqrt(variance), np.float32(1e-7)))
    middle = call.constant("mean", mean)
    if call.settings.flag("invert", False):
        return call.add("Add", [call.add("Mul", [_float(call), deviation], "scaled"), middle])
    return call.add("Div", [call.add("Sub", [_float(call), middle], "centred"), deviation])


def upsampling(call: Call) -> str:
    """UpSampling2D by whole factors."""
    call.settings.require("data_format", "channels_last")
    call.settings.require("interpolation", "nearest", "bilinear")
    height, width = call.settings.pair("size")
    how: dict[str, Any] = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    if call.settings.raw("interpolation") == "bilinear":
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    first = last.channels_first(call.builder, call.x)
    made = call.add("Resize", [first], "resize", scales=(1.0, 1.0, float(height), float(width)), **how)
    return last.channels_last(call.builder, made, call.name)


def resizing(call: Call) -> str:
    """Resizing to a fixed size, without antialiasing."""
    settings = call.settings
    settings.require("interpolation", "nearest", "bilinear")
    for key in ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"):
        settings.require(key, False)
    mode: Literal["linear", "nearest"] = "nearest" if settings.raw("interpolation") == "nearest" else "linear"
    size = settings.integer("height"), settings.integer("width")
    return last.resize(call.builder, mode, _float(call), size, call.name, half_pixel=True)


def _last_axis(call: Call, key: str) -> None:
    """Check that a layer works along the last axis."""
    axes = call.settings.integers(key) if key in call.settings else (-1,)
    rank = call.builder.rank(call.x)
    if axes not in ((-1,), (rank - 1,)):
        raise call.unsupported(f"works along the axes {axes} of {rank}; the last one is read")


def _numbers(call: Call, key: str) -> Array:
    try:
        return np.asarray(call.settings.numbers(key), np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise call.bad(f"has {key} {str(call.settings.raw(key))[:40]}; numbers are required") from error


def _float(call: Call) -> str:
    """Give the tensor as float32."""
    if call.builder.dtype(call.x) == "float32":
        return call.x
    return call.add("Cast", [call.x], "float", to="float32")

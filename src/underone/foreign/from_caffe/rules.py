"""Caffe's layers as nodes, in Caffe's own layout (N, C, H, W)."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...graph import Array
from .call import Call

Rule = Callable[[Call], str | Sequence[str]]


def same(call: Call) -> list[str]:
    """Give what was given, once for each blob that is written."""
    return [call.x] * call.tops


def convolution(call: Call) -> str:
    """Convolution, also the depthwise layers of forks, whose group is the number of channels."""
    weight = _kernel(call)
    group = len(weight) if "Depthwise" in call.kind else call.param.integer("group", 1)
    operands = [call.x, call.constant("weight", weight), *call.bias(1, len(weight))]
    return call.add("Conv", operands, group=group, **_window(call, weight.shape[2:]))


def deconvolution(call: Call) -> str:
    """Deconvolution: weight (I, O / group, h, w)."""
    weight, group = _kernel(call), call.param.integer("group", 1)
    operands = [call.x, call.constant("weight", weight), *call.bias(1, weight.shape[1] * group)]
    return call.add("ConvTranspose", operands, group=group, **_window(call, weight.shape[2:]))


def _kernel(call: Call) -> Array:
    weight = call.array(0)
    if weight.ndim != 4 or call.param.integer("axis", 1) != 1:
        raise call.unsupported(f"has a kernel of shape {weight.shape}; two spatial axes are read")
    return weight


def _window(call: Call, kernel: tuple[int, ...]) -> dict[str, Any]:
    stated = call.pair("kernel_size", "kernel", 0)
    if stated not in ((0, 0), kernel):
        raise call.bad(f"states a kernel of {stated}; its array has {tuple(kernel)}")
    top, left = call.pair("pad", "pad", 0)
    dilations = call.param.integers("dilation") or [1]
    return {
        "strides": call.pair("stride", "stride", 1), "pads": (top, left, top, left),
        "dilations": (dilations[0], dilations[-1]),
    }  # fmt: skip


def pooling(call: Call) -> str:
    """Pooling: sizes are rounded up, and a mean counts the padding."""
    method = call.param.text("pool", "MAX")
    if method not in ("MAX", "AVE"):
        raise call.unsupported(f"pools by {method}; MAX and AVE are read")
    if call.param.flag("global_pooling", False):
        return call.add("GlobalMaxPool" if method == "MAX" else "GlobalAveragePool", [call.x])
    kernel, (top, left) = call.pair("kernel_size", "kernel", 0), call.pair("pad", "pad", 0)
    attrs: dict[str, Any] = {
        "kernel_shape": kernel, "strides": call.pair("stride", "stride", 1), "pads": (top, left, top, left),
        "ceil_mode": int(call.param.text("round_mode", "CEIL") == "CEIL"),
    }  # fmt: skip
    if method == "MAX":
        return call.add("MaxPool", [call.x], **attrs)
    return call.add("AveragePool", [call.x], count_include_pad=1, **attrs)


def inner_product(call: Call) -> str:
    """InnerProduct over all axes from the second on: weight (O, I), or (I, O) where it says so."""
    if call.axis() != 1:
        raise call.unsupported("sums over the last axes only; all axes behind the first are read")
    flat = call.x if call.builder.rank(call.x) == 2 else call.add("Flatten", [call.x], "flat", axis=1)
    outputs, turned = call.param.integer("num_output"), call.param.flag("transpose", False)
    weight = call.array(0)
    if outputs <= 0 or weight.size % outputs:
        raise call.bad(f"has num_output {outputs} and a weight of shape {weight.shape}")
    weight = weight.reshape((-1, outputs) if turned else (outputs, -1))
    operands = [flat, call.constant("weight", weight), *call.bias(1, outputs)]
    return call.add("Gemm", operands, transB=int(not turned))


def batch_norm(call: Call) -> str:
    """BatchNorm, with the Scale behind it: the stored sums are divided by their factor, 0 by none."""
    factor = float(call.array(2, 1).ravel()[0])
    share = 1 / factor if factor else 0.0
    mean, variance = (np.asarray(call.array(i).ravel() * np.float32(share)) for i in (0, 1))
    neutral = np.ones_like(mean), np.zeros_like(mean)
    scale, shift = (a.ravel() if (a := _nth(call.arrays_after, i)) is not None else neutral[i] for i in (0, 1))
    if not mean.size == variance.size == scale.size == shift.size:
        raise call.bad(f"has arrays of {mean.size}, {variance.size}, {scale.size}, {shift.size} numbers")
    operands = [call.constant(n, a) for n, a in zip(("scale", "shift", "mean", "variance"),
                                                   (scale, shift, mean, variance), strict=True)]  # fmt: skip
    return call.add("BatchNormalization", [call.x, *operands], epsilon=call.param.number("eps", 1e-5))


def _nth(arrays: Sequence[Array], index: int) -> Array | None:
    return arrays[index] if index < len(arrays) else None


def scale(call: Call) -> str:
    """Scale by its own array or by a second blob, from one axis on; then the bias, if there is one."""
    if len(call.inputs) > 1:
        return call.add("Mul", [call.x, _aligned(call, call.inputs[1])])
    product = call.add("Mul", [call.x, _placed(call, 0)], "product" if len(call.arrays) > 1 else "")
    return call.add("Add", [product, _placed(call, 1)]) if len(call.arrays) > 1 else product


def bias(call: Call) -> str:
    """Bias: add its own array or a second blob, from one axis on."""
    second = _aligned(call, call.inputs[1]) if len(call.inputs) > 1 else _placed(call, 0)
    return call.add("Add", [call.x, second])


def _placed(call: Call, index: int) -> str:
    """Add an array as a constant whose first axis is the layer's axis."""
    array = call.array(index)
    after = call.builder.rank(call.x) - call.axis() - array.ndim
    if after < 0:
        raise call.bad(f"has an array of shape {array.shape} from axis {call.axis()} on; the blob has too few")
    return call.constant(f"array_{index}", array.reshape(*array.shape, *(1,) * after))


def _aligned(call: Call, second: str) -> str:
    after = call.builder.rank(call.x) - call.axis() - call.builder.rank(second)
    if after <= 0:
        return second
    rank = call.builder.rank(second)
    return call.add("Unsqueeze", [second], "aligned", axes=tuple(range(rank, rank + after)))


def relu(call: Call) -> str:
    """ReLU, leaky where it has a slope."""
    slope = call.param.number("negative_slope", 0.0)
    return call.add("LeakyRelu", [call.x], alpha=slope) if slope else call.add("Relu", [call.x])


def relu6(call: Call) -> str:
    """ReLU6 of forks."""
    return call.add("Clip", [call.x], min=0.0, max=6.0)


def prelu(call: Call) -> str:
    """PReLU with a slope for each channel, or one."""
    slope = call.array(0).ravel()
    after = call.builder.rank(call.x) - 2
    return call.add("PRelu", [call.x, call.constant("slope", slope.reshape(-1, *(1,) * max(after, 0)))])


def function(op: str) -> Rule:
    """Give the rule of a function of one element."""
    return lambda call: call.add(op, [call.x])


def elu(call: Call) -> str:
    """ELU."""
    return call.add("Elu", [call.x], alpha=call.param.number("alpha", 1.0))


def swish(call: Call) -> str:
    """Swish of forks: x * sigmoid(x)."""
    return call.add("Mul", [call.x, call.add("Sigmoid", [call.x], "gate")])


def _line(call: Call) -> str:
    """Give shift + scale * x."""
    scaled, shift = call.x, call.param.number("shift", 0.0)
    if (factor := call.param.number("scale", 1.0)) != 1:
        scaled = call.add("Mul", [scaled, call.number("factor", factor)], "scaled")
    return call.add("Add", [scaled, call.number("shift", shift)], "shifted") if shift else scaled


def power(call: Call) -> str:
    """Power: (shift + scale * x) ^ power."""
    return call.add("Pow", [_line(call), call.number("power", call.param.number("power", 1.0))])


def exponential(call: Call) -> str:
    """Exp: base ^ (shift + scale * x); e where no base is given."""
    return call.add("Exp", [call.add("Mul", [_line(call), call.number("ln", _log_base(call))], "natural")])


def logarithm(call: Call) -> str:
    """Log: logarithm of shift + scale * x."""
    return call.add("Div", [call.add("Log", [_line(call)], "natural"), call.number("ln", _log_base(call))])


def _log_base(call: Call) -> float:
    base = call.param.number("base", -1.0)
    if base == -1:
        return 1.0
    if base <= 0 or base == 1:
        raise call.bad(f"has base {base}; above 0 and other than 1 is required")
    return math.log(base)


def eltwise(call: Call) -> str:
    """Eltwise: product, weighted sum or maximum."""
    operation, weights = call.param.text("operation", "SUM"), call.param.numbers("coeff")
    ops = {"PROD": "Mul", "SUM": "Add", "MAX": "Max"}
    if operation not in ops or (weights and len(weights) != len(call.inputs)):
        raise call.bad(f"has operation {operation!r} with {len(weights)} weights for {len(call.inputs)} blobs")
    terms = list(call.inputs)
    if operation == "SUM":
        terms = [
            _weighted(call, x, i, w) for i, (x, w) in enumerate(zip(terms, weights or [1.0] * len(terms), strict=True))
        ]
    total = terms[0]
    for i, term in enumerate(terms[1:], 2):
        total = call.add(ops[operation], [total, term], "" if i == len(terms) else f"part_{i}")
    return total


def _weighted(call: Call, x: str, index: int, weight: float) -> str:
    return x if weight == 1 else call.add("Mul", [x, call.number(f"weight_{index}", weight)], f"term_{index}")


def softmax(call: Call) -> str:
    """Softmax along one axis."""
    return call.add("Softmax", [call.x], axis=call.axis())


def normalize(call: Call) -> str:
    """Normalize to length 1, at each place or over the whole map, then scale each channel.

    Source: Liu et al., ParseNet (arXiv 1506.04579), section 3.
    """
    axes = (1, 2, 3) if call.param.flag("across_spatial", True) else (1,)
    power = call.add("ReduceSumSquare", [call.x], "power", axes=axes, keepdims=1)
    length = call.add("Sqrt", [call.add("Add", [power, call.number("eps", call.param.number("eps", 1e-10))], "least")],
                      "length")  # fmt: skip
    factor = call.constant("scale", call.array(0).reshape(-1, 1, 1))
    return call.add("Mul", [call.add("Div", [call.x, length], "unit"), factor])


def local_norm(call: Call) -> str:
    """LRN across channels: x / (k + alpha / n * sum of squares) ^ beta; the sum is n times a padded mean."""
    if call.param.text("norm_region", "ACROSS_CHANNELS") != "ACROSS_CHANNELS":
        raise call.unsupported("normalises within channels; across channels is read")
    size = call.param.integer("local_size", 5)
    if size < 1 or size % 2 == 0:
        raise call.bad(f"has local_size {size}; an odd number is required")
    channels, height, width = call.builder.fixed_shape(call.x, (1, 2, 3))
    square = call.add("Mul", [call.x, call.x], "square")
    column = call.add("Reshape", [square], "column", shape=(0, 1, channels, height * width))
    mean = call.add("AveragePool", [column], "mean", kernel_shape=(size, 1), pads=(size // 2, 0, size // 2, 0),
                    count_include_pad=1)  # fmt: skip
    back = call.add("Reshape", [mean], "back", shape=(0, channels, height, width))
    part = call.add("Mul", [back, call.number("alpha", call.param.number("alpha", 1.0))], "part")
    below = call.add("Add", [part, call.number("k", call.param.number("k", 1.0))], "below")
    return call.add(
        "Div", [call.x, call.add("Pow", [below, call.number("beta", call.param.number("beta", 0.75))], "root")]
    )

"""Every operator of the table in plain numpy: name → function(attrs, *operands) → output(s).

Attributes come complete (`ops.attributes`). Obviously right comes before fast; but matrix products go to numpy's BLAS.
"""

# ruff: noqa: ARG005 (one signature for a whole table)

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from . import numpy_integer as integer
from . import numpy_windows as window
from .graph import Array
from .layout_rules import expand as expand_shape
from .layout_rules import flatten as flatten_shape
from .layout_rules import reshape as reshape_shape
from .layout_rules import slice_parts
from .numpy_resize import resize
from .shape_rules import Attrs, pad_pairs

Kernel = Callable[..., Any]


def elementwise(function: Callable[..., Any]) -> Kernel:
    """Wrap a function of one or more arrays that needs no attributes."""
    return lambda attrs, *operands: function(*operands)


def gemm(attrs: Attrs, a: Array, b: Array, c: Array | None = None) -> Array:
    """Give alpha a b + beta c."""
    product = attrs["alpha"] * ((a.T if attrs["transA"] else a) @ (b.T if attrs["transB"] else b))
    return np.asarray(product if c is None else product + attrs["beta"] * c)


def batch_norm(attrs: Attrs, x: Array, scale: Array, bias: Array, mean: Array, var: Array) -> Array:
    """Normalise x (N, C, …) by stored statistics (C,)."""
    column = (-1, *(1,) * (x.ndim - 2))
    factor = scale / np.sqrt(var + attrs["epsilon"])
    return np.asarray(x * factor.reshape(column) + (bias - mean * factor).reshape(column))


def instance_norm(attrs: Attrs, x: Array, scale: Array, bias: Array) -> Array:
    """Normalise each (…) of x (N, C, …) by its own statistics."""
    column = (-1, *(1,) * (x.ndim - 2))
    return _standardise(x, tuple(range(2, x.ndim)), attrs["epsilon"]) * scale.reshape(column) + bias.reshape(column)


def layer_norm(attrs: Attrs, x: Array, scale: Array, bias: Array | None = None) -> Array:
    """Normalise over the axes from `axis` on."""
    out = _standardise(x, tuple(range(attrs["axis"], x.ndim)), attrs["epsilon"]) * scale
    return np.asarray(out if bias is None else out + bias)


def softmax(attrs: Attrs, x: Array) -> Array:
    """Give exp(x) over its sum along `axis`."""
    e = np.exp(x - x.max(attrs["axis"], keepdims=True, initial=-np.inf))
    return np.asarray(e / e.sum(attrs["axis"], keepdims=True))


def log_softmax(attrs: Attrs, x: Array) -> Array:
    """Give the logarithm of softmax."""
    shifted = x - x.max(attrs["axis"], keepdims=True, initial=-np.inf)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(attrs["axis"], keepdims=True)))


def clip(attrs: Attrs, x: Array) -> Array:
    """Limit to [min, max]; max wins where they cross."""
    if x.dtype.kind in "iu":
        info = np.iinfo(x.dtype)
        low, high = (int(min(max(attrs[k], info.min), info.max)) for k in ("min", "max"))
        return np.asarray(np.minimum(np.maximum(x, x.dtype.type(low)), x.dtype.type(high)))
    return np.asarray(np.minimum(np.maximum(x, attrs["min"]), attrs["max"]))


def hard_sigmoid(attrs: Attrs, x: Array) -> Array:
    """Give alpha x + beta, limited to [0, 1]."""
    return np.asarray(np.clip(attrs["alpha"] * x + attrs["beta"], 0, 1))


def sigmoid(x: Array) -> Array:
    """Give 1 / (1 + exp(-x)) without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def erf(x: Array) -> Array:
    """Give the error function, each element by the C library."""
    return np.fromiter(map(math.erf, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)


def gelu(attrs: Attrs, x: Array) -> Array:
    """Give x times the normal distribution function, or its tanh approximation."""
    if attrs["approximate"] == "tanh":
        return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
    return np.asarray(0.5 * x * (1 + erf(x / math.sqrt(2))))


def softplus(x: Array) -> Array:
    """Give log(1 + exp(x)) without overflow."""
    return np.asarray(np.logaddexp(0, x))


def divide(a: Array, b: Array) -> Array:
    """Divide; whole numbers are cut towards zero."""
    if a.dtype.kind not in "iu":
        return np.asarray(a / b)
    b = np.where(b == 0, 1, b)  # undefined in ONNX; must not stop a run
    below = a // b  # not from absolute values: the most negative number has none
    return np.asarray(below + ((a % b != 0) & ((a < 0) != (b < 0))))


def modulo(attrs: Attrs, a: Array, b: Array) -> Array:
    """Give the remainder with the sign of b, or of a with fmod."""
    return np.asarray(np.fmod(a, b) if attrs["fmod"] else np.mod(a, b))


def summed(*operands: Array) -> Array:
    """Add any number of operands."""
    return np.asarray(sum(operands[1:], operands[0]))


def least(*operands: Array) -> Array:
    """Give the smallest of any number of operands."""
    return np.asarray(np.minimum.reduce(np.broadcast_arrays(*operands)))


def largest(*operands: Array) -> Array:
    """Give the largest of any number of operands."""
    return np.asarray(np.maximum.reduce(np.broadcast_arrays(*operands)))


def global_pool(function: Callable[..., Any]) -> Kernel:
    """Reduce all spatial axes of x (N, C, …) to 1."""
    return lambda attrs, x: function(x, axis=tuple(range(2, x.ndim)), keepdims=True)


def reduced(function: Callable[..., Any]) -> Kernel:
    """Reduce `axes`; none given: all."""
    return lambda attrs, x: function(x, axis=attrs["axes"] or None, keepdims=bool(attrs["keepdims"]))


def arg_reduced(function: Callable[..., Any]) -> Kernel:
    """Find the index of the extreme along `axis`, the first or the last of equals."""

    def kernel(attrs: Attrs, x: Array) -> Array:
        axis, keep = attrs["axis"], bool(attrs["keepdims"])
        if attrs["select_last_index"]:
            return np.asarray(x.shape[axis] - 1 - function(np.flip(x, axis), axis, keepdims=keep))
        return np.asarray(function(x, axis, keepdims=keep))

    return kernel


def split(attrs: Attrs, x: Array) -> list[Array]:
    """Cut `axis` into parts."""
    return np.split(x, np.cumsum(attrs["split"])[:-1], attrs["axis"])


def gather(attrs: Attrs, x: Array, index: Array) -> Array:
    """Take entries along `axis`."""
    return np.take(x, index, attrs["axis"])


def expand(attrs: Attrs, x: Array, like: Array | None = None) -> Array:
    """Broadcast to `shape`; -1 there is the first size of `like`."""
    shapes = [x.shape] if like is None else [x.shape, like.shape]
    return np.broadcast_to(x, expand_shape(shapes, attrs)[0])


def pad(attrs: Attrs, x: Array) -> Array:
    """Add elements around, or take them away."""
    pairs = pad_pairs(attrs["pads"])
    crop = tuple(slice(max(-a, 0), x.shape[i] - max(-b, 0)) for i, (a, b) in enumerate(pairs))
    grow = [(max(a, 0), max(b, 0)) for a, b in pairs]
    fill: Any = {"constant_values": attrs["value"]} if attrs["mode"] == "constant" else {}
    return np.pad(x[crop], grow, attrs["mode"], **fill)


def depth_to_space(attrs: Attrs, x: Array) -> Array:
    """Move blocks of channels into space."""
    b, (n, c, h, w) = attrs["blocksize"], x.shape
    if attrs["mode"] == "DCR":
        blocks = x.reshape(n, b, b, c // b**2, h, w).transpose(0, 3, 4, 1, 5, 2)  # (N, C, H, b, W, b)
    else:
        blocks = x.reshape(n, c // b**2, b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    return blocks.reshape(n, c // b**2, h * b, w * b)


def space_to_depth(attrs: Attrs, x: Array) -> Array:
    """Move blocks of space into channels."""
    b, (n, c, h, w) = attrs["blocksize"], x.shape
    return x.reshape(n, c, h // b, b, w // b, b).transpose(0, 3, 5, 1, 2, 4).reshape(n, c * b**2, h // b, w // b)


def constant_of_shape(attrs: Attrs) -> Array:
    """Fill `shape` with one value."""
    return np.full(attrs["shape"], attrs["value"], attrs["dtype"])


def number_range(attrs: Attrs) -> Array:
    """Count from `start` to `limit`."""
    return np.arange(attrs["start"], attrs["limit"], attrs["delta"]).astype(attrs["dtype"])


def _standardise(x: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    centred = x - x.mean(axes, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).mean(axes, keepdims=True) + epsilon))


KERNELS: Mapping[str, Kernel] = {
    "Conv": window.conv,
    "ConvTranspose": window.conv_transpose,
    "Gemm": gemm,
    "MatMul": elementwise(np.matmul),
    "BatchNormalization": batch_norm,
    "InstanceNormalization": instance_norm,
    "LayerNormalization": layer_norm,
    "Softmax": softmax,
    "LogSoftmax": log_softmax,
    "Clip": clip,
    "LeakyRelu": lambda a, x: np.where(x < 0, a["alpha"] * x, x),
    "Elu": lambda a, x: np.where(x < 0, a["alpha"] * np.expm1(np.minimum(x, 0)), x),
    "HardSigmoid": hard_sigmoid,
    "Gelu": gelu,
    "Cast": lambda a, x: x.astype(a["to"]),
    "PRelu": lambda a, x, slope: np.where(x < 0, slope * x, x),
    "Abs": elementwise(np.abs),
    "Ceil": elementwise(np.ceil),
    "Cos": elementwise(np.cos),
    "Erf": elementwise(erf),
    "Exp": elementwise(np.exp),
    "Floor": elementwise(np.floor),
    "HardSwish": lambda a, x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Identity": elementwise(np.asarray),
    "Log": elementwise(np.log),
    "Mish": lambda a, x: x * np.tanh(softplus(x)),
    "Neg": elementwise(np.negative),
    "Not": elementwise(np.logical_not),
    "Reciprocal": elementwise(np.reciprocal),
    "Relu": elementwise(lambda x: np.maximum(x, 0)),
    "Round": elementwise(np.rint),  # half to even
    "Sigmoid": elementwise(sigmoid),
    "Sign": elementwise(np.sign),
    "Sin": elementwise(np.sin),
    "Softplus": elementwise(softplus),
    "Sqrt": elementwise(np.sqrt),
    "Tanh": elementwise(np.tanh),
    "Add": elementwise(np.add),
    "Sub": elementwise(np.subtract),
    "Mul": elementwise(np.multiply),
    "Div": elementwise(divide),
    "Pow": elementwise(lambda x, y: np.power(x, y.astype(np.result_type(x, y)))),
    "And": elementwise(np.logical_and),
    "Or": elementwise(np.logical_or),
    "Min": elementwise(least),
    "Max": elementwise(largest),
    "Sum": elementwise(summed),
    "Equal": elementwise(np.equal),
    "Greater": elementwise(np.greater),
    "GreaterOrEqual": elementwise(np.greater_equal),
    "Less": elementwise(np.less),
    "LessOrEqual": elementwise(np.less_equal),
    "Mod": modulo,
    "Where": elementwise(np.where),
    "AveragePool": window.average_pool,
    "MaxPool": window.max_pool,
    "GlobalAveragePool": global_pool(np.mean),
    "GlobalMaxPool": global_pool(np.max),
    "ReduceMean": reduced(np.mean),
    "ReduceSum": reduced(np.sum),
    "ReduceMax": reduced(lambda x, **how: np.max(x, **how, initial=window.extremes(x.dtype)[0])),
    "ReduceMin": reduced(lambda x, **how: np.min(x, **how, initial=window.extremes(x.dtype)[1])),
    "ReduceProd": reduced(np.prod),
    "ReduceL2": reduced(lambda x, **how: np.sqrt(np.sum(np.square(x), **how))),
    "ReduceSumSquare": reduced(lambda x, **how: np.sum(np.square(x), **how)),
    "ArgMax": arg_reduced(np.argmax),
    "ArgMin": arg_reduced(np.argmin),
    "Reshape": lambda a, x: x.reshape(reshape_shape([x.shape], a)[0]),
    "Flatten": lambda a, x: x.reshape(flatten_shape([x.shape], a)[0]),
    "Transpose": lambda a, x: x.transpose(a["perm"]),
    "Concat": lambda a, *xs: np.concatenate(xs, a["axis"]),
    "Split": split,
    "Slice": lambda a, x: x[tuple(slice_parts(x.shape, a))],
    "Squeeze": lambda a, x: np.squeeze(x, a["axes"]),
    "Unsqueeze": lambda a, x: np.expand_dims(x, a["axes"]),
    "Gather": gather,
    "Expand": expand,
    "Tile": lambda a, x: np.tile(x, a["repeats"]),
    "Pad": pad,
    "Resize": resize,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Shape": lambda a, x: np.array(x.shape[a["start"] : a["end"]], np.int64),
    "Size": lambda a, x: np.array(x.size, np.int64),
    "ConstantOfShape": constant_of_shape,
    "Range": number_range,
    "QuantizeLinear": integer.quantize,
    "DequantizeLinear": integer.dequantize,
    "ConvInteger": integer.conv_integer,
    "MatMulInteger": integer.matmul_integer,
    "QLinearConv": integer.conv_quantized,
    "QLinearMatMul": integer.matmul_quantized,
}

"""The operators of a Graph in MIL, Core ML's intermediate language: name → function of a call that builds it.

Only operations of the oldest ML Programs (iOS 15) are used, so that a file can be written for any target.

Source: the documentation of the operations in coremltools 9.0 (coremltools.converters.mil.mil.ops.defs.iOS15).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graph import Array, TensorType
from ...graph.layout_rules import resized_by_sizes, slice_parts
from ...graph.numpy_resize import axis_weights
from ...graph.shape_rules import pad_pairs, window_pads, window_sizes
from ..call import NodeCall
from .vendor import Builder


@dataclass(frozen=True)
class Making:
    """A program in the making.

    Attributes:
        types: of the graph's tensors.
        values: of those that are there so far: variables, or arrays where they are constants.
    """

    types: Mapping[str, TensorType]
    values: dict[str, Any]


class Call(NodeCall[Making]):
    """One node that is about to be built; its name is that of the operation too."""

    title = "Core ML"

    @property
    def operands(self) -> list[Any]:
        """Variables, or arrays where they are constants, of the inputs that are given."""
        return [self.model.values[name] for name in self.node.inputs if name]

    @property
    def x(self) -> Any:
        """The first operand."""
        return self.operands[0]

    @property
    def types(self) -> list[TensorType]:
        """Of the operands."""
        return [self.model.types[name] for name in self.node.inputs if name]

    def number(self, value: float) -> Any:
        """Give a number in the dtype of the first operand."""
        return np.dtype(self.types[0].dtype).type(value)


Operator = Callable[[Call], Any]  # gives a Var, or a tuple of them


def _unary(name: str) -> Operator:
    return lambda c: getattr(Builder, name)(x=c.x, name=c.name)


def _binary(name: str) -> Operator:
    return lambda c: getattr(Builder, name)(x=c.operands[0], y=c.operands[1], name=c.name)


def _folded(name: str) -> Operator:
    """Join any number of operands by an operation of two."""

    def build(c: Call) -> Any:
        joined, *rest = c.operands
        for i, operand in enumerate(rest):
            joined = getattr(Builder, name)(x=joined, y=operand, name=c.name if i == len(rest) - 1 else f"{c.name}_{i}")
        return joined if rest else Builder.identity(x=joined, name=c.name)

    return build


def _reduction(name: str) -> Operator:
    def build(c: Call) -> Any:
        axes = list(c["axes"] or range(len(c.shape)))
        return getattr(Builder, name)(x=c.x, axes=axes, keep_dims=bool(c["keepdims"]), name=c.name)

    return build


def _over_space(name: str) -> Operator:
    return lambda c: getattr(Builder, name)(x=c.x, axes=list(range(2, len(c.shape))), keep_dims=True, name=c.name)


def _position(name: str) -> Operator:
    def build(c: Call) -> Any:
        if c["select_last_index"]:
            raise c.unsupported("the last of equal values")
        return getattr(Builder, name)(x=c.x, axis=c["axis"], keep_dims=bool(c["keepdims"]), name=c.name)

    return build


def _window(c: Call, kernel: tuple[int, ...]) -> dict[str, Any]:
    """Give strides and padding of a window; MIL wants the padding before and after each axis in turn."""
    pads = window_pads(c.shape[2:], kernel, c.node.attrs)
    return {"strides": list(c["strides"]), "pad_type": "custom", "pad": [p for pair in pads for p in pair]}


def _bias(c: Call) -> dict[str, Any]:
    return {"bias": c.operands[2]} if len(c.operands) > 2 else {}


def _conv(c: Call) -> Any:
    how = _window(c, c.types[1].shape[2:]) | {"dilations": list(c["dilations"]), "groups": c["group"]}
    return Builder.conv(x=c.x, weight=c.operands[1], **_bias(c), **how, name=c.name)


def _conv_transpose(c: Call) -> Any:
    how = _window(c, c.types[1].shape[2:]) | {"dilations": list(c["dilations"]), "groups": c["group"]}
    return Builder.conv_transpose(
        x=c.x, weight=c.operands[1], **_bias(c), **how, output_shape=list(c.result), name=c.name
    )


def _gemm(c: Call) -> Any:
    x, weight = c.operands[:2]
    if is_packed(weight) and not (c["transA"] or c["transB"]) and (c["alpha"], c["beta"]) == (1, 1):
        product = Builder.matmul(x=x, y=weight, name=f"{c.name}_product")
        return Builder.add(x=product, y=c.operands[2], name=c.name) if len(c.operands) > 2 else product
    fixed = (is_packed(weight) and c["transB"]) or isinstance(weight, np.ndarray)
    if fixed and all(isinstance(b, np.ndarray) for b in c.operands[2:]) and not c["transA"] and c["alpha"] == 1:
        bias = {}
        if len(c.operands) > 2:
            if c.operands[2].ndim > 1 and len(c.operands[2]) > 1:
                raise c.unsupported("a bias for each row")
            bias = {"bias": np.broadcast_to(c["beta"] * np.ravel(c.operands[2]), c.result[1:]).astype(c.types[1].dtype)}
        return Builder.linear(
            x=x, weight=weight if c["transB"] else np.ascontiguousarray(weight.T), **bias, name=c.name
        )
    raise c.unsupported("a product of two tensors that are computed, or scaled,")


def is_packed(operand: Any) -> bool:
    """Whether an operand is a weight that is unpacked when the program is loaded."""
    made = getattr(operand, "op", None)
    return made is not None and made.op_type.startswith("constexpr_")


def _average_pool(c: Call) -> Any:
    counted = bool(c["count_include_pad"])
    if counted and c["ceil_mode"]:
        raise c.unsupported("ceil_mode with count_include_pad")
    return Builder.avg_pool(x=c.x, **_pool(c), exclude_padding_from_average=not counted, name=c.name)


def _pool(c: Call) -> dict[str, Any]:
    """Give the settings of a pool; ceil_mode, which MIL has for even padding only, becomes padding."""
    kernel, sizes = c["kernel_shape"], c.shape[2:]
    if set(c["dilations"]) != {1}:
        raise c.unsupported(f"a pool with dilations {c['dilations']}")
    pads = []
    for i, k, s, n, (before, after) in zip(
        sizes, kernel, c["strides"], window_sizes(sizes, kernel, c.node.attrs),
        window_pads(sizes, kernel, c.node.attrs), strict=True,
    ):  # fmt: skip
        pads += [before, max(after, (n - 1) * s + k - i - before)]
    return {"kernel_sizes": list(kernel), "strides": list(c["strides"]), "pad_type": "custom", "pad": pads}


def _clip(c: Call) -> Any:
    low, high = c["min"], c["max"]
    if (low, high) == (0, 6):
        return Builder.relu6(x=c.x, name=c.name)
    if low == 0 and high == np.inf:
        return Builder.relu(x=c.x, name=c.name)
    if np.isfinite([low, high]).all():
        return Builder.clip(x=c.x, alpha=c.number(low), beta=c.number(high), name=c.name)
    if np.isfinite(low):
        return Builder.maximum(x=c.x, y=c.number(low), name=c.name)
    return (
        Builder.minimum(x=c.x, y=c.number(high), name=c.name)
        if np.isfinite(high)
        else Builder.identity(x=c.x, name=c.name)
    )


def _prelu(c: Call) -> Any:
    slope = c.operands[1]
    if (
        isinstance(slope, np.ndarray)
        and slope.size == c.shape[1]
        and slope.shape[-len(c.shape) + 1 :][:1] == c.shape[1:2]
    ):
        return Builder.prelu(x=c.x, alpha=slope.reshape(-1), name=c.name)
    below = Builder.mul(
        x=Builder.minimum(x=c.x, y=c.number(0), name=f"{c.name}_below"), y=slope, name=f"{c.name}_sloped"
    )
    return Builder.add(x=Builder.relu(x=c.x, name=f"{c.name}_above"), y=below, name=c.name)


def _hard_swish(c: Call) -> Any:
    gate = Builder.sigmoid_hard(x=c.x, alpha=c.number(1 / 6), beta=c.number(0.5), name=f"{c.name}_gate")
    return Builder.mul(x=c.x, y=gate, name=c.name)


def _mish(c: Call) -> Any:
    gate = Builder.tanh(x=Builder.softplus(x=c.x, name=f"{c.name}_softplus"), name=f"{c.name}_gate")
    return Builder.mul(x=c.x, y=gate, name=c.name)


def _log_softmax(c: Call) -> Any:
    total = Builder.reduce_log_sum_exp(x=c.x, axes=[c["axis"]], keep_dims=True, name=f"{c.name}_total")
    return Builder.sub(x=c.x, y=total, name=c.name)


def _slice(c: Call) -> Any:
    parts = [part.indices(size) for part, size in zip(slice_parts(c.shape, c.node.attrs), c.shape, strict=True)]
    if any(step < 0 for _, _, step in parts):
        raise c.unsupported("a slice with a negative step")
    begin, end, stride = (list(values) for values in zip(*parts, strict=True))
    return Builder.slice_by_index(x=c.x, begin=begin, end=end, stride=stride, name=c.name)


def _pad(c: Call) -> Any:
    pairs = pad_pairs(c["pads"])
    modes = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}
    if c["mode"] not in modes or min(c["pads"]) < 0:
        raise c.unsupported(f"padding {c['pads']} in mode {c['mode']!r}")
    first = next((i for i, pair in enumerate(pairs) if any(pair)), len(pairs) - 1)  # MIL pads the last axes
    pads = [p for pair in pairs[first:] for p in pair]
    return Builder.pad(x=c.x, pad=pads, mode=modes[c["mode"]], constant_val=c.number(c["value"]), name=c.name)


_SAMPLING = {"align_corners": "STRICT_ALIGN_CORNERS", "half_pixel": "UNALIGN_CORNERS", "asymmetric": "DEFAULT"}


def _resize(c: Call) -> Any:
    """Resample by the operation that does the same, else by a matrix for each axis that changes."""
    weights = [
        axis_weights(c.node.attrs, n, m, float(c["scales"][axis]) if c["scales"] else m / n)
        for axis, (n, m) in enumerate(zip(c.shape, c.result, strict=True))
    ]
    mode, target = _SAMPLING.get(c["coordinate_transformation_mode"]), c.result[2:]
    if c.shape[:2] == c.result[:2] and len(c.shape) == 4:
        factors = [m // n for n, m in zip(c.shape, c.result, strict=True)]
        if all(
            np.array_equal(w, np.repeat(np.eye(n), f, 0)) for w, n, f in zip(weights, c.shape, factors, strict=True)
        ):
            height, width = factors[2:]
            return Builder.upsample_nearest_neighbor(
                x=c.x, scale_factor_height=height, scale_factor_width=width, name=c.name
            )
        if c["mode"] == "linear" and mode and resized_by_sizes(c.node.attrs, c.shape, c.result):
            return Builder.resize_bilinear(
                x=c.x, target_size_height=target[0], target_size_width=target[1], sampling_mode=mode, name=c.name
            )
        return _resize_by_products(c, weights)
    raise c.unsupported(f"resizing {c.shape} to {c.result}")


def _resize_by_products(c: Call, weights: Sequence[Array]) -> Any:
    rows, columns = (w.astype(c.types[0].dtype) for w in weights[2:])
    wide = Builder.matmul(x=c.x, y=columns, transpose_y=True, name=f"{c.name}_columns")  # (N, C, h, W)
    return Builder.matmul(x=np.broadcast_to(rows, (*c.shape[:2], *rows.shape)), y=wide, name=c.name)


def _depth_to_space(c: Call) -> Any:
    if c["mode"] == "CRD":
        return Builder.pixel_shuffle(x=c.x, upscale_factor=c["blocksize"], name=c.name)
    return Builder.depth_to_space(x=c.x, block_size=c["blocksize"], name=c.name)


def _batch_norm(c: Call) -> Any:
    x, gamma, beta, mean, variance = c.operands
    return Builder.batch_norm(
        x=x, mean=mean, variance=variance, gamma=gamma, beta=beta, epsilon=c.number(c["epsilon"]), name=c.name
    )


def _instance_norm(c: Call) -> Any:
    x, gamma, beta = c.operands
    return Builder.instance_norm(x=x, gamma=gamma, beta=beta, epsilon=c.number(c["epsilon"]), name=c.name)


def _expand(c: Call) -> Any:
    lifted = (1,) * (len(c.result) - len(c.shape)) + c.shape
    x = Builder.reshape(x=c.x, shape=list(lifted), name=f"{c.name}_lifted") if lifted != c.shape else c.x
    return Builder.tile(x=x, reps=[m // n for n, m in zip(lifted, c.result, strict=True)], name=c.name)


DTYPES: Mapping[str, str] = {"float32": "fp32", "float16": "fp16", "int32": "int32", "int64": "int32", "bool": "bool"}


def _cast(c: Call) -> Any:
    if c["to"] not in DTYPES:
        raise c.unsupported(f"a tensor of {c['to']}")
    return Builder.cast(x=c.x, dtype=DTYPES[c["to"]], name=c.name)


def _reshape(c: Call) -> Any:
    return Builder.reshape(x=c.x, shape=list(c.result), name=c.name)


OPERATORS: Mapping[str, Operator] = {
    # products
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _binary("matmul"),
    # normalisation
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm,
    "Softmax": lambda c: Builder.softmax(x=c.x, axis=c["axis"], name=c.name),
    "LogSoftmax": _log_softmax,
    # functions of one element
    "Clip": _clip,
    "LeakyRelu": lambda c: Builder.leaky_relu(x=c.x, alpha=c.number(c["alpha"]), name=c.name),
    "Elu": lambda c: Builder.elu(x=c.x, alpha=c.number(c["alpha"]), name=c.name),
    "HardSigmoid": lambda c: Builder.sigmoid_hard(
        x=c.x, alpha=c.number(c["alpha"]), beta=c.number(c["beta"]), name=c.name
    ),
    "Gelu": lambda c: Builder.gelu(
        x=c.x, mode="TANH_APPROXIMATION" if c["approximate"] == "tanh" else "EXACT", name=c.name
    ),
    "Cast": _cast,
    "PRelu": _prelu,
    "HardSwish": _hard_swish,
    "Mish": _mish,
    "Neg": lambda c: Builder.mul(x=c.x, y=c.number(-1), name=c.name),
    "Reciprocal": lambda c: Builder.real_div(x=c.number(1), y=c.x, name=c.name),
    "Abs": _unary("abs"),
    "Ceil": _unary("ceil"),
    "Cos": _unary("cos"),
    "Erf": _unary("erf"),
    "Exp": _unary("exp"),
    "Floor": _unary("floor"),
    "Identity": _unary("identity"),
    "Log": _unary("log"),
    "Not": _unary("logical_not"),
    "Relu": _unary("relu"),
    "Round": _unary("round"),
    "Sigmoid": _unary("sigmoid"),
    "Sign": _unary("sign"),
    "Sin": _unary("sin"),
    "Softplus": _unary("softplus"),
    "Sqrt": _unary("sqrt"),
    "Tanh": _unary("tanh"),
    # arithmetic with broadcasting
    "Add": _binary("add"),
    "Sub": _binary("sub"),
    "Mul": _binary("mul"),
    "Div": _binary("real_div"),
    "Pow": _binary("pow"),
    "And": _binary("logical_and"),
    "Or": _binary("logical_or"),
    "Min": _folded("minimum"),
    "Max": _folded("maximum"),
    "Sum": _folded("add"),
    "Equal": _binary("equal"),
    "Greater": _binary("greater"),
    "GreaterOrEqual": _binary("greater_equal"),
    "Less": _binary("less"),
    "LessOrEqual": _binary("less_equal"),
    # pools and reductions
    "AveragePool": _average_pool,
    "MaxPool": lambda c: Builder.max_pool(x=c.x, **_pool(c), name=c.name),
    "GlobalAveragePool": _over_space("reduce_mean"),
    "GlobalMaxPool": _over_space("reduce_max"),
    "ReduceMean": _reduction("reduce_mean"),
    "ReduceSum": _reduction("reduce_sum"),
    "ReduceMax": _reduction("reduce_max"),
    "ReduceMin": _reduction("reduce_min"),
    "ReduceProd": _reduction("reduce_prod"),
    "ReduceL2": _reduction("reduce_l2_norm"),
    "ReduceSumSquare": _reduction("reduce_sum_square"),
    "ArgMax": _position("reduce_argmax"),
    "ArgMin": _position("reduce_argmin"),
    # layout
    "Reshape": _reshape,
    "Flatten": _reshape,
    "Squeeze": _reshape,
    "Unsqueeze": _reshape,
    "Transpose": lambda c: Builder.transpose(x=c.x, perm=list(c["perm"]), name=c.name),
    "Concat": lambda c: Builder.concat(values=list(c.operands), axis=c["axis"], name=c.name),
    "Split": lambda c: Builder.split(x=c.x, split_sizes=list(c["split"]), axis=c["axis"], name=c.name),
    "Slice": _slice,
    "Gather": lambda c: Builder.gather(x=c.x, indices=c.operands[1], axis=c["axis"], name=c.name),
    "Expand": _expand,
    "Tile": lambda c: Builder.tile(x=c.x, reps=list(c["repeats"]), name=c.name),
    "Pad": _pad,
    "Resize": _resize,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": lambda c: Builder.space_to_depth(x=c.x, block_size=c["blocksize"], name=c.name),
}

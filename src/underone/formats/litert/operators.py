"""The operators of a Graph in TFLite: name → function of a model and a node that adds it.

Source: tensorflow/compiler/mlir/lite/schema/schema.fbs (version 3), and the shapes that its kernels want.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...graph import Array
from ...graph.layout_rules import resized_by_sizes, slice_parts
from ...graph.shape_rules import Dims, pad_pairs, reached_pads, window_pads
from ..call import NodeCall
from .model import NHWC, Model, Order, Scale

_SAME, _VALID = 0, 1
_NONE, _RELU, _RELU6 = 0, 1, 3
_LARGEST_BIAS = 2**31 - 1


@dataclass(frozen=True)
class Call(NodeCall[Model]):
    """One node that is about to be added, its attributes complete."""

    title = "LiteRT"
    scale: Scale | None = None  # of the result, where it is computed in whole numbers

    @property
    def order(self) -> Order:
        """In which the first operand lies."""
        at = self.model.stored.get(self.node.inputs[0])
        return at.order if at else tuple(range(len(self.shape)))

    def x(self, order: Order, position: int = 0) -> int:
        """Give an operand with its axes in an order."""
        return self.model.given(self.node.inputs[position], order, self.scale is not None)

    def numbers(self, what: str, values: Any) -> int:
        """Add whole numbers as a constant."""
        return self.model.constant(f"{self.name}_{what}", np.array(values, np.int32))

    def add(self, op: str, inputs: list[int], order: Order, options: str = "", **settings: Any) -> None:
        """Add an operator whose result is that of the node."""
        self.model.operator(op, inputs, [self.model.made(self.name, order, self.scale)], options, **settings)

    @property
    def form(self) -> tuple[str, Scale | None]:
        """The dtype in which `x` gives the first operand, and the scale of its int8 numbers."""
        at = self.model.stored.get(self.node.inputs[0])
        scale = at.scale if at and self.scale else None
        return "int8" if scale else "float32", scale

    def fill(self, what: str, value: float) -> int:
        """Add a number in the form of the first operand."""
        dtype, scale = self.form
        number = np.array([value], np.float32)
        if scale is not None:
            number = np.clip(np.rint(number / np.array(scale.steps)) + scale.zero, -128, 127)
        return self.model.tensor(f"{self.name}_{what}", (1,), dtype, number.astype(dtype), scale)


Operator = Callable[[Call], None]


def _plain(rank: int) -> Order:
    return tuple(range(rank))


def _unary(op: str, options: str = "", **settings: Any) -> Operator:
    return lambda c: c.add(op, [c.x(c.order)], c.order, options, **settings)


def _binary(op: str, options: str) -> Operator:
    return lambda c: c.add(op, _broadcast(c), _leading(c), options)


def _leading(c: Call) -> Order:
    """Give the order of the operand that has the shape of the result."""
    ranks = [(len(c.model.types[n].shape), n) for n in c.node.inputs]
    for rank, name in ranks:
        if name in c.model.stored and rank == len(c.result):
            return c.model.stored[name].order
    return _plain(len(c.result))


def _broadcast(c: Call) -> list[int]:
    """Give both operands in one order; constants get axes of size 1 in front."""
    order = _leading(c)
    numbers = []
    for name in c.node.inputs:
        value = c.model.fixed(name)
        rank = len(c.model.types[name].shape)
        if value is not None:
            lifted = value.reshape((1,) * (len(order) - value.ndim) + value.shape).transpose(order)
            numbers.append(c.model.constant(name, np.ascontiguousarray(lifted)))
        elif rank == len(order):
            numbers.append(c.model.given(name, order, c.scale is not None))
        else:
            raise c.unsupported("a computed operand of fewer axes")
    return numbers


def _windows(c: Call, kernel: Dims, fill: float = 0.0, counted: bool = False) -> tuple[int, dict[str, Any]]:
    """Give the operand, padded where neither SAME nor VALID says so, and the settings of strides and padding.

    Args:
        c: the node.
        kernel: (height, width) of the window.
        fill: of the padding.
        counted: the padding is part of a mean, which that of SAME is not.
    """
    if len(c.shape) != 4:
        raise c.unsupported(f"a tensor of {len(c.shape)} axes")
    sizes, attrs = c.shape[2:], c.node.attrs
    pads = reached_pads(sizes, kernel, attrs)
    how = {"strideH": attrs["strides"][0], "strideW": attrs["strides"][1], "padding": _VALID}
    x = c.x(NHWC)
    if not any(map(any, pads)):
        return x, how
    if not counted and pads == window_pads(sizes, kernel, {**attrs, "auto_pad": "SAME_UPPER"}):
        return x, how | {"padding": _SAME}
    return _padded(c, x, [(0, 0), *pads, (0, 0)], fill), how


def _padded(c: Call, x: int, pairs: list[tuple[int, int]], fill: float) -> int:
    """Put a border of a number around the map, in the form that it is stored in."""
    shape = [c.shape[a] + sum(pair) for a, pair in zip(NHWC, pairs, strict=True)]
    dtype, scale = c.form
    padded = c.model.tensor(f"{c.name}_padded", shape, dtype, scale=scale)
    c.model.operator("PADV2", [x, c.numbers("pads", pairs), c.fill("fill", fill)], [padded], "PadV2Options")
    return padded


@dataclass(frozen=True)
class _Weight:
    """The fixed weight of a product, in float32, or in whole numbers with their scale."""

    call: Call
    value: Array
    scale: Scale | None

    def add(self, order: Order) -> int:
        """Add it with its axes in an order; give its number."""
        c, turned = self.call, np.ascontiguousarray(self.value.transpose(order))
        if self.scale is None:
            return c.model.constant(f"{c.name}_weight", turned)
        scale = self.scale._replace(axis=order.index(self.scale.axis))
        return c.model.kernel(f"{c.name}_weight", turned, scale, c.scale is not None)


def _weights(c: Call) -> tuple[_Weight, int]:
    """Give the weight, and the number of the bias, which is int32 where the product is computed in whole numbers."""
    _, name, *rest = c.node.inputs
    packed = c.model.packed.get(name)
    weight = _Weight(c, *packed) if packed else _Weight(c, c.model.constants.get(name, np.zeros(0)), None)
    bias = c.model.fixed(rest[0]) if rest else np.zeros(c.result[1], np.float32)
    if not weight.value.size or bias is None:
        raise c.unsupported("a weight or bias that is computed")
    if bias.ndim > 1 and len(bias) > 1:
        raise c.unsupported("a bias for each row")
    full = np.broadcast_to(c.node.attrs.get("beta", 1.0) * np.ravel(bias), c.result[1:2]).astype(np.float32)
    at = c.model.stored[c.node.inputs[0]].scale
    if c.scale is None or at is None or weight.scale is None:
        return weight, c.model.constant(f"{c.name}_bias", full)
    steps = np.array(weight.scale.steps) * at.steps[0]
    whole = np.clip(np.rint(full / steps), -_LARGEST_BIAS, _LARGEST_BIAS).astype(np.int32)
    return weight, c.model.tensor(f"{c.name}_bias", whole.shape, "int32", whole, Scale(tuple(steps.tolist())))


def _conv(c: Call) -> None:
    weight, bias = _weights(c)
    shape, group = weight.value.shape, c["group"]
    if group > 1 and shape[1] != 1:
        raise c.unsupported(f"a convolution in {group} groups of several channels")
    x, how = _windows(c, shape[2:])
    how |= {"dilationHFactor": c["dilations"][0], "dilationWFactor": c["dilations"][1]}
    if group == 1:
        numbers = [x, weight.add((0, 2, 3, 1)), bias]
        c.add("CONV_2D", numbers, NHWC, "Conv2DOptions", **_shortened(how))
    else:
        numbers = [x, weight.add((1, 2, 3, 0)), bias]
        how["depthMultiplier"] = shape[0] // group
        c.add("DEPTHWISE_CONV_2D", numbers, NHWC, "DepthwiseConv2DOptions", **_shortened(how))


def _shortened(how: Mapping[str, Any]) -> dict[str, Any]:
    """Give the settings under the names that convolutions have in the schema."""
    return {name: int(value) for name, value in how.items()}


def _pool(op: str, fill: float) -> Operator:
    def add(c: Call) -> None:
        kernel = c["kernel_shape"]
        counted = bool(c.node.attrs.get("count_include_pad"))
        if set(c["dilations"]) != {1} or (counted and c["ceil_mode"]):
            raise c.unsupported("a pool with dilations, or one that counts its padding with ceil_mode,")
        x, how = _windows(c, kernel, fill, counted)
        padded = how["padding"] == _VALID and any(map(any, window_pads(c.shape[2:], kernel, c.node.attrs)))
        if op == "AVERAGE_POOL_2D" and padded and not counted:
            raise c.unsupported("a mean with padding other than TensorFlow's SAME")
        c.add(op, [x], NHWC, "Pool2DOptions", **how, filterHeight=kernel[0], filterWidth=kernel[1])

    return add


def _gemm(c: Call) -> None:
    if c["transA"] or c["alpha"] != 1:
        raise c.unsupported("a product that is scaled, or whose first operand is turned,")
    weight, bias = _weights(c)
    numbers = [c.x((0, 1)), weight.add((0, 1) if c["transB"] else (1, 0)), bias]
    c.add("FULLY_CONNECTED", numbers, (0, 1), "FullyConnectedOptions")


def _mean_over_space(c: Call) -> None:
    c.add("MEAN", [c.x(NHWC), c.numbers("axes", [1, 2])], NHWC, "ReducerOptions", keepDims=True)


def _softmax(c: Call) -> None:
    last = (*(a for a in range(len(c.shape)) if a != c["axis"]), c["axis"])
    order = c.order if c.order[-1] == c["axis"] else last
    c.add("SOFTMAX", [c.x(order)], order, "SoftmaxOptions", beta=1.0)


def _activation(c: Call, kind: int, op: str) -> None:
    """Let the operator before do it, where nobody else reads what that gives, under this name or another."""
    source = c.node.inputs[0]
    at = c.model.stored.get(source)
    maker = c.model.makers.get(at.number) if at else None
    free = getattr(getattr(maker, "builtinOptions", None), "fusedActivationFunction", None) == _NONE
    if not at or maker is None or not free or source not in c.model.alone or c.model.tensors[at.number].name != source:
        c.add(op, [c.x(c.order)], c.order)
        return
    maker.builtinOptions.fusedActivationFunction = kind
    c.model.stored[c.name] = at


def _clip(c: Call) -> None:
    low, high = c["min"], c["max"]
    if (low, high) == (0, 6):
        _activation(c, _RELU6, "RELU6")
    elif low == 0 and high == np.inf:
        _activation(c, _RELU, "RELU")
    else:
        x = c.x(c.order)
        shape = [c.shape[a] for a in c.order]
        dtype, scale = c.form
        within = c.model.tensor(f"{c.name}_within", shape, dtype, scale=scale)
        c.model.operator("MAXIMUM", [x, c.fill("min", low)], [within], "MaximumMinimumOptions")
        c.add("MINIMUM", [within, c.fill("max", high)], c.order, "MaximumMinimumOptions")


def _reshape(c: Call) -> None:
    """Give the elements another shape; axes of size 1 may lie anywhere before."""
    long = [a for a in c.order if c.shape[a] != 1]
    order = c.order if long == sorted(long) else _plain(len(c.shape))
    numbers = [c.x(order), c.numbers("shape", c.result)]
    c.add("RESHAPE", numbers, _plain(len(c.result)), "ReshapeOptions", newShape=list(c.result))


def _transpose(c: Call) -> None:
    at = c.model.stored[c.node.inputs[0]]
    c.model.stored[c.name] = replace(at, order=tuple(c["perm"].index(axis) for axis in at.order))


def _concat(c: Call) -> None:
    order = _leading(c)
    if c.scale is None:
        numbers = [c.model.given(n, order) for n in c.node.inputs]
    else:  # LiteRT joins int8 numbers of one scale
        numbers = [c.model.turned(n, c.model.rounded(n, c.scale), order) for n in c.node.inputs]
    c.add("CONCATENATION", numbers, order, "ConcatenationOptions", axis=order.index(c["axis"]))


def _slice(c: Call) -> None:
    parts = [part.indices(size) for part, size in zip(slice_parts(c.shape, c.node.attrs), c.shape, strict=True)]
    if any(step < 0 for _, _, step in parts):
        raise c.unsupported("a slice with a negative step")
    bounds = [c.numbers(n, [parts[a][i] for a in c.order]) for i, n in enumerate(("begin", "end", "step"))]
    c.add("STRIDED_SLICE", [c.x(c.order), *bounds], c.order, "StridedSliceOptions")


def _pad(c: Call) -> None:
    pairs = pad_pairs(c["pads"])
    if c["mode"] != "constant" or min(c["pads"]) < 0:
        raise c.unsupported(f"padding {c['pads']} in mode {c['mode']!r}")
    numbers = [c.x(c.order), c.numbers("pads", [pairs[a] for a in c.order]), c.fill("fill", c["value"])]
    c.add("PADV2", numbers, c.order, "PadV2Options")


# coordinate_transformation_mode -> alignCorners, halfPixelCenters
_CORNERS = {"align_corners": (True, False), "half_pixel": (False, True), "asymmetric": (False, False)}


def _resize(c: Call) -> None:
    corners = _CORNERS.get(c["coordinate_transformation_mode"])
    scaled = not resized_by_sizes(c.node.attrs, c.shape, c.result)
    nearest = c["mode"] == "nearest" and corners == (False, False) and c["nearest_mode"] == "floor"
    if c.shape[2:] == (1, 1) and c.shape[:2] == c.result[:2]:
        nearest = True  # one pixel is the nearest of all
    if corners is None or scaled or len(c.shape) != 4 or not (nearest or c["mode"] == "linear"):
        raise c.unsupported(f"resizing by {c['mode']!r}, {c['coordinate_transformation_mode']!r}")
    numbers = [c.x(NHWC), c.numbers("size", c.result[2:])]
    if nearest:
        c.add("RESIZE_NEAREST_NEIGHBOR", numbers, NHWC, "ResizeNearestNeighborOptions")
    else:
        how = dict(zip(("alignCorners", "halfPixelCenters"), corners, strict=True))
        c.add("RESIZE_BILINEAR", numbers, NHWC, "ResizeBilinearOptions", **how)


OPERATORS: Mapping[str, Operator] = {
    "Conv": _conv,
    "Gemm": _gemm,
    "Softmax": _softmax,
    "Clip": _clip,
    "Relu": lambda c: _activation(c, _RELU, "RELU"),
    "HardSwish": _unary("HARD_SWISH"),
    "Sigmoid": _unary("LOGISTIC"),
    "Tanh": _unary("TANH"),
    "Exp": _unary("EXP", "ExpOptions"),
    "Add": _binary("ADD", "AddOptions"),
    "Sub": _binary("SUB", "SubOptions"),
    "Mul": _binary("MUL", "MulOptions"),
    "Div": _binary("DIV", "DivOptions"),
    "AveragePool": _pool("AVERAGE_POOL_2D", 0.0),
    "MaxPool": _pool("MAX_POOL_2D", float(np.finfo(np.float32).min)),
    "GlobalAveragePool": _mean_over_space,
    "Reshape": _reshape,
    "Flatten": _reshape,
    "Squeeze": _reshape,
    "Unsqueeze": _reshape,
    "Transpose": _transpose,
    "Concat": _concat,
    "Slice": _slice,
    "Pad": _pad,
    "Resize": _resize,
}

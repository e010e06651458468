"""The operators of a Graph in ncnn: name → function of a model and a node that adds its layers.

Source: docs/developer-guide/operators.md of ncnn 20261020, for the numbers of the settings.
"""

from collections.abc import Callable, Mapping

import numpy as np

from ...graph import Array
from ...graph.layout_rules import resized_by_sizes, slice_parts
from ...graph.shape_rules import Dims, pad_pairs, reached_pads, window_pads
from ..call import NodeCall
from .model import Model, Setting, raw


class Call(NodeCall[Model]):
    """One node that is about to be added; its shapes have the first axis, which ncnn's have not."""

    title = "ncnn"

    def fixed(self, position: int) -> Array:
        """Give an operand that must be a constant."""
        name = self.node.inputs[position]
        if name not in self.model.constants:
            raise self.unsupported(f"operand {name!r}, which is computed,")
        return self.model.constants[name]

    def x(self, position: int = 0) -> str:
        """Give the blob of an operand; a constant becomes one, without the axes that it shares with all pictures."""
        name = self.node.inputs[position]
        value = self.model.constants.get(name)
        if value is None:
            return name
        lifted = value.reshape((1,) * (len(self.result) - value.ndim) + value.shape)
        if lifted.shape[0] != 1:
            raise self.unsupported(f"a constant {value.shape}, another one for each picture,")
        blob = f"{self.name}_constant{position}"
        return self.model.add("MemoryData", (), blob, sizes(lifted.shape), [raw(lifted)])

    def axis(self, axis: int) -> int:
        """Count an axis without the first."""
        if axis == 0:
            raise self.unsupported("the first axis, which tells the pictures apart,")
        return axis - 1

    def add(self, kind: str, settings: Mapping[int, Setting], weights: tuple[bytes, ...] = ()) -> None:
        """Add a layer that makes of the first operand what the node gives."""
        self.model.add(kind, [self.x()], self.name, settings, weights)


Operator = Callable[[Call], None]


def sizes(shape: Dims) -> dict[int, Setting]:
    """Give the settings for the size of a blob, of a shape with its first axis."""
    numbers = {1: (0,), 2: (0, 1), 3: (0, 1, 2)}[len(shape) - 1]
    return dict(zip(numbers, reversed(shape[1:]), strict=True))


def _plain(kind: str, **settings: Setting) -> Operator:
    return lambda c: c.add(kind, {int(n.removeprefix("_")): v for n, v in settings.items()})


def _conv(c: Call) -> None:
    weight, bias = _weights(c)
    if len(c.shape) != 4:
        raise c.unsupported(f"a tensor of {len(c.shape)} axes")
    (height, width), (top, left) = weight.shape[2:], window_pads(c.shape[2:], weight.shape[2:], c.node.attrs)
    (strides, dilations), group = (c["strides"], c["dilations"]), c["group"]
    settings: dict[int, Setting] = {
        0: weight.shape[0], 1: width, 11: height, 2: dilations[1], 12: dilations[0], 3: strides[1], 13: strides[0],
        4: left[0], 15: left[1], 14: top[0], 16: top[1], 5: 1, 6: weight.size,
    }  # fmt: skip
    kind = "Convolution" if group == 1 else "ConvolutionDepthWise"
    c.add(kind, settings | ({} if group == 1 else {7: group}), (c.model.product(weight), raw(bias)))


def _gemm(c: Call) -> None:
    weight, bias = _weights(c)
    if c["transA"] or c["alpha"] != 1:
        raise c.unsupported("a product that is scaled or turned")
    if bias.ndim > 1 and len(bias) > 1:
        raise c.unsupported("a bias for each row")
    turned = weight if c["transB"] else weight.T
    bias = np.broadcast_to(c["beta"] * np.ravel(bias), c.result[1:])
    settings: dict[int, Setting] = {0: c.result[1], 1: 1, 2: weight.size}
    c.add("InnerProduct", settings, (c.model.product(np.ascontiguousarray(turned)), raw(bias)))


def _weights(c: Call) -> tuple[Array, Array]:
    """Give the weight and the bias, both fixed."""
    return c.fixed(1), c.fixed(2) if len(c.node.inputs) > 2 else np.zeros(c.result[1], np.float32)


def _pool(kind: int) -> Operator:
    def add(c: Call) -> None:
        kernel, attrs = c["kernel_shape"], c.node.attrs
        pads, counted = reached_pads(c.shape[2:], kernel, attrs), attrs.get("count_include_pad", 0)
        if len(kernel) != 2 or set(c["dilations"]) != {1}:
            raise c.unsupported("a pool with dilations, or not over two axes,")
        if counted and pads != window_pads(c.shape[2:], kernel, attrs):
            raise c.unsupported("a mean that counts its padding, and with ceil_mode not all of it,")
        (top, bottom), (left, right) = pads
        c.add("Pooling", {
            0: kind, 1: kernel[1], 11: kernel[0], 2: c["strides"][1], 12: c["strides"][0],
            3: left, 14: right, 13: top, 15: bottom, 5: _AS_PADDED, 6: counted,
        })  # fmt: skip

    return add


_AS_PADDED = 1  # pad_mode: no window reaches beyond the padding


def _mean_over_space(c: Call) -> None:
    """Give (C, 1, 1); ncnn's own result has one axis."""
    flat = c.model.add("Pooling", [c.x()], f"{c.name}_flat", {0: 1, 4: 1})
    c.model.add("Reshape", [flat], c.name, sizes(c.result))


def _batch_norm(c: Call) -> None:
    slope, bias, mean, variance = (raw(c.fixed(i)) for i in (1, 2, 3, 4))
    c.add("BatchNorm", {0: c.shape[1], 1: float(c["epsilon"])}, (slope, mean, variance, bias))


# operator -> number of BinaryOp, and of the same with its operands the other way round
_BINARY = {"Add": (0, 0), "Sub": (1, 7), "Mul": (2, 2), "Div": (3, 8)}


def _binary(c: Call) -> None:
    kind, turned = _BINARY[c.node.op]
    for position, number in ((1, kind), (0, turned)):
        value = c.model.constants.get(c.node.inputs[position])
        if value is not None and value.size == 1:
            c.model.add("BinaryOp", [c.x(1 - position)], c.name, {0: number, 1: 1, 2: float(value.item())})
            return
    if any(len(c.model.types[n].shape) != len(c.result) for n in c.node.inputs if n not in c.model.constants):
        raise c.unsupported("a computed operand of fewer axes")
    c.model.add("BinaryOp", [c.x(0), c.x(1)], c.name, {0: kind})


_PRODUCTS = ("Convolution", "ConvolutionDepthWise", "InnerProduct")


def _activation(c: Call, fused: int, kind: str, bounds: tuple[float, ...] = ()) -> None:
    """Let the product before do it, where nobody else reads what that gives."""
    source = c.node.inputs[0]
    layer = c.model.maker(source)
    if layer and layer.kind in _PRODUCTS and 9 not in layer.settings and source in c.model.alone:
        c.model.change(source, c.name, {9: fused} | ({10: bounds} if bounds else {}))
    else:
        c.add(kind, dict(enumerate(bounds)))


def _clip(c: Call) -> None:
    low, high = float(c["min"]), float(c["max"])
    if low == 0 and high == np.inf:
        _activation(c, _RELU, "ReLU")
    else:
        _activation(c, _CLIP, "Clip", (low, high))


_RELU, _CLIP = 1, 3


def _reshape(c: Call) -> None:
    if c.result[0] != c.shape[0] or not 2 <= len(c.result) <= 4:
        raise c.unsupported(f"{c.shape} as {c.result}: the first axis stays, and one to three others,")
    c.add("Reshape", sizes(c.result))


# axes of the source that become (w, h, c) of the result, or (w, h)
_PERMUTED = {"whc": 0, "hwc": 1, "wch": 2, "cwh": 3, "hcw": 4, "chw": 5, "wh": 0, "hw": 1}


def _transpose(c: Call) -> None:
    first, *perm = c["perm"]
    letters = "chw"[-len(perm) :]
    kind = _PERMUTED.get("".join(letters[axis - 1] for axis in reversed(perm))) if first == 0 else None
    if kind is None:
        raise c.unsupported(f"moving axes as {c['perm']}")
    c.add("Permute", {0: kind})


def _concat(c: Call) -> None:
    blobs = [c.x(i) for i in range(len(c.node.inputs))]
    c.model.add("Concat", blobs, c.name, {0: c.axis(c["axis"])})


def _slice(c: Call) -> None:
    parts = [part.indices(size) for part, size in zip(slice_parts(c.shape, c.node.attrs), c.shape, strict=True)]
    if any(step != 1 for _, _, step in parts) or parts[0] != (0, c.shape[0], 1):
        raise c.unsupported("a slice in steps, or along the first axis,")
    starts, ends, _ = zip(*parts[1:], strict=True)
    c.add("Crop", {9: starts, 10: ends, 11: tuple(range(len(starts)))})


_PADDINGS = {"constant": 0, "edge": 1, "reflect": 2}


def _pad(c: Call) -> None:
    pairs = pad_pairs(c["pads"])
    outside = [pair for pair in pairs[:-2] if any(pair)]
    if c["mode"] not in _PADDINGS or min(c["pads"]) < 0 or outside or len(pairs) < 3:
        raise c.unsupported(f"padding {c['pads']} in mode {c['mode']!r}")
    (top, bottom), (left, right) = pairs[-2:]
    c.add("Padding", {0: top, 1: bottom, 2: left, 3: right, 4: _PADDINGS[c["mode"]], 5: float(c["value"])})


_NEAREST, _LINEAR = 1, 2


def _resize(c: Call) -> None:
    corners, mode = c["coordinate_transformation_mode"], c["mode"]
    scaled = not resized_by_sizes(c.node.attrs, c.shape, c.result)
    nearest = (mode, corners, c["nearest_mode"]) == ("nearest", "asymmetric", "floor") or c.shape[2:] == (1, 1)
    linear = mode == "linear" and corners in ("align_corners", "half_pixel")
    if scaled or len(c.shape) != 4 or c.shape[:2] != c.result[:2] or not (nearest or linear):
        raise c.unsupported(f"resizing by {mode!r}, {corners!r}")
    height, width = c.result[2:]
    kind = _NEAREST if nearest else _LINEAR
    c.add("Interp", {0: kind, 3: height, 4: width, 6: int(kind == _LINEAR and corners == "align_corners")})


OPERATORS: Mapping[str, Operator] = {
    "Conv": _conv,
    "Gemm": _gemm,
    "BatchNormalization": _batch_norm,
    "Softmax": lambda c: c.add("Softmax", {0: c.axis(c["axis"]), 1: 1}),
    "Relu": lambda c: _activation(c, _RELU, "ReLU"),
    "Clip": _clip,
    "HardSwish": _plain("HardSwish", _0=1 / 6, _1=0.5),
    "Sigmoid": _plain("Sigmoid"),
    "Tanh": _plain("TanH"),
    "Exp": _plain("UnaryOp", _0=7),
    "Identity": _plain("Noop"),
    **dict.fromkeys(_BINARY, _binary),
    "AveragePool": _pool(1),
    "MaxPool": _pool(0),
    "GlobalAveragePool": _mean_over_space,
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _reshape),
    "Transpose": _transpose,
    "Concat": _concat,
    "Slice": _slice,
    "Pad": _pad,
    "Resize": _resize,
}

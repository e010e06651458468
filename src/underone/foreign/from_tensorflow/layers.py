"""Rules for TensorFlow's layers: convolutions, pools, norms, resizing; both layouts of the data.

Source: tensorflow/core/ops/nn_ops.cc, image_ops.cc, array_ops.cc.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from ...errors import Unsupported
from ...graph import Array
from ..builder import TO_FIRST, TO_LAST
from ..channels_last import (
    Pair,
    Window,
    batch_norm,
    convolution,
    pad,
    pool,
    resize,
    space_block,
    transposed_convolution,
)
from .graph_def import TfNode
from .translation import Rule, Translation


def _spatial(node: TfNode, name: str, default: tuple[int, ...] = ()) -> Pair:
    """Give the numbers of an attribute with one for each axis, (down, right)."""
    values = node.integers(name) or default or (1, 1, 1, 1)
    if len(values) != 4 or min(values) < 1:
        raise node.bad(f"has {name} {values}; four numbers from 1 up are required")
    channel_first = node.text("data_format", "NHWC") == "NCHW"
    down, right = (2, 3) if channel_first else (1, 2)
    if values[0] != 1 or values[1 if channel_first else 3] != 1:
        raise Unsupported(f"{node.message.where}: node {node.name!r} ({node.op}) has {name} {values} along other axes")
    return values[down], values[right]


def _padding(node: TfNode) -> Literal["SAME", "VALID"] | tuple[Pair, Pair]:
    kind = node.text("padding")
    if kind == "SAME":
        return "SAME"
    if kind == "VALID":
        return "VALID"
    values = node.integers("explicit_paddings")
    if kind != "EXPLICIT" or len(values) != 8 or min(values) < 0:
        raise node.bad(f"has padding {kind!r} {values}; SAME, VALID, or EXPLICIT with eight sizes is required")
    down, right = (4, 6) if node.text("data_format", "NHWC") == "NCHW" else (2, 4)
    return (values[down], values[down + 1]), (values[right], values[right + 1])


def _in_last(layer: Callable[[Translation, TfNode, str], str], data: int = 0) -> Rule:
    """Give the rule of a layer on operand `data` (N, H, W, C), which also stands for it on (N, C, H, W)."""

    def rule(t: Translation, node: TfNode) -> str:
        layout = node.text("data_format", "NHWC")
        if layout not in ("NHWC", "NCHW"):
            raise t.unsupported(node, f"has data_format {layout!r}")
        x = t.operand(node, data)
        if t.builder.rank(x) != 4:
            raise node.bad(f"reads a tensor of shape {t.builder.shape(x)}; four axes are required")
        if layout == "NHWC":
            return layer(t, node, x)
        last = t.builder.add("Transpose", [x], f"{x}/last", perm=TO_LAST)
        return t.builder.add("Transpose", [layer(t, node, last)], node.name, perm=TO_FIRST)

    return rule


def _kernel(t: Translation, node: TfNode, number: int = 1) -> Array:
    weight = t.array(node, number)
    if weight.ndim != 4 or 0 in weight.shape or weight.dtype.kind != "f":
        raise node.bad(f"has a weight of {weight.dtype} {weight.shape}; four axes of floats are required")
    return weight


def _constant(t: Translation, node: TfNode, number: int, value: Array) -> str:
    return t.builder.constant(f"{node.inputs[number]}/weight", np.ascontiguousarray(value))


def _conv(t: Translation, node: TfNode, x: str) -> str:
    kernel = _kernel(t, node)  # (h, w, I / group, O)
    weight = _constant(t, node, 1, kernel.transpose(3, 2, 0, 1))
    (channels,) = t.builder.fixed_shape(x, [3])
    group, rest = divmod(channels, kernel.shape[2])
    if rest or not group:
        raise node.bad(f"has a weight {kernel.shape} for {channels} channels")
    return convolution(t.builder, x, weight, None, _window(t, node), node.name, group)


def _depthwise(t: Translation, node: TfNode, x: str) -> str:
    kernel = _kernel(t, node)  # (h, w, C, M); output channel c·M + m
    height, width, channels, multiplier = kernel.shape
    first = kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)  # (C·M, 1, h, w)
    weight = _constant(t, node, 1, first)
    return convolution(t.builder, x, weight, None, _window(t, node), node.name, channels)


def _window(t: Translation, node: TfNode) -> Window:
    window = Window(_spatial(node, "strides"), _spatial(node, "dilations"), _padding(node))
    if len(node.inputs) <= 2:
        return window
    # operands that `with_dilations` added: block, paddings, crops
    if window != Window():
        raise t.unsupported(
            node, "has strides, dilations or padding of its own between SpaceToBatchND and BatchToSpaceND"
        )
    paddings, crops = t.fixed(node, 3), t.fixed(node, 4)
    if not paddings.first.shape == crops.first.shape == (2, 2) or len(t.integers(node, 2)) != 2:
        raise node.bad("stands between SpaceToBatchND and BatchToSpaceND that do not change two axes")
    # what the crop takes away was padded only to fill the last block, so it does not follow the size of the input
    pads, others = paddings.first - crops.first, paddings.second - crops.second
    if (pads != others).any() or pads.min() < 0:
        raise t.follows(node, f"is padded by {pads.tolist()} or {others.tolist()}")
    (top, bottom), (left, right) = pads.tolist()
    down, across = t.integers(node, 2)
    return Window(dilations=(down, across), padding=((top, bottom), (left, right)))


def _transposed(t: Translation, node: TfNode, x: str) -> str:
    """Translate Conv2DBackpropInput: sizes of the result, weight (h, w, O, I), x."""
    kernel, sizes = _kernel(t, node), t.fixed(node, 0)
    down, right = (2, 3) if node.text("data_format", "NHWC") == "NCHW" else (1, 2)
    if sizes.first.size == 2:
        down, right = 0, 1
    elif sizes.first.size != 4:
        raise node.bad(f"has {sizes.first.size} sizes of its result; four are required")
    wanted = [(int(s.ravel()[down]), int(s.ravel()[right])) for s in sizes]
    if wanted[0] != wanted[1]:
        raise t.follows(node, f"gives {wanted[0]} or {wanted[1]} pixels")
    window = Window(_spatial(node, "strides"), _spatial(node, "dilations"), _padding(node))
    weight = _constant(t, node, 1, kernel.transpose(3, 2, 0, 1))  # (I, O, h, w)
    return transposed_convolution(t.builder, x, weight, None, window, wanted[0], node.name)


def _pool(op: Literal["MaxPool", "AveragePool"]) -> Rule:
    def layer(t: Translation, node: TfNode, x: str) -> str:
        window = Window(_spatial(node, "strides"), padding=_padding(node))
        return pool(t.builder, op, x, _spatial(node, "ksize"), window, node.name)

    return _in_last(layer)


def _fused_norm(t: Translation, node: TfNode, x: str) -> str:
    if node.integer("is_training", 1):
        raise t.unsupported(node, "normalises by the statistics of its batch; freeze the graph in inference mode")
    scale, shift, mean, variance = (t.operand(node, i) for i in (1, 2, 3, 4))
    return batch_norm(t.builder, x, scale, shift, mean, variance, node.number("epsilon", 1e-4), node.name)


def _bias(t: Translation, node: TfNode) -> str:
    x, bias = t.operands(node)
    if node.text("data_format", "NHWC") == "NCHW" and t.builder.rank(x) > 2:
        bias = t.builder.add("Reshape", [bias], f"{bias}/first", shape=(-1, *(1,) * (t.builder.rank(x) - 2)))
    return t.builder.add("Add", [x, bias], node.name)


def _resize(mode: Literal["linear", "nearest"]) -> Rule:
    def rule(t: Translation, node: TfNode) -> str:
        size = t.integers(node, 1)
        if len(size) != 2 or min(size) < 1:
            raise node.bad(f"has the size {size}; height and width are required")
        corners, half = bool(node.integer("align_corners")), bool(node.integer("half_pixel_centers"))
        made = resize(t.builder, mode, t.operand(node, 0), (size[0], size[1]), node.name, corners, half)
        # TensorFlow gives floats for any picture
        return t.builder.add("Cast", [made], node.name, to="float32") if t.builder.dtype(made) == "uint8" else made

    return rule


def _blocks(op: Literal["DepthToSpace", "SpaceToDepth"]) -> Rule:
    def layer(t: Translation, node: TfNode, x: str) -> str:
        return space_block(t.builder, op, x, node.integer("block_size"), node.name)

    return _in_last(layer)


def _pad(t: Translation, node: TfNode) -> str:
    pairs = t.array(node, 1)
    if pairs.shape != (t.builder.rank(t.operand(node, 0)), 2):
        raise node.bad(f"has paddings of shape {pairs.shape}; two numbers for each axis are required")
    value = float(t.array(node, 2).item()) if node.op == "PadV2" else 0.0
    mode = node.text("mode", "CONSTANT").lower()
    if mode not in ("constant", "reflect"):
        raise t.unsupported(node, f"pads by mode {mode!r}")
    return pad(t.builder, t.operand(node, 0), [(p, q) for p, q in pairs.tolist()], node.name, value, mode)


LAYERS: Mapping[str, Rule] = {
    "AvgPool": _pool("AveragePool"),
    "BiasAdd": _bias,
    "BiasAddV1": _bias,
    "Conv2D": _in_last(_conv),
    "Conv2DBackpropInput": _in_last(_transposed, data=2),
    "DepthToSpace": _blocks("DepthToSpace"),
    "DepthwiseConv2dNative": _in_last(_depthwise),
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _in_last(_fused_norm)),
    "MaxPool": _pool("MaxPool"),
    **dict.fromkeys(("MirrorPad", "Pad", "PadV2"), _pad),
    "ResizeBilinear": _resize("linear"),
    "ResizeNearestNeighbor": _resize("nearest"),
    "SpaceToDepth": _blocks("SpaceToDepth"),
}

"""The layers of a TFLite network that calculate: products, pools, functions, resizing."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import BadFile
from ..channels_last import Window, activation, convolution, dense, pool, resize, transposed_convolution
from .call import Call, Made
from .schema import PADDINGS

_BYTE, _BOOL, _FLOAT = "<b", "<?", "<f"


def _window(call: Call, dilation_slots: tuple[int, int] | None) -> Window:
    padding = PADDINGS.get(call.option(0, _BYTE))
    if padding is None:
        raise call.unsupported(f"padding {call.option(0, _BYTE)}")
    strides = (call.option(2), call.option(1))
    dilations = (1, 1)
    if dilation_slots is not None:
        dilations = (call.option(dilation_slots[1], default=1), call.option(dilation_slots[0], default=1))
    if min(*strides, *dilations) < 1:
        raise BadFile(f"{call.builder.where}: {call.operator.op} {call.name!r} has strides {strides}, {dilations}")
    return Window(strides, dilations, padding)


def convolved(call: Call) -> Made:
    """CONV_2D: weight (O, h, w, I / groups), bias (O,)."""
    weight = call.weight(1, (0, 3, 1, 2))  # OHWI -> OIHW
    channels, of_weight = call.builder.shape(call.x())[-1], call.builder.fixed_shape(weight)[1]
    group = (channels or 0) // of_weight if of_weight else 0
    return convolution(
        call.builder, call.x(), weight, call.optional(2), _window(call, (4, 5)), call.name, max(group, 1)
    )


def depthwise(call: Call) -> Made:
    """DEPTHWISE_CONV_2D: weight (1, h, w, O), bias (O,); O a multiple of the channels."""
    weight = call.weight(1, (3, 0, 1, 2))  # 1HWO -> O1HW
    group = call.builder.shape(call.x())[-1] or 1
    return convolution(call.builder, call.x(), weight, call.optional(2), _window(call, (5, 6)), call.name, group)


def transposed_conv(call: Call) -> Made:
    """TRANSPOSE_CONV: shape of the result, weight (O, h, w, I), map, bias (O,)."""
    shape = call.fixed(0)
    if len(shape) != 4:
        raise BadFile(f"{call.builder.where}: TRANSPOSE_CONV {call.name!r} gives shape {shape}; 4 sizes are required")
    weight = call.weight(1, (3, 0, 1, 2))  # OHWI -> IOHW
    size = (shape[1], shape[2])
    return transposed_convolution(
        call.builder, call.x(2), weight, call.optional(3), _window(call, None), size, call.name
    )


def pooled(op: Any) -> Callable[[Call], Made]:
    """Pools: kernel, strides and padding in the options."""

    def make(call: Call) -> Made:
        kernel = (call.option(4), call.option(3))
        made = pool(call.builder, op, call.x(), kernel, _window(call, None), call.name)
        return _ties_up(call, made, kernel) if op == "AveragePool" else made

    return make


def _ties_up(call: Call, mean: str, kernel: tuple[int, int]) -> str:
    """Let the mean of n bytes that lies between two of them become the upper one, as LiteRT has it.

    Such means are common, for they are whole multiples of 1 / n; a quarter of that moves no other.
    """
    how = call.result.scaled
    if not call.translation.kept or how is None or call.result.dtype != "|u1":
        return mean
    quarter = np.array(how.scale[0] / (4 * kernel[0] * kernel[1]), np.float32)
    return call.builder.add("Add", [mean, call.builder.constant(f"{call.name}/up", quarter)], f"{call.name}/ties_up")


def fully_connected(call: Call) -> Made:
    """FULLY_CONNECTED: rows of the input times weight (O, I), bias (O,)."""
    if call.option(1, _BYTE):
        raise call.unsupported("a shuffled weight")
    b, x, weight = call.builder, call.x(), call.weight(1, (0, 1))
    inputs = b.fixed_shape(weight)[1]
    keep = call.option(2, _BOOL) and b.rank(x) > 2
    if not keep and (b.rank(x) != 2 or b.shape(x)[1] != inputs):
        x = b.add("Reshape", [x], f"{call.name}/rows", shape=(-1, inputs))
    return dense(b, x, weight, call.optional(2), call.name)


def node_of_all(op: str, **attrs: Any) -> Callable[[Call], Made]:
    """Translate to one node with as many operands."""
    return lambda call: call.builder.add(op, call.xs(), call.name, **attrs)


def node_of_first(op: str, **attrs: Any) -> Callable[[Call], Made]:
    """Translate to one node of the first operand."""
    return lambda call: call.builder.add(op, [call.x()], call.name, **attrs)


def activated(kind: str) -> Callable[[Call], Made]:
    """Activations that are operators of their own."""
    return lambda call: activation(call.builder, kind, call.x(), call.name)


def softmax(call: Call) -> Made:
    """SOFTMAX along the last axis, of the input times beta."""
    b, beta, x = call.builder, call.option(0, _FLOAT, 1.0), call.x()
    if beta != 1:
        x = b.add("Mul", [x, b.constant(f"{call.name}/beta", np.array(beta, np.float32))], f"{call.name}/scaled")
    return b.add("Softmax", [x], call.name, axis=-1)


def resized(mode: Any, align_slot: int) -> Callable[[Call], Made]:
    """RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR: size (height, width), rules of coordinates from a slot on."""

    def make(call: Call) -> Made:
        size, flags = call.fixed(1), [bool(call.option(align_slot + i, _BOOL)) for i in (0, 1)]
        if len(size) != 2 or min(size) < 1:
            raise BadFile(f"{call.builder.where}: {call.operator.op} {call.name!r} has size {size}")
        return resize(call.builder, mode, call.x(), (size[0], size[1]), call.name, *flags)

    return make


def prelu(call: Call) -> Made:
    """PRELU: a slope for each channel."""
    return call.builder.add("PRelu", [call.x(0), call.x(1)], call.name)


def leaky_relu(call: Call) -> Made:
    """LEAKY_RELU: one slope."""
    return call.builder.add("LeakyRelu", [call.x()], call.name, alpha=call.option(0, _FLOAT, 0.0))


def gelu(call: Call) -> Made:
    """GELU, exact or by tanh."""
    approximate = "tanh" if call.option(0, _BOOL) else "none"
    return call.builder.add("Gelu", [call.x()], call.name, approximate=approximate)


def l2_normalised(call: Call) -> Made:
    """L2_NORMALIZATION along the last axis."""
    norm = call.builder.add("ReduceL2", [call.x()], f"{call.name}/norm", axes=(-1,), keepdims=1)
    norm = call.builder.add("Clip", [norm], f"{call.name}/positive", min=1e-6)
    return call.builder.add("Div", [call.x(), norm], call.name)


def matmul(call: Call) -> Made:
    """BATCH_MATMUL: each operand turned on request."""
    operands = []
    for i in (0, 1):
        x = call.x(i)
        turned = (*range(call.builder.rank(x) - 2), call.builder.rank(x) - 1, call.builder.rank(x) - 2)
        operands.append(call.builder.add("Transpose", [x], f"{x}/turned", perm=turned) if call.option(i, _BOOL) else x)
    return call.builder.add("MatMul", operands, call.name)


def square(call: Call) -> Made:
    """SQUARE."""
    return call.builder.add("Mul", [call.x(), call.x()], call.name)


def squared_difference(call: Call) -> Made:
    """SQUARED_DIFFERENCE."""
    gap = call.builder.add("Sub", call.xs(), f"{call.name}/difference")
    return call.builder.add("Mul", [gap, gap], call.name)


def reciprocal_root(call: Call) -> Made:
    """RSQRT."""
    root = call.builder.add("Sqrt", [call.x()], f"{call.name}/root")
    return call.builder.add("Reciprocal", [root], call.name)

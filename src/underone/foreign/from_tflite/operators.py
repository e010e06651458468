"""The operators of TFLite: name → how it is translated.

Source: tensorflow/compiler/mlir/lite/schema/schema.fbs for the options; tensorflow/lite/kernels for the meaning.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import BadFile
from ..channels_last import (
    Window,
    activation,
    convolution,
    dense,
    pad,
    pool,
    resize,
    space_block,
    transposed_convolution,
)
from .schema import PADDINGS
from .translation import Call, Made, Row

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


def _conv(call: Call) -> Made:
    weight = call.weight(1, (0, 3, 1, 2))  # OHWI -> OIHW
    channels, of_weight = call.builder.shape(call.x())[-1], call.builder.fixed_shape(weight)[1]
    group = (channels or 0) // of_weight if of_weight else 0
    return convolution(
        call.builder, call.x(), weight, call.optional(2), _window(call, (4, 5)), call.name, max(group, 1)
    )


def _depthwise(call: Call) -> Made:
    weight = call.weight(1, (3, 0, 1, 2))  # 1HWO -> O1HW
    group = call.builder.shape(call.x())[-1] or 1
    return convolution(call.builder, call.x(), weight, call.optional(2), _window(call, (5, 6)), call.name, group)


def _transposed_conv(call: Call) -> Made:
    shape = call.fixed(0)
    if len(shape) != 4:
        raise BadFile(f"{call.builder.where}: TRANSPOSE_CONV {call.name!r} gives shape {shape}; 4 sizes are required")
    weight = call.weight(1, (3, 0, 1, 2))  # OHWI -> IOHW
    size = (shape[1], shape[2])
    return transposed_convolution(
        call.builder, call.x(2), weight, call.optional(3), _window(call, None), size, call.name
    )


def _pool(op: Any) -> Callable[[Call], Made]:
    def make(call: Call) -> Made:
        kernel = (call.option(4), call.option(3))
        return pool(call.builder, op, call.x(), kernel, _window(call, None), call.name)

    return make


def _fully_connected(call: Call) -> Made:
    if call.option(1, _BYTE):
        raise call.unsupported("a shuffled weight")
    b, x, weight = call.builder, call.x(), call.weight(1, (0, 1))
    inputs = b.fixed_shape(weight)[1]
    keep = call.option(2, _BOOL) and b.rank(x) > 2
    if not keep and (b.rank(x) != 2 or b.shape(x)[1] != inputs):
        x = b.add("Reshape", [x], f"{call.name}/rows", shape=(-1, inputs))
    return dense(b, x, weight, call.optional(2), call.name)


def _simple(op: str, **attrs: Any) -> Callable[[Call], Made]:
    """Translate to one node with as many operands."""
    return lambda call: call.builder.add(op, call.xs(), call.name, **attrs)


def _function(op: str, **attrs: Any) -> Callable[[Call], Made]:
    """Translate to one node of the first operand."""
    return lambda call: call.builder.add(op, [call.x()], call.name, **attrs)


def _activated(kind: str) -> Callable[[Call], Made]:
    return lambda call: activation(call.builder, kind, call.x(), call.name)


def _concat(call: Call) -> Made:
    return call.builder.add("Concat", call.xs(), call.name, axis=call.option(0))


def _softmax(call: Call) -> Made:
    b, beta, x = call.builder, call.option(0, _FLOAT, 1.0), call.x()
    if beta != 1:
        x = b.add("Mul", [x, b.constant(f"{call.name}/beta", np.array(beta, np.float32))], f"{call.name}/scaled")
    return b.add("Softmax", [x], call.name, axis=-1)


def _reshape(call: Call) -> Made:
    wanted = call.fixed(1) if call.has(1) else call.operator.option_numbers(0, "<i4")
    return _reshaped(call, call.x(), wanted)


def _reshaped(call: Call, x: str, wanted: list[int]) -> str:
    if 0 in wanted or wanted.count(-1) > 1:
        raise BadFile(f"{call.builder.where}: {call.operator.op} {call.name!r} has shape {wanted}")
    return call.builder.add("Reshape", [x], call.name, shape=tuple(wanted))


def _squeeze(call: Call) -> Made:
    shape = call.builder.shape(call.x())
    axes = call.operator.option_numbers(0, "<i4") or [i for i, d in enumerate(shape) if d == 1]
    return call.builder.add("Squeeze", [call.x()], call.name, axes=tuple(axes))


def _expand_dims(call: Call) -> Made:
    return call.builder.add("Unsqueeze", [call.x()], call.name, axes=tuple(call.fixed(1)))


def _resize(mode: Any, align_slot: int) -> Callable[[Call], Made]:
    def make(call: Call) -> Made:
        size, flags = call.fixed(1), [bool(call.option(align_slot + i, _BOOL)) for i in (0, 1)]
        if len(size) != 2 or min(size) < 1:
            raise BadFile(f"{call.builder.where}: {call.operator.op} {call.name!r} has size {size}")
        return resize(call.builder, mode, call.x(), (size[0], size[1]), call.name, *flags)

    return make


def _pad(call: Call) -> Made:
    flat = call.fixed(1)
    pairs = list(zip(flat[::2], flat[1::2], strict=False))
    value = 0.0
    if call.has(2):
        value = float(call.builder.fixed_value(call.x(2), f"the value of PADV2 {call.name!r}").ravel()[0])
    return pad(call.builder, call.x(), pairs, call.name, value)


def _mirror_pad(call: Call) -> Made:
    if call.option(0, _BYTE):
        raise call.unsupported("the symmetric mode")
    flat = call.fixed(1)
    return pad(call.builder, call.x(), list(zip(flat[::2], flat[1::2], strict=False)), call.name, mode="reflect")


def _reduce(op: str) -> Callable[[Call], Made]:
    def make(call: Call) -> Made:
        rank = call.builder.rank(call.x())
        axes = sorted({a % rank if -rank <= a < rank else a for a in call.fixed(1)})
        if not axes:
            return call.x()
        keep = int(call.option(0, _BOOL))
        return call.builder.add(op, [call.x()], call.name, axes=tuple(axes), keepdims=keep)

    return make


def _arg(op: str) -> Callable[[Call], Made]:
    def make(call: Call) -> Made:
        (axis,) = call.fixed(1) or [0]
        found = call.builder.add(op, [call.x()], f"{call.name}/index", axis=axis, keepdims=0)
        return _cast_to_result(call, found)

    return make


def _cast_to_result(call: Call, x: str) -> str:
    if not call.result.dtype:
        raise call.unsupported("its type of result")
    dtype = np.dtype(call.result.dtype).name
    return x if call.builder.dtype(x) == dtype else call.builder.add("Cast", [x], call.name, to=dtype)


def _cast(call: Call) -> Made:
    return _cast_to_result(call, call.x())


def _transpose(call: Call) -> Made:
    return call.builder.add("Transpose", [call.x()], call.name, perm=tuple(call.fixed(1)))


def _slice(call: Call) -> Made:
    starts, sizes = call.fixed(1), call.fixed(2)
    if len(starts) != len(sizes):
        raise BadFile(f"{call.builder.where}: SLICE {call.name!r} has {len(starts)} starts and {len(sizes)} sizes")
    ends = [1 << 31 if n < 0 else s + n for s, n in zip(starts, sizes, strict=True)]
    axes = tuple(range(len(starts)))
    ones = (1,) * len(starts)
    return call.builder.add(
        "Slice", [call.x()], call.name, starts=tuple(starts), ends=tuple(ends), axes=axes, steps=ones
    )


def _strided_slice(call: Call) -> Made:
    if call.option(2) or call.option(3):
        raise call.unsupported("an ellipsis or a new axis")
    starts, ends, steps = (call.fixed(i) for i in (1, 2, 3))
    if not len(starts) == len(ends) == len(steps) or 0 in steps:
        raise BadFile(f"{call.builder.where}: STRIDED_SLICE {call.name!r}: {starts}, {ends}, {steps} do not fit")
    from_start, to_end, single = call.option(0), call.option(1), call.option(4)
    for i, step in enumerate(steps):
        far = 1 << 31
        if single >> i & 1:  # one index, whatever the end says
            ends[i], steps[i] = (starts[i] + 1 if starts[i] != -1 else far), 1
            continue
        starts[i] = (0 if step > 0 else far) if from_start >> i & 1 else starts[i]
        ends[i] = (far if step > 0 else -far) if to_end >> i & 1 else ends[i]
    axes = tuple(range(len(starts)))
    gone = tuple(i for i in axes if single >> i & 1)
    part = call.builder.add(
        "Slice", [call.x()], f"{call.name}/part", starts=tuple(starts), ends=tuple(ends), axes=axes, steps=tuple(steps)
    )
    return call.builder.add("Squeeze", [part], call.name, axes=gone) if gone else part


def _pack(call: Call) -> Made:
    axis = call.option(1)
    parts = [call.builder.add("Unsqueeze", [x], f"{x}/new_axis", axes=(axis,)) for x in call.xs()]
    return call.builder.add("Concat", parts, call.name, axis=axis)


def _unpack(call: Call) -> Made:
    axis, number = call.option(1), call.option(0)
    parts = _split_into(call, call.x(), axis, [1] * max(min(number, 1 << 12), 0))
    return [call.builder.add("Squeeze", [p], f"{p}/single", axes=(axis,)) for p in parts]


def _split(call: Call) -> Made:
    (axis,), number = call.fixed(0) or [0], call.option(0)
    x = call.x(1)
    if not -call.builder.rank(x) <= axis < call.builder.rank(x) or not 0 < number <= 1 << 12:
        raise BadFile(f"{call.builder.where}: SPLIT {call.name!r} into {number} along axis {axis}")
    (size,) = call.builder.fixed_shape(x, [axis])
    return _split_into(call, x, axis, [size // number] * number)


def _split_v(call: Call) -> Made:
    (axis,), sizes = call.fixed(2) or [0], call.fixed(1)
    if sizes.count(-1) == 1:
        (whole,) = call.builder.fixed_shape(call.x(), [axis])
        sizes[sizes.index(-1)] = whole - sum(s for s in sizes if s >= 0)
    return _split_into(call, call.x(), axis, sizes)


def _split_into(call: Call, x: str, axis: int, sizes: list[int]) -> list[str]:
    names = [f"{call.name}/part{i}" for i in range(len(sizes))]
    return call.builder.add_many("Split", [x], names, axis=axis, split=tuple(sizes))


def _gather(call: Call) -> Made:
    if call.option(1):
        raise call.unsupported("gathering by batch")
    return call.builder.add("Gather", call.xs(), call.name, axis=call.option(0))


def _prelu(call: Call) -> Made:
    return call.builder.add("PRelu", [call.x(0), call.x(1)], call.name)


def _leaky_relu(call: Call) -> Made:
    return call.builder.add("LeakyRelu", [call.x()], call.name, alpha=call.option(0, _FLOAT, 0.0))


def _gelu(call: Call) -> Made:
    approximate = "tanh" if call.option(0, _BOOL) else "none"
    return call.builder.add("Gelu", [call.x()], call.name, approximate=approximate)


def _l2_normalised(call: Call) -> Made:
    norm = call.builder.add("ReduceL2", [call.x()], f"{call.name}/norm", axes=(-1,), keepdims=1)
    norm = call.builder.add("Clip", [norm], f"{call.name}/positive", min=1e-6)
    return call.builder.add("Div", [call.x(), norm], call.name)


def _matmul(call: Call) -> Made:
    operands = []
    for i in (0, 1):
        x = call.x(i)
        turned = (*range(call.builder.rank(x) - 2), call.builder.rank(x) - 1, call.builder.rank(x) - 2)
        operands.append(call.builder.add("Transpose", [x], f"{x}/turned", perm=turned) if call.option(i, _BOOL) else x)
    return call.builder.add("MatMul", operands, call.name)


def _select(call: Call) -> Made:
    ranks = {call.builder.rank(x) for x in call.xs()}
    if call.operator.op == "SELECT" and len(ranks) > 1:
        raise call.unsupported("a condition by row")
    return call.builder.add("Where", call.xs(), call.name)


def _shape(call: Call) -> Made:
    sizes = np.array(call.builder.fixed_shape(call.x()), np.int64)
    return _cast_to_result(call, call.builder.constant(call.name, sizes))


def _fill(call: Call) -> Made:
    return call.builder.add("Expand", [call.x(1)], call.name, shape=tuple(call.fixed(0)))


def _broadcast_to(call: Call) -> Made:
    return call.builder.add("Expand", [call.x(0)], call.name, shape=tuple(call.fixed(1)))


def _tile(call: Call) -> Made:
    return call.builder.add("Tile", [call.x()], call.name, repeats=tuple(call.fixed(1)))


def _square(call: Call) -> Made:
    return call.builder.add("Mul", [call.x(), call.x()], call.name)


def _squared_difference(call: Call) -> Made:
    gap = call.builder.add("Sub", call.xs(), f"{call.name}/difference")
    return call.builder.add("Mul", [gap, gap], call.name)


def _reciprocal_root(call: Call) -> Made:
    root = call.builder.add("Sqrt", [call.x()], f"{call.name}/root")
    return call.builder.add("Reciprocal", [root], call.name)


def _not_equal(call: Call) -> Made:
    equal = call.builder.add("Equal", call.xs(), f"{call.name}/equal")
    return call.builder.add("Not", [equal], call.name)


def _floor_div(call: Call) -> Made:
    if not call.builder.dtype(call.x()).startswith("float"):
        raise call.unsupported("a division of whole numbers")
    ratio = call.builder.add("Div", call.xs(), f"{call.name}/ratio")
    return call.builder.add("Floor", [ratio], call.name)


def _to_depth(op: Any) -> Callable[[Call], Made]:
    return lambda call: space_block(call.builder, op, call.x(), call.option(0), call.name)


def _same(call: Call) -> Made:
    return call.x()


TABLE: dict[str, Row] = {
    # products
    "CONV_2D": Row(_conv, activation=3),
    "DEPTHWISE_CONV_2D": Row(_depthwise, activation=4),
    "TRANSPOSE_CONV": Row(_transposed_conv, activation=3),
    "FULLY_CONNECTED": Row(_fully_connected, activation=0),
    "BATCH_MATMUL": Row(_matmul),
    # arithmetic
    "ADD": Row(_simple("Add"), activation=0),
    "SUB": Row(_simple("Sub"), activation=0),
    "MUL": Row(_simple("Mul"), activation=0),
    "DIV": Row(_simple("Div"), activation=0),
    "ADD_N": Row(_simple("Sum")),
    "POW": Row(_simple("Pow")),
    "FLOOR_DIV": Row(_floor_div),
    "FLOOR_MOD": Row(_simple("Mod")),
    "SQUARED_DIFFERENCE": Row(_squared_difference),
    "MAXIMUM": Row(_simple("Max"), free=True),
    "MINIMUM": Row(_simple("Min"), free=True),
    "SELECT": Row(_select, free=True),
    "SELECT_V2": Row(_select, free=True),
    **{
        name: Row(_simple(op))
        for name, op in {
            "EQUAL": "Equal", "GREATER": "Greater", "GREATER_EQUAL": "GreaterOrEqual", "LESS": "Less",
            "LESS_EQUAL": "LessOrEqual", "LOGICAL_AND": "And", "LOGICAL_OR": "Or", "LOGICAL_NOT": "Not",
        }.items()
    },
    "NOT_EQUAL": Row(_not_equal),
    # functions of one element
    "RELU": Row(_activated("RELU")),
    "RELU6": Row(_activated("RELU6")),
    "RELU_N1_TO_1": Row(_activated("RELU_N1_TO_1")),
    "RELU_0_TO_1": Row(_activated("RELU_0_TO_1")),
    "LOGISTIC": Row(_function("Sigmoid"), free=True),
    "TANH": Row(_function("Tanh"), free=True),
    "PRELU": Row(_prelu),
    "LEAKY_RELU": Row(_leaky_relu),
    "GELU": Row(_gelu),
    "SQUARE": Row(_square),
    "RSQRT": Row(_reciprocal_root),
    **{
        name: Row(_function(op))
        for name, op in {
            "HARD_SWISH": "HardSwish", "ELU": "Elu", "ABS": "Abs", "NEG": "Neg", "EXP": "Exp", "LOG": "Log",
            "SQRT": "Sqrt", "SIN": "Sin", "COS": "Cos", "FLOOR": "Floor", "CEIL": "Ceil", "ROUND": "Round",
            "SIGN": "Sign",
        }.items()
    },
    # pools, reductions, normalisation
    "AVERAGE_POOL_2D": Row(_pool("AveragePool"), activation=5, free=True),
    "MAX_POOL_2D": Row(_pool("MaxPool"), activation=5, moves=True),
    "MEAN": Row(_reduce("ReduceMean"), free=True),
    "SUM": Row(_reduce("ReduceSum")),
    "REDUCE_MAX": Row(_reduce("ReduceMax"), moves=True),
    "REDUCE_MIN": Row(_reduce("ReduceMin"), moves=True),
    "REDUCE_PROD": Row(_reduce("ReduceProd")),
    "ARG_MAX": Row(_arg("ArgMax")),
    "ARG_MIN": Row(_arg("ArgMin")),
    "SOFTMAX": Row(_softmax, free=True),
    "LOG_SOFTMAX": Row(_function("LogSoftmax", axis=-1), free=True),
    "L2_NORMALIZATION": Row(_l2_normalised, activation=0, free=True),
    # layout
    "CONCATENATION": Row(_concat, activation=1, moves=True),
    "RESHAPE": Row(_reshape, moves=True),
    "SQUEEZE": Row(_squeeze, moves=True),
    "EXPAND_DIMS": Row(_expand_dims, moves=True),
    "TRANSPOSE": Row(_transpose, moves=True),
    "PAD": Row(_pad, moves=True),
    "PADV2": Row(_pad, moves=True),
    "MIRROR_PAD": Row(_mirror_pad, moves=True),
    "SLICE": Row(_slice, moves=True),
    "STRIDED_SLICE": Row(_strided_slice, moves=True),
    "PACK": Row(_pack, moves=True),
    "UNPACK": Row(_unpack, moves=True),
    "SPLIT": Row(_split, moves=True),
    "SPLIT_V": Row(_split_v, moves=True),
    "GATHER": Row(_gather, moves=True),
    "TILE": Row(_tile, moves=True),
    "FILL": Row(_fill, moves=True),
    "BROADCAST_TO": Row(_broadcast_to, moves=True),
    "DEPTH_TO_SPACE": Row(_to_depth("DepthToSpace"), moves=True),
    "SPACE_TO_DEPTH": Row(_to_depth("SpaceToDepth"), moves=True),
    "RESIZE_BILINEAR": Row(_resize("linear", 2), free=True),
    "RESIZE_NEAREST_NEIGHBOR": Row(_resize("nearest", 0), moves=True),
    "SHAPE": Row(_shape),
    # numbers
    "CAST": Row(_cast),
    "QUANTIZE": Row(_same),
    "DEQUANTIZE": Row(_same, moves=True),
    "DENSIFY": Row(_same, moves=True),
}  # fmt: skip

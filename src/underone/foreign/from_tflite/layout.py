"""The operators of a TFLite network that only move elements: shapes, slices, joins, pads."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import BadFile
from ..channels_last import pad, space_block
from .call import Call, Made
from .numbers import cast_to_result

_BYTE = "<b"


def concat(call: Call) -> Made:
    """CONCATENATION along an axis."""
    return call.builder.add("Concat", call.xs(), call.name, axis=call.option(0))


def reshaped(call: Call) -> Made:
    """RESHAPE: the shape as operand or as option."""
    wanted = call.fixed(1) if call.has(1) else call.operator.option_numbers(0, "<i4")
    return _reshaped_to(call, call.x(), wanted)


def _reshaped_to(call: Call, x: str, wanted: list[int]) -> str:
    if 0 in wanted or wanted.count(-1) > 1:
        raise BadFile(f"{call.builder.where}: {call.operator.op} {call.name!r} has shape {wanted}")
    return call.builder.add("Reshape", [x], call.name, shape=tuple(wanted))


def squeeze(call: Call) -> Made:
    """SQUEEZE: the axes of size 1 that are named, or all."""
    shape = call.builder.shape(call.x())
    axes = call.operator.option_numbers(0, "<i4") or [i for i, d in enumerate(shape) if d == 1]
    return call.builder.add("Squeeze", [call.x()], call.name, axes=tuple(axes))


def expand_dims(call: Call) -> Made:
    """EXPAND_DIMS: one new axis."""
    return call.builder.add("Unsqueeze", [call.x()], call.name, axes=tuple(call.fixed(1)))


def padded(call: Call) -> Made:
    """PAD and PADV2: (axes, 2) numbers, and a value."""
    flat = call.fixed(1)
    pairs = list(zip(flat[::2], flat[1::2], strict=False))
    value = float(call.real(2).ravel()[0]) if call.has(2) else 0.0
    return pad(call.builder, call.x(), pairs, call.name, value)


def mirror_pad(call: Call) -> Made:
    """MIRROR_PAD without the border itself."""
    if call.option(0, _BYTE):
        raise call.unsupported("the symmetric mode")
    flat = call.fixed(1)
    return pad(call.builder, call.x(), list(zip(flat[::2], flat[1::2], strict=False)), call.name, mode="reflect")


def transpose(call: Call) -> Made:
    """TRANSPOSE by a permutation."""
    return call.builder.add("Transpose", [call.x()], call.name, perm=tuple(call.fixed(1)))


def sliced(call: Call) -> Made:
    """SLICE: starts and sizes, -1 for all that is left."""
    starts, sizes = call.fixed(1), call.fixed(2)
    if len(starts) != len(sizes):
        raise BadFile(f"{call.builder.where}: SLICE {call.name!r} has {len(starts)} starts and {len(sizes)} sizes")
    ends = [1 << 31 if n < 0 else s + n for s, n in zip(starts, sizes, strict=True)]
    axes = tuple(range(len(starts)))
    ones = (1,) * len(starts)
    return call.builder.add(
        "Slice", [call.x()], call.name, starts=tuple(starts), ends=tuple(ends), axes=axes, steps=ones
    )


def strided_slice(call: Call) -> Made:
    """STRIDED_SLICE: starts, ends and steps; bit masks for open ends and for axes of one index."""
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


def pack(call: Call) -> Made:
    """PACK: operands along a new axis."""
    axis = call.option(1)
    parts = [call.builder.add("Unsqueeze", [x], f"{x}/new_axis", axes=(axis,)) for x in call.xs()]
    return call.builder.add("Concat", parts, call.name, axis=axis)


def unpack(call: Call) -> Made:
    """UNPACK: one result for each index of an axis."""
    axis, number = call.option(1), call.option(0)
    parts = _split_into(call, call.x(), axis, [1] * max(min(number, 1 << 12), 0))
    return [call.builder.add("Squeeze", [p], f"{p}/single", axes=(axis,)) for p in parts]


def split(call: Call) -> Made:
    """SPLIT into equal parts."""
    (axis,), number = call.fixed(0) or [0], call.option(0)
    x = call.x(1)
    if not -call.builder.rank(x) <= axis < call.builder.rank(x) or not 0 < number <= 1 << 12:
        raise BadFile(f"{call.builder.where}: SPLIT {call.name!r} into {number} along axis {axis}")
    (size,) = call.builder.fixed_shape(x, [axis])
    return _split_into(call, x, axis, [size // number] * number)


def split_v(call: Call) -> Made:
    """SPLIT_V into parts of given sizes, one of which may be -1."""
    (axis,), sizes = call.fixed(2) or [0], call.fixed(1)
    if sizes.count(-1) == 1:
        (whole,) = call.builder.fixed_shape(call.x(), [axis])
        sizes[sizes.index(-1)] = whole - sum(s for s in sizes if s >= 0)
    return _split_into(call, call.x(), axis, sizes)


def _split_into(call: Call, x: str, axis: int, sizes: list[int]) -> list[str]:
    names = [f"{call.name}/part{i}" for i in range(len(sizes))]
    return call.builder.add_many("Split", [x], names, axis=axis, split=tuple(sizes))


def gather(call: Call) -> Made:
    """GATHER by fixed or computed indices along an axis."""
    if call.option(1):
        raise call.unsupported("gathering by batch")
    return call.builder.add("Gather", call.xs(), call.name, axis=call.option(0))


def shape_of(call: Call) -> Made:
    """SHAPE, which must be fixed."""
    sizes = np.array(call.builder.fixed_shape(call.x()), np.int64)
    return cast_to_result(call, call.builder.constant(call.name, sizes))


def fill(call: Call) -> Made:
    """FILL: one value in a shape."""
    return call.builder.add("Expand", [call.x(1)], call.name, shape=tuple(call.fixed(0)))


def broadcast_to(call: Call) -> Made:
    """BROADCAST_TO a shape."""
    return call.builder.add("Expand", [call.x(0)], call.name, shape=tuple(call.fixed(1)))


def tile(call: Call) -> Made:
    """TILE: each axis repeated."""
    return call.builder.add("Tile", [call.x()], call.name, repeats=tuple(call.fixed(1)))


def to_depth(op: Any) -> Callable[[Call], Made]:
    """DEPTH_TO_SPACE and SPACE_TO_DEPTH by blocks."""
    return lambda call: space_block(call.builder, op, call.x(), call.option(0), call.name)

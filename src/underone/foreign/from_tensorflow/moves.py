"""Rules for TensorFlow's operations that only move elements: join, cut, reshape, reorder.

Source: tensorflow/core/ops/array_ops.cc.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .fixed_numbers import strided_slice
from .graph_def import TfNode
from .translation import Rule, Translation

_END = (1 << 63) - 1  # an end of a slice: all that is left


def _concat(t: Translation, node: TfNode) -> str:
    place = 0 if node.op == "Concat" else len(node.inputs) - 1
    parts = [t.operand(node, i) for i in range(len(node.inputs)) if i != place]
    if not parts:
        raise node.bad("joins nothing")
    axis = t.axis(node, t.integer(node, place), t.builder.rank(parts[0]))
    return t.builder.add("Concat", parts, node.name, axis=axis)


def _pack(t: Translation, node: TfNode) -> str:
    parts = t.operands(node)
    if not parts:
        raise node.bad("joins nothing")
    axis = t.axis(node, node.integer("axis"), t.builder.rank(parts[0]) + 1)
    raised = [t.builder.add("Unsqueeze", [p], f"{node.name}/{i}", axes=(axis,)) for i, p in enumerate(parts)]
    return t.builder.add("Concat", raised, node.name, axis=axis)


def _unpack(t: Translation, node: TfNode) -> list[str]:
    x = t.operand(node, 0)
    axis = t.axis(node, node.integer("axis"), t.builder.rank(x))
    parts = _cut(t, node, x, axis, (1,) * node.integer("num"))
    return [t.builder.add("Squeeze", [p], f"{node.name}/{i}", axes=(axis,)) for i, p in enumerate(parts)]


def _split(t: Translation, node: TfNode) -> list[str]:
    x = t.operand(node, 1)
    axis, count = t.axis(node, t.integer(node, 0), t.builder.rank(x)), node.integer("num_split")
    (size,) = t.builder.fixed_shape(x, [axis])
    if count < 1 or size % count:
        raise node.bad(f"cuts {size} into {count} equal parts")
    return _cut(t, node, x, axis, (size // count,) * count)


def _split_by_sizes(t: Translation, node: TfNode) -> list[str]:
    x, sizes = t.operand(node, 0), t.integers(node, 1)
    axis = t.axis(node, t.integer(node, 2), t.builder.rank(x))
    (size,) = t.builder.fixed_shape(x, [axis])
    rest = size - sum(s for s in sizes if s >= 0)
    return _cut(t, node, x, axis, tuple(rest if s == -1 else s for s in sizes))


def _cut(t: Translation, node: TfNode, x: str, axis: int, sizes: tuple[int, ...]) -> list[str]:
    if not 1 <= len(sizes) <= 1 << 10:
        raise node.bad(f"cuts into {len(sizes)} parts; 1 to 1024 are read")
    if len(sizes) == 1:
        return [x]
    return t.builder.add_many("Split", [x], [f"{node.name}/part{i}" for i in range(len(sizes))], axis=axis, split=sizes)


def _slice(t: Translation, node: TfNode) -> str:
    x, begin, size = t.operand(node, 0), t.integers(node, 1), t.integers(node, 2)
    if not len(begin) == len(size) == t.builder.rank(x) or min((*begin, *size), default=0) < -1:
        raise node.bad(f"begins at {begin} with sizes {size}; one of each for every axis is required")
    ends = tuple(_END if s == -1 else b + s for b, s in zip(begin, size, strict=True))
    axes = tuple(range(len(begin)))
    return t.builder.add("Slice", [x], node.name, starts=begin, ends=ends, axes=axes, steps=(1,) * len(axes))


def _strided(t: Translation, node: TfNode) -> str:
    x = t.operand(node, 0)
    rank = t.builder.rank(x)
    index = _whole(strided_slice(node, rank, *(t.array(node, i) for i in (1, 2, 3))), rank)
    cuts: list[tuple[int, slice]] = []
    gone: list[int] = []
    new: list[int] = []
    axis = 0
    for part in index:
        if part is None:
            new.append(axis - len(gone) + len(new))
            continue
        if isinstance(part, int):
            gone.append(axis)
            part = slice(part, part + 1 if part != -1 else _END, 1)
        if part != slice(None, None, 1):
            cuts.append((axis, part))
        axis += 1
    if cuts:
        x = t.builder.add("Slice", [x], f"{node.name}/cut", **_slice_attrs(cuts))
    if gone:
        x = t.builder.add("Squeeze", [x], f"{node.name}/squeezed", axes=tuple(gone))
    return t.builder.add("Unsqueeze", [x], node.name, axes=tuple(new)) if new else x


def _whole(index: Sequence[Any], rank: int) -> list[Any]:
    """Write out the axes that an ellipsis, or nothing, stands for."""
    missing = [slice(None, None, 1)] * (rank - sum(i is not None and i is not Ellipsis for i in index))
    if Ellipsis not in index:
        return [*index, *missing]
    place = list(index).index(Ellipsis)
    return [*index[:place], *missing, *index[place + 1 :]]


def _slice_attrs(cuts: Sequence[tuple[int, slice]]) -> dict[str, Any]:
    ends = {1: (0, _END), -1: (_END, -_END)}  # of a whole axis, forwards and backwards
    starts, stops, steps = [], [], []
    for _, part in cuts:
        first, last = ends[1 if part.step > 0 else -1]
        starts.append(first if part.start is None else part.start)
        stops.append(last if part.stop is None else part.stop)
        steps.append(part.step)
    return {"starts": tuple(starts), "ends": tuple(stops), "axes": tuple(a for a, _ in cuts), "steps": tuple(steps)}


def _squeeze(t: Translation, node: TfNode) -> str:
    x = t.operand(node, 0)
    rank = t.builder.rank(x)
    axes = [t.axis(node, a, rank) for a in node.integers("squeeze_dims")]
    axes = axes or [i for i, d in enumerate(t.builder.shape(x)) if d == 1]
    return t.builder.add("Squeeze", [x], node.name, axes=tuple(sorted(set(axes)))) if axes else x


def _expand_dims(t: Translation, node: TfNode) -> str:
    x = t.operand(node, 0)
    axis = t.axis(node, t.integer(node, 1), t.builder.rank(x) + 1)
    return t.builder.add("Unsqueeze", [x], node.name, axes=(axis,))


def _transpose(t: Translation, node: TfNode) -> str:
    return t.builder.add("Transpose", [t.operand(node, 0)], node.name, perm=t.integers(node, 1))


def _tile(t: Translation, node: TfNode) -> str:
    return t.builder.add("Tile", [t.operand(node, 0)], node.name, repeats=t.integers(node, 1))


def _gather(t: Translation, node: TfNode) -> str:
    x = t.operand(node, 0)
    axis = t.axis(node, t.integer(node, 2) if node.op == "GatherV2" else 0, t.builder.rank(x))
    return t.builder.add("Gather", [x, t.operand(node, 1)], node.name, axis=axis)


def _reshape(t: Translation, node: TfNode) -> str:
    x, wanted = t.operand(node, 0), t.fixed(node, 1)
    first, second = (tuple(v.ravel().tolist()) for v in wanted)
    if len(first) != len(second) or len(first) > 8 or any(not isinstance(d, int) for d in first):
        raise node.bad(f"gives the shape {wanted.first.tolist()}")
    if 0 in first:
        raise t.unsupported(node, "gives an empty tensor")
    return t.builder.add("Reshape", [x], node.name, shape=_open_shape(t, node, x, first, second))


def _open_shape(
    t: Translation, node: TfNode, x: str, first: tuple[int, ...], second: tuple[int, ...]
) -> tuple[int, ...]:
    """Write sizes that follow the input's as 0, the same as before, or -1, what is left."""
    before = list(zip(*t.builder.shapes(x), strict=True))
    sizes = list(zip(first, second, strict=True))
    moving = [i for i, (p, q) in enumerate(sizes) if p != q]
    copied = [i for i in moving if i < len(before) and before[i] == sizes[i]]
    rest = [i for i in moving if i not in copied]
    if len(rest) + first.count(-1) > 1:
        raise t.follows(node, f"gives the shape {first} or {second}")
    return tuple(0 if i in copied else -1 if i in rest else p for i, (p, _) in enumerate(sizes))


MOVES: Mapping[str, Rule] = {
    **dict.fromkeys(("Concat", "ConcatV2"), _concat),
    "ExpandDims": _expand_dims,
    **dict.fromkeys(("Gather", "GatherV2"), _gather),
    "Pack": _pack,
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "SplitV": _split_by_sizes,
    "Squeeze": _squeeze,
    "StridedSlice": _strided,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unpack": _unpack,
}

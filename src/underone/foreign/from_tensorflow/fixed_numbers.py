"""Small numbers that follow from shapes and constants: TensorFlow writes reshapes, crops and anchors as such chains.

They are computed while a graph is read, at two sizes of everything that is open. Nothing is allocated before its size
is known to be small.
"""

# ruff: noqa: ARG001, ARG005 (one signature for a whole table)

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...graph import Array
from .graph_def import TfNode

MOST_ELEMENTS = 1 << 16  # of one result; larger constants are computed as parts of the network


class Fixed(NamedTuple):
    """A value that does not follow from what an input holds: in the two readings of its open sizes.

    Attributes:
        first: in the first reading.
        second: in the second one; the same array where nothing is open.
    """

    first: Array
    second: Array

    @property
    def is_one(self) -> bool:
        """Whether both readings agree."""
        return self.first is self.second or (
            self.first.shape == self.second.shape and bool(np.array_equal(self.first, self.second))
        )


Fold = Callable[[TfNode, Sequence[Array]], Any]
Size = Callable[[TfNode, Sequence[Array]], int]


def fold(node: TfNode, operands: Sequence[Fixed]) -> tuple[Fixed, ...] | None:
    """Compute a node's outputs; None where it has no rule here, or its result is not small.

    Raises:
        BadFile: the operands do not fit.
    """
    rule = FOLDS.get(node.op)
    if rule is None:
        return None
    first = _run(rule, node, [o.first for o in operands])
    if first is None:
        return None
    if all(o.first is o.second for o in operands):
        return tuple(Fixed(value, value) for value in first)
    second = _run(rule, node, [o.second for o in operands])
    if second is None or len(second) != len(first):
        return None
    return tuple(Fixed(a, b) for a, b in zip(first, second, strict=True))


def _run(rule: tuple[Size, Fold], node: TfNode, operands: Sequence[Array]) -> list[Array] | None:
    size, function = rule
    try:
        if max([size(node, operands), *(o.size for o in operands)]) > MOST_ELEMENTS:
            return None
        with np.errstate(all="ignore"):
            made = function(node, operands)
    except (ValueError, TypeError, IndexError, OverflowError, ZeroDivisionError, MemoryError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise node.bad(f"cannot be computed from {[o.shape for o in operands]}: {text}") from error
    return [np.asarray(value) for value in (made if isinstance(made, list) else [made])]


def _broadcast(node: TfNode, x: Sequence[Array]) -> int:
    return math.prod(np.broadcast_shapes(*(o.shape for o in x)))


def _sum(node: TfNode, x: Sequence[Array]) -> int:
    return sum(o.size for o in x)


def _first(node: TfNode, x: Sequence[Array]) -> int:
    return x[0].size


def _product(values: Array) -> int:
    return math.prod(max(int(v), 0) for v in values.ravel()[:32])


def _range_size(node: TfNode, x: Sequence[Array]) -> int:
    start, limit, delta = (float(v.item()) for v in x)
    return max(0, math.ceil((limit - start) / delta))


def strided_slice(node: TfNode, rank: int, begin: Array, end: Array, strides: Array) -> tuple[Any, ...]:
    """Give numpy's index for a StridedSlice of a tensor of `rank` axes.

    Source: tensorflow/core/ops/array_ops.cc, StridedSlice.

    Raises:
        BadFile: the lists have different lengths, or name more axes than there are.
    """
    masks = {m: node.integer(f"{m}_mask") for m in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    if not begin.shape == end.shape == strides.shape or begin.ndim != 1 or begin.size > 2 * 8:
        raise node.bad(f"has begin {begin.shape}, end {end.shape}, strides {strides.shape}; equal lists are required")
    index: list[Any] = []
    for i, (start, stop, step) in enumerate(zip(begin.tolist(), end.tolist(), strides.tolist(), strict=True)):
        bit = 1 << i
        if masks["ellipsis"] & bit:
            index.append(Ellipsis)
        elif masks["new_axis"] & bit:
            index.append(None)
        elif masks["shrink_axis"] & bit:
            index.append(int(start))
        else:
            index.append(slice(None if masks["begin"] & bit else start, None if masks["end"] & bit else stop, step))
    if sum(i is not None and i is not Ellipsis for i in index) > rank or index.count(Ellipsis) > 1:
        raise node.bad(f"slices more axes than the {rank} there are")
    return tuple(index)


def _strided(node: TfNode, x: Sequence[Array]) -> Array:
    data, begin, end, strides = x
    return np.array(data[strided_slice(node, data.ndim, begin, end, strides)])


def _slice(node: TfNode, x: Sequence[Array]) -> Array:
    data, begin, size = x
    parts = [slice(b, None if s == -1 else b + s) for b, s in zip(begin.tolist(), size.tolist(), strict=True)]
    return data[tuple(parts)]


def _cast(node: TfNode, x: Sequence[Array]) -> Array:
    return x[0].astype(node.dtype("DstT") or x[0].dtype)


def _reduce(function: Callable[..., Any]) -> Fold:
    def reduced(node: TfNode, x: Sequence[Array]) -> Array:
        axes = tuple(int(a) for a in x[1].ravel())
        return np.asarray(function(x[0], axis=axes, keepdims=bool(node.integer("keep_dims")))).astype(x[0].dtype)

    return reduced


def _pad(node: TfNode, x: Sequence[Array]) -> int:
    return math.prod(d + max(int(p), 0) + max(int(q), 0) for d, (p, q) in zip(x[0].shape, x[1].tolist(), strict=True))


def _binary(function: Callable[..., Any]) -> tuple[Size, Fold]:
    return _broadcast, lambda node, x: function(x[0], x[1])


def _unary(function: Callable[..., Any]) -> tuple[Size, Fold]:
    return _first, lambda node, x: function(x[0]).astype(x[0].dtype)


def _divided(a: Array, b: Array) -> Array:
    """Divide floats; cut integers towards zero, as C does."""
    if a.dtype.kind == "f":
        return np.asarray(a / b)
    return np.asarray(np.trunc(a.astype(np.float64) / b)).astype(a.dtype)


FOLDS: Mapping[str, tuple[Size, Fold]] = {
    **{op: _binary(np.add) for op in ("Add", "AddV2")},
    "Sub": _binary(np.subtract),
    "Mul": _binary(np.multiply),
    "RealDiv": _binary(_divided),
    "Div": _binary(_divided),
    "TruncateDiv": _binary(_divided),
    "FloorDiv": _binary(np.floor_divide),
    "FloorMod": _binary(np.mod),
    "Maximum": _binary(np.maximum),
    "Minimum": _binary(np.minimum),
    "Equal": _binary(np.equal),
    "NotEqual": _binary(np.not_equal),
    "Greater": _binary(np.greater),
    "GreaterEqual": _binary(np.greater_equal),
    "Less": _binary(np.less),
    "LessEqual": _binary(np.less_equal),
    "LogicalAnd": _binary(np.logical_and),
    "LogicalOr": _binary(np.logical_or),
    "LogicalNot": _unary(np.logical_not),
    "Neg": _unary(np.negative),
    "Abs": _unary(np.abs),
    "Sqrt": _unary(np.sqrt),
    "Rsqrt": _unary(lambda x: 1 / np.sqrt(x)),
    "Square": _unary(np.square),
    "Exp": _unary(np.exp),
    "Log": _unary(np.log),
    "Floor": _unary(np.floor),
    "Ceil": _unary(np.ceil),
    "Cast": (_first, _cast),
    "Select": (_broadcast, lambda node, x: np.where(*x)),
    "SelectV2": (_broadcast, lambda node, x: np.where(*x)),
    "StridedSlice": (_first, _strided),
    "Slice": (_first, _slice),
    "Pack": (_sum, lambda node, x: np.stack(x, node.integer("axis"))),
    "Unpack": (_first, lambda node, x: [np.array(v) for v in np.moveaxis(x[0], node.integer("axis"), 0)]),
    "ConcatV2": (_sum, lambda node, x: np.concatenate(x[:-1], x[-1].item())),
    "Concat": (_sum, lambda node, x: np.concatenate(x[1:], x[0].item())),
    "Split": (_first, lambda node, x: list(np.split(x[1], node.integer("num_split"), x[0].item()))),
    "ExpandDims": (_first, lambda node, x: np.expand_dims(x[0], x[1].item())),
    "Squeeze": (_first, lambda node, x: np.squeeze(x[0], node.integers("squeeze_dims") or None)),
    "Reshape": (_first, lambda node, x: x[0].reshape(x[1].tolist())),
    "Transpose": (_first, lambda node, x: x[0].transpose(x[1].tolist())),
    "Fill": (lambda node, x: _product(x[0]), lambda node, x: np.full(x[0].tolist(), x[1])),
    "Tile": (lambda node, x: x[0].size * _product(x[1]), lambda node, x: np.tile(x[0], x[1].tolist())),
    "Range": (_range_size, lambda node, x: np.arange(*(v.item() for v in x)).astype(x[0].dtype)),
    "ZerosLike": (_first, lambda node, x: np.zeros_like(x[0])),
    "OnesLike": (_first, lambda node, x: np.ones_like(x[0])),
    "Gather": (lambda node, x: x[0].size * x[1].size, lambda node, x: np.take(x[0], x[1], 0)),
    "GatherV2": (lambda node, x: x[0].size * x[1].size, lambda node, x: np.take(x[0], x[1], x[2].item())),
    "Pad": (_pad, lambda node, x: np.pad(x[0], x[1].tolist())),
    "Prod": (_first, _reduce(np.prod)),
    "Sum": (_first, _reduce(np.sum)),
    "Max": (_first, _reduce(np.max)),
    "Min": (_first, _reduce(np.min)),
    "Mean": (_first, _reduce(np.mean)),
    "All": (_first, _reduce(np.all)),
    "Any": (_first, _reduce(np.any)),
}

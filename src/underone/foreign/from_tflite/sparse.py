"""Sparse constants of TFLite files, made dense.

Source: schema.fbs, SparsityParameters (the format of TACO, arXiv 1804.10112: each level dense, or compressed rows).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...graph import Array
from ..bounded import Reader
from ..flatbuffer import Table

_DENSE = 0
_INDEX_DTYPES = {1: "<i4", 2: "<u2", 3: "|u1"}


@dataclass(frozen=True)
class _Level:
    """One level of the tree: a dense size, or for each node above it the range of indices that hold something."""

    size: int
    rows: tuple[Array, Array] | None = None  # (first index of each node and the end, indices)


def densified(data: Reader, sparsity: Table, shape: tuple[int, ...], dtype: str, name: str) -> Array:
    """Give the dense array of a sparse constant.

    Args:
        data: the stored elements.
        sparsity: how they are laid out.
        shape: of the result; its size is the caller's to bound.
        dtype: numpy's notation.
        name: of the tensor, for messages.

    Raises:
        BadFile: the layout does not fit the shape or the number of elements.
    """
    order = [int(v) for v in sparsity.numbers(0, "<i4")]
    blocks = [int(v) for v in sparsity.numbers(1, "<i4")]
    levels = [_level(table) for table in sparsity.tables(2)]
    rank = len(shape)
    fits = len(order) == len(levels) == rank + len(blocks) and sorted(order) == list(range(len(order)))
    if not fits or any(not 0 <= b < rank for b in blocks) or len(set(blocks)) != len(blocks):
        raise data.bad(0, f"sparse constant {name!r}: order {order}, blocks {blocks}, {len(levels)} levels for {shape}")
    dense = np.zeros(math.prod(shape), dtype)
    places = _places(data, levels, _steps(data, levels, order, blocks, shape, name), len(data) // dense.itemsize, name)
    dense[places] = data.array(0, dtype, places.shape, f"sparse constant {name!r}")
    return dense.reshape(shape)


def _level(table: Table) -> _Level:
    if table.number(0, "<b") == _DENSE:
        return _Level(table.number(1, "<i"))
    return _Level(0, (_index_vector(table, 2), _index_vector(table, 4)))


def _index_vector(table: Table, slot: int) -> Array:
    kind, values = table.number(slot, "<B"), table.table(slot + 1)
    if kind not in _INDEX_DTYPES or values is None:
        raise table.reader.bad(table.at, f"a compressed level with indices of kind {kind}")
    return values.numbers(0, _INDEX_DTYPES[kind]).astype(np.int64)


def _steps(
    data: Reader, levels: Sequence[_Level], order: Sequence[int], blocks: Sequence[int], shape: tuple[int, ...],
    name: str,
) -> list[tuple[int, int]]:  # fmt: skip
    """Give (number of indices, distance of neighbours in the dense array) of each level: of an axis, or of a block."""
    rank = len(shape)
    inner = {axis: levels[order.index(rank + i)].size for i, axis in enumerate(blocks)}
    steps = []
    for o, level in zip(order, levels, strict=True):
        axis = blocks[o - rank] if o >= rank else o
        block, stride = inner.get(axis, 1), math.prod(shape[axis + 1 :])
        if block < 1 or shape[axis] % block:
            raise data.bad(0, f"sparse constant {name!r}: blocks of {block} along axis {axis} of {shape}")
        size, step = (block, stride) if o >= rank else (shape[axis] // block, stride * block)
        if level.rows is None and level.size != size:
            raise data.bad(0, f"sparse constant {name!r}: a level of {level.size} indices; {size} are required")
        steps.append((size, step))
    return steps


def _places(data: Reader, levels: Sequence[_Level], steps: Sequence[tuple[int, int]], most: int, name: str) -> Array:
    """Walk the levels from the outermost, all nodes of a level at once: the place of each stored element."""
    places = np.zeros(1, np.int64)
    for level, (size, step) in zip(levels, steps, strict=True):
        count = len(places) * size if level.rows is None else len(level.rows[1])
        if count > most:
            raise data.bad(0, f"sparse constant {name!r} stores {most} elements; {count} are required")
        if level.rows is None:
            places = (places[:, None] + np.arange(size) * step).ravel()
        else:
            places = np.repeat(places, _counts(data, *level.rows, len(places), size, name)) + level.rows[1] * step
    return places


def _counts(data: Reader, segments: Array, indices: Array, nodes: int, size: int, name: str) -> Array:
    """Give the number of indices below each node of a compressed level."""
    counts: Array = np.diff(segments)
    inside = not len(indices) or 0 <= indices.min() <= indices.max() < size
    if len(counts) != nodes or (counts < 0).any() or counts.sum() != len(indices) or not inside:
        raise data.bad(0, f"sparse constant {name!r}: {len(indices)} indices in {len(counts)} rows do not fit {nodes}")
    return counts

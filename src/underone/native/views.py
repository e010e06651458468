"""Views: tensors that are another one seen by strides, times a number; products read them where they lie."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..graph import Array, Node, TensorType
from ..graph.ops import attributes

Dims = tuple[int, ...]


@dataclass(frozen=True)
class View:
    """A tensor seen by strides.

    Attributes:
        source: name of the row-major tensor.
        shape: sizes.
        strides: in elements, for each axis.
        offset: of the first element.
        factor: what every element is multiplied by.
    """

    source: str
    shape: Dims
    strides: Dims
    offset: int = 0
    factor: float = 1.0

    @staticmethod
    def of(name: str, shape: Sequence[int]) -> "View":
        """Give a whole tensor."""
        return View(name, tuple(shape), _row_major(shape))

    @property
    def is_dense(self) -> bool:
        """Whether the elements lie behind one another, in order."""
        return all(n == 1 or a == b for n, a, b in zip(self.shape, self.strides, _row_major(self.shape), strict=True))

    def permuted(self, perm: Sequence[int]) -> "View":
        """Give the axes in another order."""
        return replace(self, shape=tuple(self.shape[p] for p in perm), strides=tuple(self.strides[p] for p in perm))

    def turned(self) -> "View":
        """Exchange the last two axes."""
        rank = len(self.shape)
        return self.permuted([*range(rank - 2), rank - 1, rank - 2])

    def reshaped(self, shape: Dims) -> "View | None":
        """Give another shape; None where that is more than axes of size 1 and the elements are not in order."""
        if self.is_dense:
            return replace(self, shape=shape, strides=_row_major(shape))
        kept = [(n, s) for n, s in zip(self.shape, self.strides, strict=True) if n != 1]
        if [n for n, _ in kept] != [n for n in shape if n != 1]:
            return None
        strides = iter([s for _, s in kept])
        return replace(self, shape=shape, strides=tuple(0 if n == 1 else next(strides) for n in shape))

    def part(self, axis: int, start: int, size: int) -> "View":
        """Give positions [start, start + size) of an axis."""
        shape = (*self.shape[:axis], size, *self.shape[axis + 1 :])
        return replace(self, shape=shape, offset=self.offset + start * self.strides[axis])

    def spread(self, stacks: Dims) -> "View":
        """Broadcast all axes but the last two."""
        missing = len(stacks) + 2 - len(self.shape)
        outer = [(1, 0)] * missing + list(zip(self.shape[:-2], self.strides[:-2], strict=True))
        strides = tuple(0 if n == 1 else s for n, s in outer)
        return replace(self, shape=(*stacks, *self.shape[-2:]), strides=(*strides, *self.strides[-2:]))

    def starts(self, stacks: Dims) -> list[int]:
        """Give where each matrix of a stack begins."""
        axes = [[i * step for i in range(n)] for n, step in zip(stacks, self.strides[:-2], strict=True)]
        return [self.offset + sum(at) for at in itertools.product(*axes)]


def view_of(
    name: str, nodes: Mapping[str, Node], types: Mapping[str, TensorType], constants: Mapping[str, Array]
) -> View:
    """Look through nodes that only move elements, or multiply them by one constant number.

    Args:
        name: a tensor.
        nodes: what makes each tensor.
        types: of all tensors.
        constants: of the graph.
    """
    node = nodes.get(name)
    seen = None if node is None else _through(node, name, nodes, types, constants)
    return seen or View.of(name, types[name].shape)


def _through(
    node: Node, name: str, nodes: Mapping[str, Node], types: Mapping[str, TensorType], constants: Mapping[str, Array]
) -> View | None:
    source = node.inputs[0] if node.inputs else ""
    if node.op == "Mul":
        source, factor = _scaled(node, constants)
        if not source or types[source] != types[name]:
            return None
        x = view_of(source, nodes, types, constants)
        return replace(x, factor=x.factor * factor)
    if node.op not in ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Split"):
        return None
    x = view_of(source, nodes, types, constants)
    attrs = attributes(node.op, node.attrs, [types[n].shape for n in node.inputs if n])
    if node.op == "Transpose":
        return x.permuted(attrs["perm"])
    if node.op == "Split":
        which = node.outputs.index(name)
        return x.part(attrs["axis"], sum(attrs["split"][:which]), attrs["split"][which])
    return x.reshaped(types[name].shape) or View.of(source, types[source].shape).reshaped(types[name].shape)


def _scaled(node: Node, constants: Mapping[str, Array]) -> tuple[str, float]:
    for source, other in (node.inputs, node.inputs[::-1]):
        if other in constants and constants[other].size == 1 and source not in constants:
            return source, float(constants[other].ravel()[0])
    return "", 1.0


def _row_major(shape: Sequence[int]) -> Dims:
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))

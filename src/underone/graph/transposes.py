"""Pass: transposes are moved towards the outputs and cancel there, so that a channels-last network runs channels-first.

A Transpose is not run but remembered: its output is known as a view of another tensor, by a permutation. An operator
that does not care about the order of axes runs on the tensors behind the views, its axes and constants reordered, and
its output is a view again; any other operator gets its operands transposed for real. A convolution between two
transposes, in a chain of such operators, meets only transposes that cancel.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .graph import Array, Graph, Node, unused_name
from .ops import attributes
from .shapes import TensorType, infer_shapes

Perm = tuple[int, ...]  # tensor = Transpose(tensor behind it, perm): axis a of it is axis perm[a] behind it
Attrs = Mapping[str, Any]


def move_transposes(graph: Graph, sizes: Mapping[str, Sequence[int]] | None = None) -> Graph:
    """Move the transposes of a graph towards its outputs; inputs and outputs keep names and shapes.

    Args:
        graph: any graph.
        sizes: full shapes of inputs that leave more than the first size open.

    Raises:
        ShapeError, BadValue, UnknownName: as `infer_shapes`.
    """
    moving = _Moving(graph, infer_shapes(graph, batch=2, sizes=sizes))
    for node in graph.nodes:
        moving.take(node)
    for value in graph.outputs:
        moving.plain(value.name)
    return replace(graph, nodes=tuple(moving.nodes), constants=moving.constants)


@dataclass
class _Moving:
    graph: Graph
    types: Mapping[str, TensorType]
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    views: dict[str, tuple[str, Perm]] = field(default_factory=dict)
    real: dict[str, str] = field(default_factory=dict)  # what already stands for a view
    reordered: dict[tuple[str, Perm], str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.constants = dict(self.graph.constants)
        self.taken = set(self.types)
        self.outputs = {v.name for v in self.graph.outputs}

    def take(self, node: Node) -> None:
        if node.op == "Transpose":
            source, perm = self.view(node.inputs[0])
            self.views[node.outputs[0]] = (source, tuple(perm[p] for p in node.attrs["perm"]))
            return
        rule = _RULES.get(node.op)
        if rule is None or not any(n in self.views for n in node.inputs) or not rule(self, node):
            self.nodes.append(replace(node, inputs=tuple(map(self.plain, node.inputs))))

    def view(self, name: str) -> tuple[str, Perm]:
        return self.views.get(name, (name, tuple(range(self.rank(name)))))

    def rank(self, name: str) -> int:
        return len(self.types[name].shape)

    def attrs(self, node: Node) -> dict[str, Any]:
        return attributes(node.op, node.attrs, [self.types[n].shape for n in node.inputs if n])

    def plain(self, name: str) -> str:
        """Give the name of the tensor itself, behind a node that makes it from its view if need be."""
        if name not in self.views:
            return name
        if name not in self.real:
            source, perm = self.views[name]
            if perm == tuple(range(len(perm))) and name not in self.outputs:
                return source
            self.nodes.append(self.reordering(source, perm, self.types[name].shape, name))
            self.real[name] = name
        return self.real[name]

    def reordering(self, source: str, perm: Perm, shape: Sequence[int], name: str) -> Node:
        """Give the node that reorders the axes: only named, as they lie in memory, or moved."""
        own = f"{name}/axes"  # the node that made the tensor may have its name
        if perm == tuple(range(len(perm))):
            return Node("Identity", (source,), (name,), {}, own)
        if _lies_alike(perm, shape):
            sizes = tuple(0 if a == 0 else 1 if d == 1 else -1 for a, d in enumerate(shape))
            return Node("Reshape", (source,), (name,), {"shape": sizes}, own)
        return Node("Transpose", (source,), (name,), {"perm": perm}, own)

    def behind(self, name: str, perm: Perm) -> str:
        """Give the name of the tensor of which `name` is the view by `perm`, made if need be."""
        source, own = self.view(name)
        if own == perm:
            return source
        if (name, perm) not in self.reordered:
            self.reordered[name, perm] = self.new_name(name)
            shape = self.types[name].shape
            if name in self.constants:
                self.constants[self.reordered[name, perm]] = _behind(self.constants[name], perm)
            else:
                composed = tuple(own[i] for i in _inverse(perm))
                node = self.reordering(source, composed, [shape[i] for i in _inverse(perm)], self.reordered[name, perm])
                self.nodes.append(node)
        return self.reordered[name, perm]

    def new_name(self, name: str) -> str:
        name = unused_name(f"{name}/moved", self.taken)
        self.taken.add(name)
        return name

    def emit(self, node: Node, inputs: Sequence[str], attrs: Attrs, perm: Perm) -> bool:
        """Add a node on the tensors behind the views; its outputs are views by `perm`."""
        names = tuple(map(self.new_name, node.outputs))
        self.nodes.append(replace(node, inputs=tuple(inputs), outputs=names, attrs=attrs))
        self.views |= {o: (n, perm) for o, n in zip(node.outputs, names, strict=True)}
        return True


def _inverse(perm: Perm) -> Perm:
    return tuple(int(i) for i in np.argsort(perm))


def _behind(value: Array, perm: Perm) -> Array:
    """Reorder a constant, with axes of size 1 added in front where it is to be broadcast."""
    full = value.reshape((1,) * (len(perm) - value.ndim) + value.shape)
    return np.ascontiguousarray(full.transpose(_inverse(perm)))


def _lies_alike(perm: Perm, shape: Sequence[int]) -> bool:
    """Whether a permutation leaves every element where it is, with one long axis behind the first at most."""
    return bool(perm) and perm[0] == 0 and sum(d != 1 for d in shape[1:]) <= 1


def _elementwise(moving: _Moving, node: Node) -> bool:
    """Operands of one shape, or broadcast to it."""
    rank = moving.rank(node.outputs[0])
    full = [n for n in node.inputs if n in moving.views and moving.rank(n) == rank]
    if not full or any(not _can_follow(moving, n, rank) for n in node.inputs if n):
        return False
    perm = moving.views[max(full, key=lambda n: moving.types[n].elements)][1]
    inputs = [
        n if moving.types[n].elements == 1 and moving.rank(n) < rank else moving.behind(n, perm) for n in node.inputs
    ]
    return moving.emit(node, inputs, node.attrs, perm)


def _can_follow(moving: _Moving, name: str, rank: int) -> bool:
    return moving.rank(name) == rank or name in moving.constants or moving.types[name].elements == 1


def _quantise(moving: _Moving, node: Node) -> bool:
    """The first operand reordered; scales and zero points belong to an axis."""
    source, perm = moving.view(node.inputs[0])
    axis = node.attrs.get("axis", 1)
    attrs = {**node.attrs, "axis": perm[axis]} if -len(perm) <= axis < len(perm) else node.attrs
    return moving.emit(node, [source, *node.inputs[1:]], attrs, perm)


def _joined(moving: _Moving, node: Node) -> bool:
    """One operand worked on along `axis`, or several joined along it."""
    perm = next(moving.views[n][1] for n in node.inputs if n in moving.views)
    attrs = moving.attrs(node)
    return moving.emit(node, [moving.behind(n, perm) for n in node.inputs], attrs | {"axis": perm[attrs["axis"]]}, perm)


def _reduced(moving: _Moving, node: Node) -> bool:
    """One operand, reduced along `axis` or `axes`."""
    source, perm = moving.view(node.inputs[0])
    attrs = moving.attrs(node)
    if "axis" in attrs:
        gone, moved = {attrs["axis"]}, {"axis": perm[attrs["axis"]]}
    else:
        gone = set(attrs["axes"] or range(len(perm)))
        moved = {"axes": tuple(sorted(perm[a] for a in gone))}
    return moving.emit(node, [source], attrs | moved, perm if attrs.get("keepdims") else _without(perm, gone))


def _without(perm: Perm, gone: set[int]) -> Perm:
    """Give the permutation of the axes that are left; the axes behind the view are counted anew."""
    left = [p for a, p in enumerate(perm) if a not in gone]
    return tuple(sorted(left).index(p) for p in left)


def _sliced(moving: _Moving, node: Node) -> bool:
    source, perm = moving.view(node.inputs[0])
    attrs = moving.attrs(node)
    return moving.emit(node, [source], attrs | {"axes": tuple(perm[a] for a in attrs["axes"])}, perm)


def _padded(moving: _Moving, node: Node) -> bool:
    source, perm = moving.view(node.inputs[0])
    pads, rank, back = node.attrs["pads"], len(perm), _inverse(perm)
    moved = (*(pads[i] for i in back), *(pads[rank + i] for i in back))
    return moving.emit(node, [source], {**node.attrs, "pads": moved}, perm)


def _sized(moving: _Moving, node: Node) -> bool:
    """One number for each axis: sizes, scales or repeats."""
    source, perm = moving.view(node.inputs[0])
    lists = {k: node.attrs[k] for k in ("sizes", "scales", "repeats") if node.attrs.get(k)}
    moved = {k: tuple(v[i] for i in _inverse(perm)) for k, v in lists.items()}
    return moving.emit(node, [source], {**node.attrs, **moved}, perm)


def _reshaped(moving: _Moving, node: Node) -> bool:
    """A reshape does not see the order of axes of size 1."""
    source, perm = moving.view(node.inputs[0])
    if not _lies_alike(perm, moving.types[node.inputs[0]].shape) or 0 in node.attrs["shape"][1:]:
        return False
    moving.nodes.append(replace(node, inputs=(source,)))
    return True


_UNARY = (
    "Abs Cast Ceil Clip Cos Elu Erf Exp Floor Gelu HardSigmoid HardSwish Identity LeakyRelu Log Mish Neg Not "
    "Reciprocal Relu Round Sigmoid Sign Sin Softplus Sqrt Tanh"
)
_BROADCAST = "Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Max Min Mod Mul Or PRelu Pow Sub Sum Where"
_REDUCTIONS = "ArgMax ArgMin ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare"

_RULES: Mapping[str, Callable[[_Moving, Node], bool]] = {
    **dict.fromkeys((_UNARY + " " + _BROADCAST).split(), _elementwise),
    **dict.fromkeys(_REDUCTIONS.split(), _reduced),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), _quantise),
    **dict.fromkeys(("Concat", "Softmax", "LogSoftmax", "Split"), _joined),
    **dict.fromkeys(("Resize", "Tile"), _sized),
    "Slice": _sliced,
    "Squeeze": _reduced,
    "Pad": _padded,
    "Reshape": _reshaped,
}

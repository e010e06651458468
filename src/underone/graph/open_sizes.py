"""Two readings of a file, at two sizes of its inputs, joined into one graph that takes any size.

An attribute or constant that differs between the readings follows the size of the inputs. Where the operator has a way
to say so (0: as before, -1: the rest), that is written; elsewhere the file cannot be read with open sizes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ..errors import Unsupported
from ..spec import Shape
from .graph import Array, Graph, Node, Value, unused_name
from .onnx_file import OnnxFile, spec_of, with_borders
from .passes import drop_dead
from .shape_rules import Dims
from .shapes import TensorType, label

_THROUGH = (1 << 63) - 1  # an end of a slice: all that is left


@dataclass
class Reading:
    """A network at one size of its inputs, as far as it is read.

    Attributes:
        opset: the file's.
        is_open: whether the inputs leave a size open.
        types: of every tensor.
        known: weights and all that follows from them.
        alias: name by name of what only passes through.
        nodes: what is left to run.
        elements: how many elements of constants were computed.
        macs: what computing them cost.
    """

    opset: int
    is_open: bool
    types: dict[str, TensorType]
    known: dict[str, Array]
    alias: dict[str, str] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    elements: int = 0
    macs: int = 0


def join(file: OnnxFile, inputs: Sequence[Value], a: Reading, b: Reading) -> Graph:
    """Make one graph of two readings; the same one twice where no size is open.

    Raises:
        Unsupported: an attribute or constant follows the size in a way that cannot be written.
        BadFile: the spec in the file does not fit it.
    """
    batches = {v.name: (a.types[v.name].shape[0], b.types[v.name].shape[0]) for v in inputs if v.shape}
    joined = [_joined(x, y, a, b, batches) for x, y in zip(a.nodes, b.nodes, strict=True)]
    nodes, sources, held = _with_outputs(file, joined, a)
    used = sorted({held.get(n, n) for node in nodes for n in node.inputs} & a.known.keys())
    for name in used:
        x, y = a.known[name], b.known[name]
        if x is not y and not np.array_equal(x, y, equal_nan=x.dtype.kind == "f"):
            raise Unsupported(f"tensor {name!r} depends on the size of the input; fix it with input_shapes")
    constants = {n: a.known[n] for n in used if n not in held.values()} | {n: a.known[s] for n, s in held.items()}
    outputs = [Value(o, _open(a.types[n].shape, b.types[n].shape), a.types[n].dtype) for o, n in sources.items()]
    spec = with_borders(spec_of(file, inputs, outputs), inputs, outputs)
    return Graph(tuple(nodes), tuple(inputs), tuple(outputs), constants, spec)


class _Move(NamedTuple):
    """An attribute that differs: two values, and the two shapes of the first operand and of the output, in pairs."""

    node: Node
    values: Sequence[tuple[Any, Any]]
    before: Sequence[tuple[int, int]]
    after: Sequence[tuple[int, int]]
    batches: Mapping[str, tuple[int, int]]


def _joined(x: Node, y: Node, a: Reading, b: Reading, batches: Mapping[str, tuple[int, int]]) -> Node:
    for attr in [k for k in x.attrs if not _equal(x.attrs[k], y.attrs[k])]:
        opener = _OPENERS.get((x.op, attr))
        opened = opener(_move(x, y, attr, a, b, batches)) if opener else None
        if opened is None:
            raise Unsupported(
                f"{label(x)}: its {attr} depends on the size of the input ({x.attrs[attr]}, {y.attrs[attr]}); "
                "fix it with input_shapes"
            )
        x = opened
    return x


def _move(x: Node, y: Node, attr: str, a: Reading, b: Reading, batches: Mapping[str, tuple[int, int]]) -> _Move:
    return _Move(
        x,
        list(zip(x.attrs[attr], y.attrs[attr], strict=True)),
        list(zip(a.types[x.inputs[0]].shape, b.types[y.inputs[0]].shape, strict=True)),
        list(zip(a.types[x.outputs[0]].shape, b.types[y.outputs[0]].shape, strict=True)),
        batches,
    )


def _equal(p: Any, q: Any) -> bool:
    return bool(p == q) or (isinstance(p, float) and math.isnan(p) and math.isnan(q))


def _reshape(move: _Move) -> Node | None:
    written = move.node.attrs["shape"]
    moving = [i for i, (p, q) in enumerate(move.after) if p != q and written[i] != 0]
    copied = [i for i in moving if i < len(move.before) and move.before[i] == move.after[i]]
    rest = moving if len(moving) == 1 else [i for i in moving if i not in copied]  # one open size is written -1
    if len(rest) > 1:
        return None
    given = [0 if w == 0 else p for w, (p, _) in zip(written, move.after, strict=True)]
    return _with(move.node, shape=tuple(-1 if i in rest else 0 if i in copied else d for i, d in enumerate(given)))


def _sizes(move: _Move) -> Node | None:
    if any(p != q and (p, q) != before for (p, q), before in zip(move.values, move.before, strict=True)):
        return None
    return _with(move.node, sizes=tuple(0 if p != q else p for p, q in move.values))


def _ends(move: _Move) -> Node | None:
    attrs = move.node.attrs
    for pair, axis, step in zip(move.values, attrs["axes"], attrs["steps"], strict=True):
        if pair[0] != pair[1] and (pair != move.before[axis] or step < 0):
            return None
    return _with(move.node, ends=tuple(p if p == q else _THROUGH for p, q in move.values))


def _expand(move: _Move) -> Node | None:
    moving = {pair for pair in move.values if pair[0] != pair[1]}
    like = [name for name, pair in move.batches.items() if moving == {pair}]
    if not like:
        return None
    node = replace(move.node, inputs=(move.node.inputs[0], like[0]))
    return _with(node, shape=tuple(p if p == q else -1 for p, q in move.values))


def _with(node: Node, **attrs: Any) -> Node:
    return replace(node, attrs={**node.attrs, **attrs})


_OPENERS: Mapping[tuple[str, str], Callable[[_Move], Node | None]] = {
    ("Reshape", "shape"): _reshape,
    ("Resize", "sizes"): _sizes,
    ("Slice", "ends"): _ends,
    ("Expand", "shape"): _expand,
}


def _open(a: Dims, b: Dims) -> Shape:
    return tuple(x if x == y else None for x, y in zip(a, b, strict=True))


def _with_outputs(
    file: OnnxFile, nodes: list[Node], reading: Reading
) -> tuple[tuple[Node, ...], dict[str, str], dict[str, str]]:
    """Give the outputs their names in the file; what is no node's result gets an Identity.

    Returns:
        (nodes, tensor of the reading by output, constant of the reading by its new name): a constant that is an output
        under its own name makes room for it.
    """
    sources = {o: reading.alias.get(o, o) for o in file.outputs}
    written = {name for node in nodes for name in node.outputs}
    renames: dict[str, str] = {}
    held: dict[str, str] = {}
    copies = []
    for output, source in sources.items():
        if source == output and source in written:
            continue
        if source not in reading.types or (source == output and source not in reading.known):
            raise Unsupported(f"output {output!r} is an input under its own name, or a second output of its node")
        if source in written and source not in renames and source not in sources:
            renames[source] = output
            continue
        if source == output:
            source = unused_name(f"{output}/fixed", reading.types)
            held[source] = output
        copies.append(Node("Identity", (renames.get(source, source),), (output,), {}, output))
    return drop_dead([_renamed(node, renames) for node in nodes] + copies, sources), sources, held


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    inputs, outputs = (tuple(names.get(n, n) for n in side) for side in (node.inputs, node.outputs))
    return replace(node, inputs=inputs, outputs=outputs)

"""Where a network begins and ends in a graph: as the caller says, as the graph says, or at a known place."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ...errors import BadValue, UnknownName, Unsupported
from ...spec import Shape
from ..bounded import MOST_AXES
from ..foreign_file import Cut
from .graph_def import TfNode, needed, plain, readers_of, split_tensor

INPUTS = frozenset(("Placeholder", "PlaceholderV2"))
_SILENT = frozenset((
    "Assert", "Const", "MergeV2Checkpoints", "NoOp", "Placeholder", "PlaceholderV2", "RestoreV2", "SaveV2",
    "ShardedFilename", "VarHandleOp", "Variable", "VariableV2",
))  # fmt: skip
_MOST_SHOWN = 12
_STEPS = 64  # from an input to the first convolution, and readers of a tensor that are looked at
_MOST_TRIED = 64  # tensors that may be the picture


class Border(NamedTuple):
    """Where a network begins and ends.

    Attributes:
        inputs: tensors that are given.
        outputs: tensors that are wanted.
        notes: sentences about what is left out.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...] = ()


_OPEN = ("-1", "?")
_STATED = re.compile(r"(?P<name>[^\[\]]+)\[(?P<sizes>[-\d?x, ]*)\]")


def stated_shape(text: str) -> tuple[str, Shape | None]:
    """Split "NAME[1x224x224x3]" into name and shape; commas will do too, -1 or ? is an open size.

    Raises:
        BadValue: the shape is none.
    """
    if "[" not in text:
        return text, None
    found = _STATED.fullmatch(text)
    sizes = re.split("[x, ]+", found["sizes"]) if found else []
    shape = tuple(None if size in _OPEN else int(size) if size.isdecimal() and len(size) < 10 else 0 for size in sizes)
    if found is None or len(shape) > MOST_AXES or 0 in shape:
        raise BadValue(f"input {text!r} states no shape; NAME[1x224x224x3] is one, with -1 for an open size")
    return found["name"], shape


class _KnownCut(NamedTuple):
    """Outputs by which the graphs of one exporter are cut, and what is left out there."""

    outputs: tuple[str, ...]
    note: str


# the first row whose tensors a graph has counts; only for graphs with operations that are not read
_KNOWN_CUTS: tuple[_KnownCut, ...] = (
    _KnownCut(
        ("Postprocessor/raw_box_encodings", "Postprocessor/raw_box_scores"),
        "the Object Detection API's decoding of boxes and non-maximum suppression are left out",
    ),
    _KnownCut(
        ("Squeeze", "Postprocessor/convert_scores"),
        "the Object Detection API's decoding of boxes and non-maximum suppression are left out",
    ),
)


DETECTORS = tuple(row.outputs for row in _KNOWN_CUTS)  # box codes and scores of the Object Detection API


def find_border(nodes: Mapping[str, TfNode], cut: Cut, is_read: Collection[str], where: str) -> Border:
    """Find where the network begins and ends.

    Args:
        nodes: of the graph.
        cut: tensors that the caller names.
        is_read: operations that are implemented.
        where: the file's name.

    Raises:
        UnknownName: the caller names a tensor that is not there.
        Unsupported: operations that are not implemented stand between the borders; the message lists what to name.
        BadFile: the graph is damaged.
    """
    _require_known(nodes, (*cut.inputs, *cut.outputs))
    outputs, notes = _outputs(nodes, cut, is_read, where)
    given = tuple(plain(name) for name in cut.inputs)
    if not given:
        given = _inputs(nodes, outputs, is_read)
    wanted = needed(nodes, outputs, given)
    unread = Counter(node.op for node in wanted if node.op not in is_read and node.name not in given)
    if unread:
        raise Unsupported(f"{where}: {_unread(nodes, unread, is_read)}")
    missing = [node.name for node in wanted if node.op in INPUTS]
    if missing:
        raise Unsupported(f"{where}: the outputs {list(outputs)} also follow from {missing}; name all inputs")
    read = {tensor for node in wanted for tensor in node.inputs}.union(outputs)
    used = [g for g in given if g in read]
    notes += tuple(f"input {g!r} is left out: no output follows from it" for g in given if g not in used)
    if not used:
        raise Unsupported(f"{where}: the outputs {list(outputs)} follow from no input")
    return Border(tuple(used), outputs, notes + _taps(wanted, nodes) + _left_out(nodes, used, outputs))


def _require_known(nodes: Mapping[str, TfNode], names: Sequence[str]) -> None:
    for name in names:
        if split_tensor(name)[0] not in nodes:
            raise UnknownName("tensor", name, nodes)


def _outputs(
    nodes: Mapping[str, TfNode], cut: Cut, is_read: Collection[str], where: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if cut.outputs:
        return tuple(dict.fromkeys(plain(name) for name in cut.outputs)), ()
    ends = _ends(nodes)
    if not ends:
        raise Unsupported(f"{where}: no tensor is an output: each is read by another; name outputs")
    if all(node.op in is_read for node in needed(nodes, ends, ())):
        return tuple(ends), ()
    for row in _KNOWN_CUTS:
        if all(name in nodes for name in row.outputs):
            return row.outputs, (row.note,)
    return tuple(ends), ()


def _ends(nodes: Mapping[str, TfNode]) -> list[str]:
    """Give the tensors that nobody reads, but for those of operations that only write, check or wait."""
    readers = readers_of(nodes)
    return [name for name, node in nodes.items() if not readers[name] and node.op not in _SILENT]


def _inputs(nodes: Mapping[str, TfNode], outputs: Sequence[str], is_read: Collection[str]) -> tuple[str, ...]:
    """Give the placeholders, or the tensors where the operations that are read begin, that outputs follow from."""
    found: dict[str, None] = {}
    seen, stack = set(outputs), list(outputs)
    while stack:
        tensor = stack.pop()
        node = nodes.get(split_tensor(tensor)[0])
        if node is None:
            continue
        if node.op in INPUTS or (node.op not in is_read and tensor not in outputs):
            found[node.name if node.op in INPUTS else tensor] = None
            continue
        stack += [i for i in node.inputs if i not in seen]
        seen.update(node.inputs)
    real = [name for name in found if nodes[split_tensor(name)[0]].op in INPUTS]
    others = [name for name in found if nodes[split_tensor(name)[0]].op not in INPUTS][:_MOST_TRIED]
    readers = readers_of(nodes)
    pictures = [name for name in others if _channels_behind(nodes, readers, name)]
    return tuple(dict.fromkeys(real + pictures))


def picture_channels(nodes: Mapping[str, TfNode], tensor: str) -> int | None:
    """Give the number of channels, last, that the convolutions behind a tensor want; None where there are none."""
    return _channels_behind(nodes, readers_of(nodes), tensor)


def _channels_behind(nodes: Mapping[str, TfNode], readers: Mapping[str, list[TfNode]], tensor: str) -> int | None:
    front = [tensor]
    for _ in range(_STEPS):
        behind: list[str] = []
        for name in front:
            for node in readers.get(split_tensor(name)[0], [])[:_STEPS]:
                if node.op == "Conv2D" and node.inputs[:1] == (name,):
                    return _channels(nodes, node)
                if node.op in _POINTWISE:
                    behind.append(node.name)
        front = behind[:_STEPS]
    return None


_POINTWISE = frozenset(["Add", "AddV2", "Cast", "Identity", "Mul", "Pad", "RealDiv", "Sub"])


def _channels(nodes: Mapping[str, TfNode], conv: TfNode) -> int | None:
    name = conv.inputs[1] if len(conv.inputs) > 1 else ""
    for _ in range(_STEPS):
        node = nodes.get(split_tensor(name)[0])
        if node is None:
            return None
        if not node.inputs:
            shape = node.tensor().shape if node.op == "Const" else node.shape()
            return shape[2] if shape is not None and len(shape) == 4 else None
        name = node.inputs[0]
    return None


def _unread(nodes: Mapping[str, TfNode], unread: Mapping[str, int], is_read: Collection[str]) -> str:
    kinds = ", ".join(op if n == 1 else f"{op} x{n}" for op, n in sorted(unread.items()))
    starts = [n.name for n in nodes.values() if n.op in INPUTS]
    readers = readers_of(nodes)
    ends = [
        node.name
        for node in nodes.values()
        if node.op in is_read and node.op not in ("Const", "Identity", "Shape", *INPUTS)
        and any(r.op not in is_read for r in readers[node.name])
    ]  # fmt: skip
    return (
        f"operations that are not implemented: {kinds}; name the tensors between which the network lies, "
        f"inputs such as {starts[:_MOST_SHOWN]}, outputs such as {ends[:_MOST_SHOWN]}"
    )


def _taps(wanted: Sequence[TfNode], nodes: Mapping[str, TfNode]) -> tuple[str, ...]:
    """Name the outputs of networks to which others were added: where a graph also takes what is fed."""
    fed = [node.inputs[0] for node in wanted if node.op == "PlaceholderWithDefault" and node.inputs]
    inside = [tensor for tensor in fed if nodes[split_tensor(tensor)[0]].op != "Const"]
    return tuple(f"{tensor!r} ends a network inside this one; name it to have that as output" for tensor in inside)


def _left_out(nodes: Mapping[str, TfNode], given: Sequence[str], outputs: Sequence[str]) -> tuple[str, ...]:
    """Name the other outputs that follow from the inputs."""
    readers = readers_of(nodes)
    stack = [split_tensor(name)[0] for name in given]
    behind = set(stack)
    while stack:
        found = [node.name for node in readers[stack.pop()] if node.name not in behind]
        behind.update(found)
        stack += found
    others = [name for name in _ends(nodes) if name in behind and name not in outputs]
    return tuple(f"output {name!r} is left out" for name in others[:_MOST_SHOWN])

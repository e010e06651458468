"""GraphDef: TensorFlow's graph of named operations. No operation is understood here.

Source: tensorflow/core/framework/{graph,node_def,attr_value}.proto.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from ...errors import BadFile
from ...graph import Array
from ...spec import Shape
from ..protobuf import Message
from .tensor_proto import dtype_of, read_shape, read_tensor


@dataclass(frozen=True)
class TfNode:
    """One operation.

    Attributes:
        name: unique in its graph.
        op: TensorFlow's name of the operation.
        inputs: tensors that it reads, "node" for the first output of a node, "node:1" for the second.
        message: its NodeDef.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    message: Message

    @cached_property
    def attrs(self) -> Mapping[str, Message]:
        """Attributes by name, each an AttrValue."""
        return {entry.text(1): entry.message(2) for entry in self.message.messages(5)}

    def has(self, name: str) -> bool:
        """Say whether an attribute is there."""
        return name in self.attrs

    def integer(self, name: str, default: int = 0) -> int:
        """Give an int or bool."""
        attr = self.attrs.get(name)
        return default if attr is None else attr.integer(3, attr.integer(5, default))

    def number(self, name: str, default: float = 0.0) -> float:
        """Give a float."""
        return self.attrs[name].number(4, default) if name in self.attrs else default

    def text(self, name: str, default: str = "") -> str:
        """Give a string."""
        return self.attrs[name].text(2, default) if name in self.attrs else default

    def integers(self, name: str) -> tuple[int, ...]:
        """Give a list of ints."""
        return tuple(self.attrs[name].message(1).integers(3).tolist()) if name in self.attrs else ()

    def dtype(self, *names: str) -> str | None:
        """Give numpy's name of the type that the first attribute of these names holds; None where none is there."""
        for name in names:
            if name in self.attrs:
                return dtype_of(self.attrs[name].integer(6), self.message).name
        return None

    def shape(self, name: str = "shape") -> Shape | None:
        """Give a shape; None where it is not there, or the number of axes is open."""
        attr = self.attrs.get(name)
        return read_shape(attr.message(7)) if attr is not None and attr.has(7) else None

    def tensor(self, name: str = "value") -> Array:
        """Give a tensor.

        Raises:
            BadFile: it is not there, or damaged.
            Unsupported: its type has no numbers.
        """
        if name not in self.attrs or not self.attrs[name].has(8):
            raise self.bad(f"has no tensor {name!r}")
        return read_tensor(self.attrs[name].message(8))

    def texts(self, name: str = "value") -> list[str]:
        """Give a tensor of strings."""
        return self.attrs[name].message(8).texts(8) if name in self.attrs else []

    def bad(self, what: str) -> BadFile:
        """Give the error about this node."""
        return self.message.bad(0, f"node {self.name!r} ({self.op}) {what}")


def split_tensor(tensor: str) -> tuple[str, int]:
    """Give node and number of the output of a tensor's name."""
    name, colon, number = tensor.rpartition(":")
    return (name, int(number)) if colon and number.isdecimal() and len(number) < 6 else (tensor, 0)


def plain(tensor: str) -> str:
    """Give a tensor's name without the ":0" of a first output."""
    name, number = split_tensor(tensor)
    return f"{name}:{number}" if number else name


def read_nodes(messages: Iterable[Message]) -> dict[str, TfNode]:
    """Read NodeDefs, by name; control inputs, which only order what happens, are left out.

    Raises:
        BadFile: a node has no name or operation, or two have one name.
    """
    nodes: dict[str, TfNode] = {}
    for message in messages:
        inputs = tuple(plain(name) for name in message.texts(3) if not name.startswith("^"))
        node = TfNode(message.text(1), message.text(2), inputs, message)
        if not node.name or not node.op:
            raise message.bad(0, "a node without a name or an operation; this is no TensorFlow graph, or a damaged one")
        if node.name in nodes:
            raise message.bad(0, f"a second node of the name {node.name!r}")
        nodes[node.name] = node
    return nodes


def readers_of(nodes: Mapping[str, TfNode]) -> dict[str, list[TfNode]]:
    """Give the nodes that read each node, in the file's order."""
    readers: dict[str, list[TfNode]] = {name: [] for name in nodes}
    for node in nodes.values():
        for name in dict.fromkeys(split_tensor(i)[0] for i in node.inputs):
            if name in readers:
                readers[name].append(node)
    return readers


def needed(nodes: Mapping[str, TfNode], outputs: Iterable[str], given: Iterable[str]) -> list[TfNode]:
    """Give the nodes that tensors follow from, each behind those it reads.

    Args:
        nodes: of the graph.
        outputs: tensors that are wanted.
        given: tensors where the network begins; what they follow from is left out.

    Raises:
        BadFile: a node reads one that is not there, or nodes read each other in a circle.
    """
    has_loops = any(node.op == "NextIteration" for node in nodes.values())  # circles on purpose, which nobody runs
    known, ordered, open_nodes = {plain(g) for g in given}, [], set[str]()
    done: set[str] = set()
    stack: list[tuple[TfNode, Iterator[str]]] = []

    def enter(tensor: str, reader: TfNode | None) -> None:
        name, _ = split_tensor(tensor)
        if tensor in known or name in done:
            return
        if name not in nodes:
            raise reader.bad(f"reads {name!r}, which is no node") if reader else BadFile(f"no node {name!r}")
        if name in open_nodes and has_loops:
            return
        if name in open_nodes:
            raise nodes[name].bad("follows from itself: a circle")
        open_nodes.add(name)
        stack.append((nodes[name], iter(nodes[name].inputs)))

    for output in outputs:
        enter(output, None)
        while stack:
            node, inputs = stack[-1]
            tensor = next(inputs, None)
            if tensor is not None:
                enter(tensor, node)
                continue
            stack.pop()
            done.add(node.name)
            ordered.append(node)
    return ordered

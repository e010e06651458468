"""Functions of a graph: the bodies of called functions take the place of the calls.

Source: tensorflow/core/framework/function.proto, op_def.proto.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ...errors import BadFile
from ..protobuf import Message
from .graph_def import TfNode, read_nodes, split_tensor

_CALLS = frozenset(("PartitionedCall", "StatefulPartitionedCall"))
_MOST_NODES, _DEEPEST = 1 << 16, 32
# outputs of an operation that has several by name; a body counts in each name from 0
_PLACES = {"batch_mean": 1, "batch_variance": 2, "indices": 1, "reserve_space_1": 3, "reserve_space_2": 4}


@dataclass(frozen=True)
class Function:
    """A function of a graph.

    Attributes:
        name: unique in its library.
        arguments: names of what it is given.
        results: tensors of its body that it gives, in the order of its signature.
        nodes: its body; tensors are named "node:output:number" there, arguments by their names.
    """

    name: str
    arguments: tuple[str, ...]
    results: tuple[str, ...]
    nodes: Mapping[str, TfNode]


def read_functions(library: Message) -> dict[str, Function]:
    """Read a FunctionDefLibrary, by name.

    Raises:
        BadFile: a function does not say where a result comes from, or is damaged.
    """
    return {f.name: f for f in map(_read, library.messages(1))}


def _read(message: Message) -> Function:
    signature = message.message(1)
    given = {entry.text(1): entry.text(2) for entry in message.messages(4)}
    wanted = [arg.text(1) for arg in signature.messages(3)]
    if not given.keys() >= set(wanted):
        raise message.bad(0, f"function {signature.text(1)!r} does not say what its results {wanted} are")
    arguments = tuple(arg.text(1) for arg in signature.messages(2))
    return Function(signature.text(1), arguments, tuple(given[n] for n in wanted), read_nodes(message.messages(3)))


@dataclass(frozen=True)
class _Scope:
    """A body that is being put in place."""

    prefix: str
    arguments: Mapping[str, str]
    nodes: Iterable[TfNode]
    depth: int
    is_body: bool = True

    def tensor(self, name: str) -> str:
        """Give the name in the whole graph of a tensor that is named in the body."""
        if not self.is_body:
            return name
        if name in self.arguments:
            return self.arguments[name]
        base, number = split_tensor(name)
        node, _, output = base.rpartition(":")
        number += _PLACES.get(output, 0)
        return f"{self.prefix}{node or base}:{number}" if number else f"{self.prefix}{node or base}"


def with_functions(nodes: Mapping[str, TfNode], functions: Mapping[str, Function], where: str) -> dict[str, TfNode]:
    """Give a graph without calls; each becomes an IdentityN of what its function gives.

    Raises:
        BadFile: a call gives another number of arguments than its function takes, or calls go on without end.
    """
    found: dict[str, TfNode] = {}
    scopes = [_Scope("", {}, nodes.values(), 0, is_body=False)]
    while scopes:
        scope = scopes.pop()
        for node in scope.nodes:
            if len(found) >= _MOST_NODES:
                raise BadFile(f"{where}: its functions have more than {_MOST_NODES} nodes together")
            placed = replace(node, name=scope.prefix + node.name, inputs=tuple(map(scope.tensor, node.inputs)))
            function = functions.get(_called(node))
            if function is not None:
                inner = _entered(placed, function, scope.depth + 1)
                scopes.append(inner)
                placed = replace(placed, op="IdentityN", inputs=tuple(map(inner.tensor, function.results)))
            found[placed.name] = placed
    return found


def _called(node: TfNode) -> str:
    return node.attrs["f"].message(10).text(1) if node.op in _CALLS and "f" in node.attrs else node.op


def _entered(call: TfNode, function: Function, depth: int) -> _Scope:
    if len(call.inputs) != len(function.arguments):
        raise call.bad(f"gives {len(call.inputs)} arguments to {function.name!r}; it takes {len(function.arguments)}")
    if depth > _DEEPEST:
        raise call.bad(f"lies in {depth} calls; at most {_DEEPEST} are followed")
    arguments = dict(zip(function.arguments, call.inputs, strict=True))
    return _Scope(f"{call.name}/", arguments, function.nodes.values(), depth)

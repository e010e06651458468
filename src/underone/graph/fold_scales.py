"""Pass: factors and offsets per channel behind a convolution become part of it, as a batch norm written out is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .graph import Array, Graph, Node, unused_name
from .passes import drop_unused

_OPS = frozenset(("Add", "Sub", "Mul", "Div"))


@dataclass
class _Folding:
    """A convolution and what it takes in: weight (O, I / group, …) and bias (O,), in float64."""

    conv: Node
    weight: Array
    bias: Array
    last: Node


def fold_scales(graph: Graph) -> Graph:
    """Fold Mul, Div, Add and Sub by constants per channel into the convolution before them, where nobody else reads.

    The algebra runs in float64; results have the dtype of the weight.
    """
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    outputs = {v.name for v in graph.outputs}
    constants, replaced, taken = dict(graph.constants), {}, graph.names()
    for node in graph.nodes:
        found = _begun(node, constants)
        if found is None:
            continue
        while found.last.outputs[0] not in outputs and _take_next(found, readers, graph.constants):
            pass
        if found.last is not node:
            names = [unused_name(f"{found.last.outputs[0]}/{part}", taken) for part in ("weight", "bias")]
            taken.update(names)
            dtype = constants[node.inputs[1]].dtype
            constants |= {names[0]: found.weight.astype(dtype), names[1]: found.bias.astype(dtype)}
            replaced[found.last.outputs[0]] = replace(
                node, inputs=(node.inputs[0], *names), outputs=found.last.outputs, name=node.name
            )
    nodes = tuple(replaced.get(node.outputs[0], node) for node in graph.nodes)
    return drop_unused(replace(graph, nodes=nodes, constants=constants))


def _begun(node: Node, constants: Mapping[str, Array]) -> _Folding | None:
    if node.op != "Conv" or any(name not in constants for name in node.inputs[1:]):
        return None
    weight = constants[node.inputs[1]]
    bias = constants[node.inputs[2]] if len(node.inputs) > 2 else np.zeros(weight.shape[0])
    return _Folding(node, weight, bias.astype(np.float64), node)


def _take_next(found: _Folding, readers: Mapping[str, list[Node]], constants: Mapping[str, Array]) -> bool:
    """Fold the one node that reads the last one; False where there is none to fold."""
    name = found.last.outputs[0]
    behind = readers.get(name, [])
    if len(behind) != 1 or behind[0].op not in _OPS or len(behind[0].inputs) != 2:
        return False
    node = behind[0]
    first = node.inputs[0] == name
    other = constants.get(node.inputs[1 if first else 0])
    channels = found.weight.shape[0]
    values = None if other is None else _per_channel(other, channels, found.weight.ndim)
    if values is None or (node.op == "Div" and not first):
        return False
    _fold(found, node.op, values, first)
    found.last = node
    return True


def _per_channel(value: Array, channels: int, rank: int) -> Array | None:
    """Give a constant as (channels,), in float64; None where it is not one number for each channel, or for all."""
    if value.dtype.kind != "f" or value.ndim > rank:
        return None
    shape = (1,) * (rank - value.ndim) + value.shape
    if any(d != 1 for a, d in enumerate(shape) if a != 1) or shape[1] not in (1, channels):
        return None
    return np.broadcast_to(value.astype(np.float64).ravel(), channels)


def _fold(found: _Folding, op: str, values: Array, first: bool) -> None:
    column = values.reshape(-1, *(1,) * (found.weight.ndim - 1))
    if op == "Mul":
        found.weight, found.bias = found.weight * column, found.bias * values
    elif op == "Div":
        found.weight, found.bias = found.weight / column, found.bias / values
    elif op == "Add":
        found.bias = found.bias + values
    elif first:
        found.bias = found.bias - values
    else:
        found.weight, found.bias = -found.weight, values - found.bias

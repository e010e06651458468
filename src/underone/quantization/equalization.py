"""Equalisation: channels of a tensor brought to one range, by factors that cancel between the layers around it.

What stands between the layers must let a factor pass: Relu does, Clip at 0 and m does for channels that stay below m.

Source: Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction (arXiv 1906.04721); the
ranges of activations count here as well, since weights have a scale for each output channel.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..graph import Array, Graph, Node
from .calibrate import Observed
from .layers import Layer, layers_of, readers_of

_PASSING = frozenset(("Relu", "Add", "MaxPool", "AveragePool", "GlobalAveragePool", "Flatten", "Resize"))
_MOST = 64.0  # times that a channel is enlarged: a channel that is nearly dead stays small


@dataclass(frozen=True)
class Joint:
    """Tensors whose channels can be scaled together.

    Attributes:
        tensors: their names.
        makers: layers whose outputs they are.
        readers: layers that read them.
        bound: greatest value that a Clip lets pass; infinite where there is none.
    """

    tensors: frozenset[str]
    makers: tuple[Layer, ...]
    readers: tuple[Layer, ...]
    bound: float


def equalize(graph: Graph, seen: Mapping[str, Observed]) -> Graph:
    """Scale the channels between layers so that each uses the range of its tensor; the network computes the same.

    Args:
        graph: in its float form.
        seen: of every tensor that a layer reads or makes.
    """
    constants = dict(graph.constants)
    for joint in joints(graph):
        factors = _factors(joint, seen, constants)
        for layer in joint.makers:
            _scale_outputs(layer, factors, constants)
        for layer in joint.readers:
            _scale_inputs(layer, 1 / factors, constants)
    return replace(graph, constants=constants)


def joints(graph: Graph) -> list[Joint]:
    """Find the tensors, in groups, that lie between layers of which each has weights of its own."""
    groups = _Groups(graph)
    layers = {layer.output: layer for layer in layers_of(graph)}
    uses = readers_of(graph)
    ends = {v.name for v in (*graph.inputs, *graph.outputs)}
    once = {n for n, nodes in uses.items() if n in graph.constants and len(nodes) == 1}
    found = []
    for names in groups.all():
        makers = [layers.get(n) for n in names if n in groups.made_outside]
        nodes = [node for n in names for node in uses.get(n, []) if not groups.inside(node)]
        readers = [layers.get(node.outputs[0]) for node in nodes]
        parts = [x for x in (*makers, *readers) if x is not None]
        free = all(len(x.node.inputs) == 3 and once.issuperset(x.node.inputs[1:]) for x in parts) and not ends & names
        if free and makers and readers and len(parts) == len(makers) + len(readers):
            found.append(
                Joint(
                    frozenset(names), tuple(x for x in makers if x), tuple(x for x in readers if x), groups.bound(names)
                )
            )
    return found


class _Groups:
    """Tensors joined by the operators between them that let a factor for each channel pass."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.root: dict[str, str] = {}
        self.bounds: dict[str, float] = {}
        self.made_outside: set[str] = set()
        for node in graph.nodes:
            name = node.outputs[0]
            self.root.setdefault(name, name)
            if not self.inside(node):
                self.made_outside.add(name)
                continue
            if node.op == "Clip":
                self.bounds[name] = float(node.attrs.get("max", np.inf))
            for operand in node.inputs:
                self.root[self.find(operand)] = self.find(name)

    def inside(self, node: Node) -> bool:
        if any(n in self.graph.constants for n in node.inputs):
            return False
        if node.op == "Clip":
            return float(node.attrs.get("min", -np.inf)) == 0
        return node.op in _PASSING and (node.op != "Flatten" or node.attrs.get("axis", 1) == 1)

    def find(self, name: str) -> str:
        while self.root.setdefault(name, name) != name:
            name = self.root[name]
        return name

    def all(self) -> list[set[str]]:
        groups: dict[str, set[str]] = {}
        for name in self.root:
            groups.setdefault(self.find(name), set()).add(name)
        return list(groups.values())

    def bound(self, names: Collection[str]) -> float:
        return min((self.bounds[n] for n in names if n in self.bounds), default=np.inf)


def _factors(joint: Joint, seen: Mapping[str, Observed], constants: Mapping[str, Array]) -> Array:
    """Give what each channel is multiplied by, (C,)."""
    spans = [np.maximum(seen[n].high, -seen[n].low) for n in joint.tensors if n in seen]
    span = np.maximum.reduce(spans).astype(np.float64)  # (C,)
    if not span.any():
        return np.ones_like(span)  # nothing was seen there: nothing is known
    alive = span > span.max() / _MOST**2
    wanted = np.where(alive, span.max() / np.maximum(span, span.max() / _MOST), 1.0)
    columns = [c for c in (_columns(layer, constants) for layer in joint.readers) if c is not None]
    if columns and np.any(columns):
        column = np.maximum.reduce(columns)
        column = np.maximum(column, column.max() / _MOST)
        wanted = np.where(alive, np.sqrt(wanted * column / column.max()), 1.0)
        wanted = wanted * (span.max() / (wanted * span).max())  # the widest channel stays as wide
    if np.isfinite(joint.bound):
        room = np.where(span < joint.bound, joint.bound / np.maximum(span, joint.bound / _MOST), 1.0)
        wanted = np.clip(wanted, np.where(span < joint.bound, 0.0, 1.0), room)
    return np.asarray(wanted)


def _columns(layer: Layer, constants: Mapping[str, Array]) -> Array | None:
    """Give the largest weight of a layer on each of its inputs, (C,); None where channels do not share a scale."""
    if layer.groups > 1:
        return None
    weight = np.moveaxis(constants[layer.node.inputs[1]], layer.axis, 0)
    relative = np.abs(weight.reshape(*weight.shape[:2], -1)).max(axis=2)  # (O, C)
    relative = relative / np.maximum(relative.max(axis=1, keepdims=True), 1e-30)
    return np.asarray(np.sqrt((relative.astype(np.float64) ** 2).mean(axis=0)))


def _scale_outputs(layer: Layer, factors: Array, constants: dict[str, Array]) -> None:
    weight, bias = layer.node.inputs[1:]
    shape = [1] * constants[weight].ndim
    shape[layer.axis] = -1
    constants[weight] = (constants[weight] * factors.reshape(shape)).astype(np.float32)
    constants[bias] = (constants[bias] * factors).astype(np.float32)


def _scale_inputs(layer: Layer, factors: Array, constants: dict[str, Array]) -> None:
    weight = layer.node.inputs[1]
    rows = layer.rows(constants[weight])  # (G, O, K)
    inputs = factors.reshape(layer.groups, 1, -1)  # (G, 1, I)
    taps = rows.shape[2] // inputs.shape[2]
    constants[weight] = layer.shaped(rows * np.repeat(inputs, taps, axis=2), constants[weight]).astype(np.float32)

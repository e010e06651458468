"""The layers one after the other: each is fitted to what the quantised layers before it really give.

Two copies of some pictures go through the network: one in float32, one with everything before it quantised. Ranges,
whole numbers and biases are those that keep the second copy near the first.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..graph import Array, Graph, Node, Value
from ..graph.numpy_windows import windows
from ..graph.ops import attributes
from ..graph.shape_rules import window_pads, window_sizes
from ..graph.shapes import TensorType, node_types
from .calibrate import open_graph
from .layers import Layer, layers_of, readers_of
from .ranges import shrunk
from .rounding import best_scales, nearest, rounded, row_scales
from .scheme import Range, Scheme, Weights

_POSITIONS = 1 << 12  # places of a layer's output that its covariances are taken from
_VALUES = 1 << 16  # of a tensor, that its range is learned on
_DAMPING = 0.01  # of the mean variance of the inputs, that is added to each


class Walk:
    """One way through a network.

    Args:
        graph: in its float form.
        scheme: the ranges to begin with; `ranges` holds them afterwards.
        owners: by quantised tensor, the tensor whose range it has.
        remedies: of ``bias``: each bias makes up for what rounding the weights did to the mean of its output;
            ``rounding``: the whole numbers of a layer are chosen together; ``clipping``: ranges are learned against the
            float32 copy.
        threads: of the engine.
    """

    def __init__(
        self, graph: Graph, scheme: Scheme, owners: dict[str, str], remedies: Collection[str], threads: int
    ) -> None:
        self.graph, self.owners, self.remedies, self.threads = graph, owners, remedies, threads
        self.ranges, self.weights = dict(scheme.ranges), dict(scheme.weights)
        self.layers = {layer.output: layer for layer in layers_of(graph) if layer.output in scheme.weights}
        self.readers = readers_of(graph)
        self.exact: dict[str, Array] = {}
        self.rough: dict[str, Array] = {}

    def scheme(self, pictures: Array, progress: Callable[[int, int], None]) -> Scheme:
        """Go through the network; `progress` is told (done, total) nodes."""
        nodes = self.graph.nodes
        last_use = {name: i for i, node in enumerate(nodes) for name in node.inputs}
        image = self.graph.inputs[0].name
        self.exact[image] = pictures
        self.store(image, pictures)
        for i, node in enumerate(nodes):
            self.step(node)
            for tensor in {*node.inputs, *node.outputs}:
                if last_use.get(tensor, i) == i:
                    self.exact.pop(tensor, None)
                    self.rough.pop(tensor, None)
            progress(i + 1, len(nodes))
        return Scheme(self.ranges, self.weights)

    def step(self, node: Node) -> None:
        """Run one node on both copies."""
        name, layer = node.outputs[0], self.layers.get(node.outputs[0])
        self.exact |= run_node(node, self.graph.constants, self.exact, self.threads)
        if layer is None:
            for output, values in run_node(node, self.graph.constants, self.rough, self.threads).items():
                self.store(output, values)
            return
        if "rounding" in self.remedies:
            self.weights[name] = self.chosen(layer, self.rough[node.inputs[0]])
        result = run_node(node, unpacked(layer, self.weights[name]), self.rough, self.threads)[name]
        if "bias" in self.remedies and len(node.inputs) > 2:
            unrounded = run_node(node, self.graph.constants, self.rough, self.threads)[name]
            axes = tuple(a for a in range(result.ndim) if a != 1)
            shift = np.mean(unrounded - result, axis=axes, dtype=np.float64).astype(np.float32)  # (O,)
            self.weights[name] = replace(self.weights[name], bias=self.weights[name].bias + shift)
            result += shift.reshape(-1, *(1,) * (result.ndim - 2))
        self.store(name, result)

    def store(self, name: str, values: Array) -> None:
        """Keep a tensor of the rough copy as it comes back from uint8."""
        if name in self.ranges and self.owners[name] == name and "clipping" in self.remedies:
            self.learn_range(name, values)
        span = self.ranges.get(name)
        self.rough[name] = values if span is None else span.rounded(values)

    def learn_range(self, name: str, values: Array) -> None:
        """Choose the range that brings a tensor nearest to the float32 copy, channels weighed by who reads them."""
        rows = np.random.default_rng(0).integers(0, values.size, _VALUES)
        rough, exact = values.reshape(-1)[rows], self.exact[name].reshape(-1)[rows]
        channel = rows // int(np.prod(values.shape[2:])) % values.shape[1]
        weight = self.importance(name, values.shape[1])[channel]
        tried = [self.ranges[name], *shrunk(Range(min(float(values.min()), 0.0), max(float(values.max()), 0.0)))]
        best = min(tried, key=lambda span: float(np.mean(weight * (span.rounded(rough) - exact) ** 2)))
        for tensor, owner in self.owners.items():
            if owner == name:
                self.ranges[tensor] = best

    def importance(self, name: str, channels: int) -> Array:
        """Give the power that the layers behind a tensor take each of its channels with, (C,); 1 where none does."""
        powers = np.zeros(channels)
        for node in self.readers.get(name, []):
            layer = self.layers.get(node.outputs[0])
            if layer is not None:
                rows = layer.rows(self.graph.constants[node.inputs[1]])  # (G, O, K)
                power = (rows**2).sum(axis=1).reshape(-1)  # (G K): inputs by taps
                if power.size % channels == 0:  # a MatMul of sequences reads the last axis
                    powers += power.reshape(channels, -1).sum(axis=1)
        return powers if powers.any() else np.ones(channels)

    def chosen(self, layer: Layer, given: Array) -> Weights:
        """Choose the whole numbers of a layer that change its answers to `given` least."""
        weight = self.graph.constants[layer.node.inputs[1]]
        rows = layer.rows(weight).astype(np.float64)  # (G, O, K)
        patches = _patches(layer, weight, given)  # (G, K, P)
        if "bias" in self.remedies:
            patches -= patches.mean(axis=2, keepdims=True)  # the bias makes up for the mean
        metric = (patches @ np.swapaxes(patches, 1, 2)).astype(np.float64) / patches.shape[2]
        power = np.einsum("gkk->gk", metric)
        damping = np.maximum(_DAMPING * power.mean(axis=1, keepdims=True), 1e-12)  # (G, 1)
        metric += damping[:, :, None] * np.eye(rows.shape[2])
        scales = best_scales(rows, power + damping)
        return packed(layer, weight, rounded(rows, scales, metric), scales, self.weights[layer.output].bias)


def plain_weights(graph: Graph, layer: Layer) -> Weights:
    """Round each weight to the nearest step of its row; the bias stays."""
    weight = graph.constants[layer.node.inputs[1]]
    rows = layer.rows(weight)
    scales = row_scales(rows)
    biases = layer.node.inputs[2:]
    bias = graph.constants[biases[0]] if biases else np.zeros(weight.shape[layer.axis], np.float32)
    return packed(layer, weight, nearest(rows, scales), scales, bias)


def packed(layer: Layer, weight: Array, whole: Array, scales: Array, bias: Array) -> Weights:
    """Give whole numbers and steps, (G, O, K) and (G, O, 1), in the shape of the layer's weight."""
    return Weights(layer.shaped(whole, weight).astype(np.int8), scales.ravel().astype(np.float32), bias)


def unpacked(layer: Layer, weights: Weights) -> dict[str, Array]:
    """Give weight and bias in float32, by the names that the layer has for them."""
    shape = [1] * weights.whole.ndim
    shape[layer.axis] = -1
    values = (weights.whole.astype(np.float32) * weights.scales.reshape(shape), weights.bias)
    return dict(zip(layer.node.inputs[1:], values, strict=False))


def run_node(node: Node, constants: Mapping[str, Array], known: Mapping[str, Array], threads: int) -> dict[str, Array]:
    """Run one node on all pictures; its outputs by name."""
    given = {n: known[n] for n in dict.fromkeys(node.inputs) if n in known}
    values = tuple(Value(n, a.shape, a.dtype.name) for n, a in given.items())
    fixed = {n: constants[n] for n in node.inputs if n in constants}
    operands = [given.get(n, fixed.get(n)) for n in node.inputs if n]
    _, types = node_types(node, [TensorType(a.shape, a.dtype.name) for a in operands if a is not None])
    outputs = tuple(Value(n, t.shape, t.dtype) for n, t in zip(node.outputs, types, strict=True))
    with open_graph(Graph((node,), values, outputs, fixed), threads) as engine:
        return engine.run(given)


def _patches(layer: Layer, weight: Array, given: Array) -> Array:
    """Cut some patches out of the input of a layer: (G, K, P)."""
    if layer.node.op != "Conv":
        return np.array(given.reshape(-1, given.shape[-1]).T[None])
    rng = np.random.default_rng(0)
    attrs = attributes("Conv", layer.node.attrs, [given.shape, weight.shape])
    kernel, space = weight.shape[2:], given.shape[2:]
    sizes = window_sizes(space, kernel, attrs)
    padded = np.pad(given, [(0, 0), (0, 0), *window_pads(space, kernel, attrs)])
    places = [rng.integers(0, n, _POSITIONS) for n in (given.shape[0], *sizes)]
    at: Any = (places[0], slice(None), *places[1:])
    taps = np.stack([view[at] for _, view in windows(padded, kernel, sizes, attrs)], axis=2)  # (P, I, taps)
    return np.ascontiguousarray(taps.reshape(_POSITIONS, layer.groups, -1).transpose(1, 2, 0))

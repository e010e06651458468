"""A network with its scheme written in: QuantizeLinear and DequantizeLinear around what calculates in whole numbers."""

from dataclasses import replace

import numpy as np

from ..graph import Array, Graph, Node
from ..graph.graph import unused_name
from ..graph.passes import drop_unused
from .layers import Layer, layers_of, readers_of
from .scheme import Scheme, Weights

_BIAS = 2**31 - 256  # the largest whole number of a bias; float32 steps are off by a part in 2^24


def to_qdq(graph: Graph, scheme: Scheme) -> Graph:
    """Write the scheme into the network; inputs and outputs stay float32.

    A tensor with a range is stored in uint8, and all but layers that stay in float32 read what came back; the weight of
    a quantised layer is stored in int8 with a scale for each output, its bias in int32 with the scale of the products.
    """
    return drop_unused(_Writing(graph, scheme).graph_of())


class _Writing:
    def __init__(self, graph: Graph, scheme: Scheme) -> None:
        self.graph, self.scheme = graph, scheme
        self.constants = dict(graph.constants)
        self.layers = {layer.output: layer for layer in layers_of(graph)}
        self.readers = readers_of(graph)
        self.taken = graph.names()
        self.nodes: list[Node] = []
        self.stored: dict[str, str] = {}  # what a tensor is called after it came back from uint8

    def graph_of(self) -> Graph:
        for value in self.graph.inputs:
            self.store(value.name)
        for node in self.graph.nodes:
            self.nodes.append(replace(node, inputs=self.operands(node)))
            for name in node.outputs:
                self.store(name)
        return replace(self.graph, nodes=tuple(self.nodes), constants=self.constants)

    def operands(self, node: Node) -> tuple[str, ...]:
        """Name what a node reads; a layer that stays in float32 reads what was never stored in uint8."""
        weights = self.scheme.weights.get(node.outputs[0])
        if weights is not None:
            return self.stored[node.inputs[0]], *self.unpacked(self.layers[node.outputs[0]], weights)
        if node.outputs[0] in self.layers:
            return node.inputs
        return tuple(self.stored.get(name, name) for name in node.inputs)

    def store(self, name: str) -> None:
        span = self.scheme.ranges.get(name)
        if span is None:
            return
        scale = self.constant(f"{name}/scale", np.asarray(span.scale))
        zero = self.constant(f"{name}/zero", np.asarray(span.zero))
        whole, back = self.name(f"{name}/uint8"), self.name(f"{name}/float")
        self.nodes.append(Node("QuantizeLinear", (name, scale, zero), (whole,), name=whole))
        self.nodes.append(Node("DequantizeLinear", (whole, scale, zero), (back,), name=back))
        self.stored[name] = back

    def unpacked(self, layer: Layer, weights: Weights) -> tuple[str, ...]:
        """Store weight and bias as constants of whole numbers; return the names of what comes out of them."""
        source = self.scheme.ranges[layer.node.inputs[0]].scale
        least = np.abs(weights.bias.astype(np.float64)) / (
            float(source) * _BIAS
        )  # with less it would not fit into int32
        scales = np.maximum(weights.scales, least).astype(np.float32)  # (O,)
        column = np.reshape(weights.scales / scales, [-1 if a == layer.axis else 1 for a in range(weights.whole.ndim)])
        steps = (source * scales).astype(np.float32)
        bias = np.rint(weights.bias.astype(np.float64) / steps).astype(np.int32)
        name = layer.node.inputs[1].removesuffix(".weight")
        whole = self.dequantized(f"{name}.weight", np.rint(weights.whole * column).astype(np.int8), scales, layer.axis)
        if layer.node.op == "MatMul":
            return (whole,)
        return whole, self.dequantized(f"{name}.bias", bias, steps, 0)

    def dequantized(self, name: str, whole: Array, scales: Array, axis: int) -> str:
        operands = (
            self.constant(f"{name}/{whole.dtype.name}", whole),
            self.constant(f"{name}/scale", scales.astype(np.float32)),
            self.constant(f"{name}/zero", np.zeros(scales.shape, whole.dtype)),
        )
        back = self.name(f"{name}/float")
        self.nodes.append(Node("DequantizeLinear", operands, (back,), {"axis": axis}, back))
        return back

    def constant(self, wanted: str, value: Array) -> str:
        name = self.name(wanted)
        self.constants[name] = value
        return name

    def name(self, wanted: str) -> str:
        name = unused_name(wanted, self.taken)
        self.taken.add(name)
        return name

"""What a network costs, counted from its graph: multiply-accumulates, bytes moved, memory, depth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .graph import Graph, Node
from .ops import op_of
from .shape_rules import Dims
from .shapes import TensorType, infer_shapes, node_types


@dataclass(frozen=True)
class NodeCount:
    """The cost of one node.

    Attributes:
        name: of the node, or its first output.
        op: operator.
        shape: of the first output.
        macs: multiply-accumulates of convolutions and matrix products; of everything else 0.
        params: floating-point weights that it reads.
        bytes_weights: constants that it reads.
        bytes_read: activations that it reads.
        bytes_written: activations that it writes.
    """

    name: str
    op: str
    shape: Dims
    macs: int
    params: int
    bytes_weights: int
    bytes_read: int
    bytes_written: int


@dataclass(frozen=True)
class Count:
    """The cost of a network at one batch size.

    Attributes:
        nodes: the cost of each node, in execution order.
        macs: multiply-accumulates (what papers call FLOPs).
        params: floating-point weights; one that several nodes read counts once.
        bytes_weights: all constants once.
        bytes_moved: weights and activations read and written, node by node, nothing fused.
        peak_activation_bytes: most activations alive at one time, inputs and outputs included, nothing in place.
        depth: nodes on the longest way from an input to an output.
    """

    nodes: tuple[NodeCount, ...]
    macs: int
    params: int
    bytes_weights: int
    bytes_moved: int
    peak_activation_bytes: int
    depth: int


def count(graph: Graph, batch: int = 1, sizes: Mapping[str, Sequence[int]] | None = None) -> Count:
    """Count what a graph costs.

    Args:
        graph: any graph.
        batch: replaces an open first size of the inputs.
        sizes: full shapes by input name, for graphs that leave more than the first size open; None: with the size that
            the spec prepares pictures in.

    Raises:
        ShapeError, BadValue, UnknownName: as `infer_shapes`.
    """
    types = infer_shapes(graph, batch, _usual(graph, batch) if sizes is None else sizes)
    rows = tuple(_node_count(node, types, graph) for node in graph.nodes)
    return Count(
        nodes=rows,
        macs=sum(r.macs for r in rows),
        params=graph.params,
        bytes_weights=sum(int(c.nbytes) for c in graph.constants.values()),
        bytes_moved=sum(r.bytes_weights + r.bytes_read + r.bytes_written for r in rows),
        peak_activation_bytes=_peak(graph, types),
        depth=_depth(graph),
    )


def _usual(graph: Graph, batch: int) -> dict[str, tuple[int, ...]] | None:
    how = graph.spec.inputs[0].preparation if graph.spec.inputs else None
    if how is None or how.size is None or graph.spec.input.layout != "NCHW":
        return None
    usual = (batch, 1 if how.color == "GRAY" else 3, *how.size)
    value = graph.inputs[0]
    return {value.name: tuple(a or b for a, b in zip(value.shape, usual, strict=True))}


def _node_count(node: Node, types: Mapping[str, TensorType], graph: Graph) -> NodeCount:
    operands = [types[name] for name in node.inputs if name]
    attrs, outputs = node_types(node, operands)
    fixed = [graph.constants[name] for name in node.inputs if name in graph.constants]
    return NodeCount(
        name=node.name or node.outputs[0],
        op=node.op,
        shape=outputs[0].shape,
        macs=op_of(node).macs([o.shape for o in operands], outputs[0].shape, attrs),
        params=sum(int(c.size) for c in fixed if c.dtype.kind == "f"),
        bytes_weights=sum(int(c.nbytes) for c in fixed),
        bytes_read=sum(_bytes(types[name]) for name in node.inputs if name and name not in graph.constants),
        bytes_written=sum(map(_bytes, outputs)),
    )


def _peak(graph: Graph, types: Mapping[str, TensorType]) -> int:
    last_use = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    last_use |= {v.name: len(graph.nodes) for v in graph.outputs}
    alive = {v.name: _bytes(types[v.name]) for v in graph.inputs}
    peak = sum(alive.values())
    for i, node in enumerate(graph.nodes):
        alive |= {name: _bytes(types[name]) for name in node.outputs}
        peak = max(peak, sum(alive.values()))
        alive = {name: size for name, size in alive.items() if last_use.get(name, i) > i}
    return peak


def _depth(graph: Graph) -> int:
    depth: dict[str, int] = {}
    for node in graph.nodes:
        depth |= dict.fromkeys(node.outputs, 1 + max((depth.get(name, 0) for name in node.inputs), default=0))
    return max((depth.get(v.name, 0) for v in graph.outputs), default=0)


def _bytes(kind: TensorType) -> int:
    return kind.elements * np.dtype(kind.dtype).itemsize

"""Half-size files: weights stored and computed in float16, inputs and outputs left in float32."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..errors import BadValue
from .graph import Array, Graph, Node, unused_name

_LARGEST = float(np.finfo(np.float16).max)


def to_float16(graph: Graph) -> Graph:
    """Store and compute a float32 graph in float16; Casts stand at its float32 inputs and outputs.

    Returns:
        A new graph with the inputs, outputs and spec of the given one.

    Raises:
        BadValue: a weight is beyond float16's largest value, 65504; all such are named.
    """
    taken = {*graph.constants, *(v.name for v in graph.inputs), *(n for node in graph.nodes for n in node.outputs)}
    inner = {
        v.name: unused_name(f"{v.name}/float16", taken) for v in (*graph.inputs, *graph.outputs) if v.dtype == "float32"
    }
    nodes = [_half(node, inner) for node in graph.nodes]
    before = [_cast(v.name, inner[v.name], "float16") for v in graph.inputs if v.name in inner]
    after = [_cast(inner[v.name], v.name, "float32") for v in graph.outputs if v.name in inner]
    return replace(graph, nodes=(*before, *nodes, *after), constants=_half_constants(graph.constants))


def _half(node: Node, inner: Mapping[str, str]) -> Node:
    inputs, outputs = (tuple(inner.get(n, n) for n in side) for side in (node.inputs, node.outputs))
    attrs = {k: "float16" if k in ("to", "dtype") and v == "float32" else v for k, v in node.attrs.items()}
    return replace(node, inputs=inputs, outputs=outputs, attrs=attrs)


def _cast(source: str, target: str, dtype: str) -> Node:
    return Node("Cast", (source,), (target,), {"to": dtype}, f"{target}/cast")


def _half_constants(constants: Mapping[str, Array]) -> dict[str, Array]:
    floats = {name: c for name, c in constants.items() if c.dtype == np.float32}
    beyond = [f"{name} ({np.abs(c).max():.3g})" for name, c in floats.items() if c.size and np.abs(c).max() > _LARGEST]
    if beyond:
        raise BadValue(f"weights beyond float16's {_LARGEST:.0f}: {', '.join(beyond)}; write this network as float32")
    return {**constants, **{name: c.astype(np.float16) for name, c in floats.items()}}

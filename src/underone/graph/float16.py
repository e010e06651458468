"""Half-size files: weights stored and computed in float16, inputs and outputs left in float32."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from ..errors import BadValue
from .graph import Array, Graph, Node, unused_name

_LARGEST = float(np.finfo(np.float16).max)


def with_half_weights(graph: Graph) -> Graph:
    """Round the weights of products to values that float16 holds, each taking over what the one before it lost.

    The errors of one output then add up to nothing. What follows a ReLU has a mean above 0, and neighbours in a picture
    are alike, so their sum is what counts: rounded each for itself, the weights of TensorFlow's MobileNet V1 move its
    answers by an NMSE of 9e-5 on a photograph and 8e-3 on grey; rounded so, by 1e-5 and 2e-4. The principle is that of
    SQuant (Guo et al. 2022, arXiv 2202.07471), which does it for few bits.

    Returns:
        A new graph, its weights still of float32; those that are computed, or have few bits already, stay.

    Raises:
        BadValue: such a weight is beyond float16's largest value, 65504; all such are named.
    """
    axes = {name: axis for name, axis in axes_of_weights(graph) if graph.constants[name].dtype == np.float32}
    _require_fitting({name: graph.constants[name] for name in axes})
    rounded = {name: _carried(graph.constants[name], axis) for name, axis in axes.items()}
    return replace(graph, constants={**graph.constants, **rounded})


def axes_of_weights(graph: Graph) -> Iterator[tuple[str, int]]:
    """Give each constant that is a weight of a convolution or a matrix product, with the axis of its outputs."""
    for node in graph.nodes:
        if node.op in ("Conv", "Gemm") and node.inputs[1] in graph.constants:
            yield node.inputs[1], 0 if node.op == "Conv" or node.attrs.get("transB") else 1


def _carried(weight: Array, axis: int) -> Array:
    rows = np.moveaxis(weight, axis, 0)
    exact = rows.reshape(len(rows), -1).astype(np.float64)
    rounded, lost = np.empty_like(exact), np.zeros(len(rows))
    for i, column in enumerate(exact.T):
        near = np.clip(column + lost, -_LARGEST, _LARGEST).astype(np.float16)
        rounded[:, i] = np.where(column == 0, 0, near)  # what was pruned stays so
        lost += column - rounded[:, i]
    return np.ascontiguousarray(np.moveaxis(rounded.reshape(rows.shape), 0, axis), np.float32)


def to_float16(graph: Graph) -> Graph:
    """Store and compute a float32 graph in float16; Casts stand at its float32 inputs and outputs.

    Returns:
        A new graph with the inputs, outputs and spec of the given one.

    Raises:
        BadValue: a weight is beyond float16's largest value, 65504; all such are named.
    """
    taken = graph.names()
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
    _require_fitting(constants)
    return {name: c.astype(np.float16) if c.dtype == np.float32 else c for name, c in constants.items()}


def _require_fitting(constants: Mapping[str, Array]) -> None:
    sizes = {name: np.abs(c).max(initial=0) for name, c in constants.items() if c.dtype == np.float32}
    beyond = [f"{name} ({size:.3g})" for name, size in sizes.items() if size > _LARGEST]
    if beyond:
        raise BadValue(f"weights beyond float16's {_LARGEST:.0f}: {', '.join(beyond)}; write this network as float32")

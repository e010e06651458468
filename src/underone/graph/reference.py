"""The reference interpreter: runs a graph with plain numpy, one operator after the other. The oracle of all engines."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import BadValue, ShapeError
from .graph import Array, Graph, Node
from .numpy_ops import KERNELS
from .shapes import TensorType, label, node_types


def run_reference(graph: Graph, inputs: Mapping[str, Array], dtype: Any = np.float32) -> dict[str, Array]:
    """Run a graph.

    Args:
        graph: any graph.
        inputs: arrays by input name, in the shapes and dtypes of `graph.inputs`.
        dtype: float32: every tensor has the dtype that the graph gives it, and float16 operators compute in float32 and
            round their result; float64: all floating-point tensors are float64 and nothing is rounded.

    Returns:
        New arrays by output name.

    Raises:
        ShapeError: inputs are missing, unknown or misshapen, or operands do not fit; the node is named.
        BadValue: dtype is neither float32 nor float64.
        UnknownName: an operator is not in the table.
    """
    kept = {v.name for v in graph.outputs}
    found = {name: a for name, a in _given(graph, inputs, dtype).items() if name in kept}
    for node, results in run_nodes(graph, inputs, dtype):
        found |= {name: a for name, a in zip(node.outputs, results, strict=True) if name in kept}
    return {name: np.array(found[name]) for name in kept}


def run_nodes(graph: Graph, inputs: Mapping[str, Array], dtype: Any = np.float32) -> Iterator[tuple[Node, list[Array]]]:
    """Run a graph as `run_reference` does, and give each node with its results, in execution order.

    Raises:
        ShapeError, BadValue, UnknownName: as `run_reference`.
    """
    tensors = _given(graph, inputs, dtype)
    last_use = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    for i, node in enumerate(graph.nodes):
        operands = [tensors[name] for name in node.inputs if name]
        with np.errstate(all="ignore"):  # infinities are results, not accidents
            results = run_node(node, operands, np.dtype(dtype) == np.float64)
        yield node, results
        tensors |= zip(node.outputs, results, strict=True)
        for name in {*node.inputs, *node.outputs}:
            if last_use.get(name, i) == i:
                tensors.pop(name, None)  # nobody reads it any more


def _given(graph: Graph, inputs: Mapping[str, Array], dtype: Any) -> dict[str, Array]:
    """Give constants and inputs in the dtypes that they are calculated in."""
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise BadValue(f"dtype is {np.dtype(dtype)}; float32 or float64 is required")
    exact = np.dtype(dtype) == np.float64
    given = dict(graph.constants) | check_inputs(graph, inputs, exact)
    return {name: np.asarray(a, _stored(a.dtype.name, exact)) for name, a in given.items()}


def run_node(node: Node, operands: list[Array], exact: bool = False) -> list[Array]:
    """Run one node.

    Args:
        node: its operator must be in the table.
        operands: the operands that are present.
        exact: leave every floating-point result float64.

    Raises:
        ShapeError, BadValue, UnknownName: the node does not fit its operands.
    """
    attrs, types = node_types(node, [TensorType(a.shape, a.dtype.name) for a in operands])
    if node.op == "Cast":
        attrs = {"to": _stored(attrs["to"], exact)}
    wide = [a.astype(np.float32) if a.dtype == np.float16 else a for a in operands]
    made = KERNELS[node.op](attrs, *wide)
    results = []
    for result, (shape, dtype) in zip(made if isinstance(made, list) else [made], types, strict=True):
        if np.shape(result) != shape:
            raise ShapeError(f"{label(node)} gave {np.shape(result)}; its shape rule says {shape}")
        results.append(np.asarray(result, _stored(dtype, exact)))
    return results


def check_inputs(graph: Graph, inputs: Mapping[str, Array], exact: bool = False) -> dict[str, Array]:
    """Give the inputs as arrays, after a look at names, dtypes and shapes; `exact` takes float64 for every float.

    Raises:
        ShapeError: names, dtypes or shapes are not those of `graph.inputs`; all faults at once.
    """
    arrays = {name: np.asarray(a) for name, a in inputs.items()}
    wanted = {v.name: v for v in graph.inputs}
    faults = [f"{n!r} is missing" for n in wanted if n not in arrays] + [
        f"{n!r} is unknown" for n in arrays if n not in wanted
    ]
    for name in wanted.keys() & arrays.keys():
        a, v = arrays[name], wanted[name]
        fits = a.ndim == len(v.shape) and all(d in (None, s) for s, d in zip(a.shape, v.shape, strict=True))
        if not fits or not (a.dtype == v.dtype or (exact and a.dtype == np.float64 and np.dtype(v.dtype).kind == "f")):
            faults.append(f"{name!r} is {a.dtype} {a.shape}, {v.dtype} {v.shape} is required (None: any size)")
    if faults:
        raise ShapeError("inputs do not fit: " + "; ".join(sorted(faults)))
    return arrays


def _stored(dtype: str, exact: bool) -> str:
    return "float64" if exact and np.dtype(dtype).kind == "f" else dtype

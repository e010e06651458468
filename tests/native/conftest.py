"""Plans made of nothing but plain steps, without the compiler in front."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from underone.graph import Graph, infer_shapes
from underone.graph.shapes import label, node_types

native = pytest.importorskip("underone._native", reason="the native module is not built")


def plan(graph: Graph, isa: str, sizes: Mapping[str, tuple[int, ...]]) -> Any:
    """Write every node of a graph as one plain step."""
    types = infer_shapes(graph, sizes=sizes)
    number = {name: i for i, name in enumerate(types)}
    steps = []
    for node in graph.nodes:
        full, _ = node_types(node, [types[name] for name in node.inputs if name])
        attrs = {name: value for name, value in full.items() if value is not None}
        operands = [number[name] if name else -1 for name in node.inputs]
        steps.append((node.op, label(node), attrs, operands, [number[name] for name in node.outputs]))
    constants = {number[name]: np.asarray(c, order="C") for name, c in graph.constants.items()}
    tensors = [(t.dtype, list(t.shape), -1) for t in types.values()]
    inputs, outputs = ([number[v.name] for v in side] for side in (graph.inputs, graph.outputs))
    return native.Plan(tensors, constants, steps, inputs, outputs, isa=isa)


@pytest.fixture(scope="session")
def run_plain() -> Callable[..., dict[str, Any]]:
    """Return a function (graph, inputs, isa) -> outputs by name."""

    def run(graph: Graph, inputs: Mapping[str, Any], isa: str) -> dict[str, Any]:
        arrays = {name: np.asarray(a, order="C") for name, a in inputs.items()}
        made = plan(graph, isa, {name: a.shape for name, a in arrays.items()})
        outputs = made.run([arrays[v.name] for v in graph.inputs])
        return dict(zip([v.name for v in graph.outputs], outputs, strict=True))

    return run


@pytest.fixture(scope="session")
def plain_plan() -> Callable[..., Any]:
    """Return a function (graph, isa, sizes by input) -> Plan."""
    return plan


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `isa` once per instruction set of this processor."""
    if "isa" in metafunc.fixturenames:
        metafunc.parametrize("isa", [isa for isa in native.isas() if isa != "amx"])

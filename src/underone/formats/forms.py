"""The forms of a network that can be compared: a torch module, a Graph, a file on an engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..graph import Graph, run_reference
from ..graph.graph import Array
from ..graph.onnx_file import with_borders
from ..runtime import Engine
from ..spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Form:
    """Something that runs.

    Attributes:
        by: what calculates: ``torch``, ``reference`` or the name of an engine.
        spec: its inputs and outputs.
        run: from arrays by input name to arrays by output name.
        graph: gives the same network as a Graph, to see what rounding does to it; None: there is none.
    """

    by: str
    spec: ModelSpec
    run: Callable[[Mapping[str, Array]], dict[str, Array]]
    graph: Callable[[], Graph] | None = None


def of_graph(graph: Graph) -> Form:
    """Run a Graph in the reference interpreter."""
    spec = with_borders(graph.spec, graph.inputs, graph.outputs)
    return Form("reference", spec, lambda inputs: run_reference(graph, inputs), lambda: graph)


def of_engine(engine: Engine, graph: Callable[[], Graph] | None = None) -> Form:
    """Run a file on an engine; `graph` reads the same file."""
    return Form(engine.backend, engine.spec, lambda inputs: engine.run(inputs), graph)


def of_module(model: "nn.Module", graph: Graph) -> Form:
    """Run a torch module; `graph` is its trace."""
    from ..trace import as_function  # torch is needed for torch models only

    run = as_function(model, [output.name for output in graph.spec.outputs])
    return Form("torch", graph.spec, run, lambda: graph)

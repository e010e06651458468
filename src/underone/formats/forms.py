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
    """

    by: str
    spec: ModelSpec
    run: Callable[[Mapping[str, Array]], dict[str, Array]]


def of_graph(graph: Graph) -> Form:
    """Run a Graph in the reference interpreter."""
    return Form(
        "reference", with_borders(graph.spec, graph.inputs, graph.outputs), lambda inputs: run_reference(graph, inputs)
    )


def of_engine(engine: Engine) -> Form:
    """Run a file on an engine."""
    return Form(engine.backend, engine.spec, lambda inputs: engine.run(inputs))


def of_module(model: "nn.Module", spec: ModelSpec) -> Form:
    """Run a torch module; `spec` is that of its traced Graph."""
    from ..trace import as_function  # torch is needed for torch models only

    return Form("torch", spec, as_function(model, [output.name for output in spec.outputs]))

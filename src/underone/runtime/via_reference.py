"""Run with the reference interpreter: plain numpy, slow, obvious, always there."""

from collections.abc import Mapping

import numpy as np

from ..graph import Graph, read_onnx, run_reference
from ..graph.integer_form import integer_convolutions
from .backends import Array
from .model_file import ModelFile


class Reference:
    """A graph; nothing changes while it runs, so clones share it."""

    def __init__(self, graph: Graph, dtype: type[np.floating]) -> None:
        self.graph = graph
        self.dtype = dtype

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once."""
        results = run_reference(self.graph, inputs, self.dtype)
        return {output.name: results[output.name] for output in self.graph.outputs}

    def clone(self) -> "Reference":
        """Share the graph."""
        return Reference(self.graph, self.dtype)


def open_model(file: ModelFile, threads: int, precision: str) -> Reference:  # noqa: ARG001
    """Open a file. Threads are those that numpy's own BLAS was started with: it cannot be told afterwards.

    Raises:
        BadFile, Unsupported: as `read_onnx`.
    """
    graph = integer_convolutions(read_onnx(file.content, file.name))  # what is quantised is summed in whole numbers
    return Reference(graph, np.float32)

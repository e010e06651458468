"""Run with PyTorch: the Graph, node by node, in torch's own operators."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch

from ..errors import BadFile, UnderOneError
from ..graph import Graph, read_onnx
from .backends import Array
from .model_file import ModelFile
from .torch_ops import OPERATORS, bound
from .walk import Walk, require_operators


class Torch:
    """A graph and its constants as tensors; clones share both."""

    def __init__(self, graph: Graph, constants: Mapping[str, torch.Tensor], threads: int, name: str) -> None:
        self.graph = graph
        self.constants = constants
        self.threads = threads
        self.name = name
        self.walk = Walk(graph, bound)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once. torch's threads are one setting of the process: it is restored afterwards."""
        try:
            with torch.inference_mode(), _threads(self.threads):
                found = self.walk(self.constants, {name: torch.tensor(array) for name, array in inputs.items()})
        except UnderOneError:
            raise
        except RuntimeError as error:
            raise BadFile(f"{self.name}: torch cannot run it: {str(error).splitlines()[0]}") from error
        return {
            v.name: np.array(x.numpy()) for v, x in zip(self.graph.outputs, found, strict=True)
        }  # copies: never an input itself

    def clone(self) -> "Torch":
        """Share the graph and its constants."""
        return Torch(self.graph, self.constants, self.threads, self.name)


def open_model(file: ModelFile, threads: int, precision: str) -> Torch:  # noqa: ARG001 - float32 alone
    """Open a file.

    Raises:
        BadFile: as `read_onnx`.
        Unsupported: as `read_onnx`, or torch's table lacks an operator; all are named at once.
    """
    graph = read_onnx(file.content, file.name)
    require_operators(graph, OPERATORS, "torch", file.name)
    constants = {name: torch.tensor(value) for name, value in graph.constants.items()}
    return Torch(graph, constants, threads, file.name)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)

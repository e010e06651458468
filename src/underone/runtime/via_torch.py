"""Run with PyTorch: the Graph, node by node, in torch's own operators."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from ..errors import BadFile, UnderOneError, Unsupported
from ..graph import Graph, read_onnx
from .backends import Array
from .model_file import ModelFile
from .torch_ops import OPERATORS, Bound, bound


class Torch:
    """A graph and its constants as tensors; clones share both."""

    def __init__(self, graph: Graph, constants: Mapping[str, torch.Tensor], threads: int, name: str) -> None:
        self.graph = graph
        self.constants = constants
        self.threads = threads
        self.name = name
        self.bound: tuple[Any, list[Bound]] = (None, [])  # operators with their attributes, for the last input shapes

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once. torch's threads are one setting of the process: it is restored afterwards."""
        try:
            with torch.inference_mode(), _threads(self.threads):
                tensors = self._run({name: torch.tensor(array) for name, array in inputs.items()})
        except UnderOneError:
            raise
        except RuntimeError as error:
            raise BadFile(f"{self.name}: torch cannot run it: {str(error).splitlines()[0]}") from error
        return {name: np.array(tensor.numpy()) for name, tensor in tensors.items()}  # copies: never an input itself

    def clone(self) -> "Torch":
        """Share the graph and its constants."""
        return Torch(self.graph, self.constants, self.threads, self.name)

    def _run(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        shapes = [tensor.shape for tensor in inputs.values()]
        if self.bound[0] != shapes:
            self.bound = (shapes, [])
        steps = self.bound[1]
        tensors = dict(self.constants) | inputs
        for i, node in enumerate(self.graph.nodes):
            operands = [tensors[name] if name else None for name in node.inputs]
            if i == len(steps):
                steps.append(bound(node, operands))
            results = steps[i](*operands)
            tensors.update(zip(node.outputs, results if isinstance(results, tuple) else (results,), strict=True))
        return {output.name: tensors[output.name] for output in self.graph.outputs}


def open_model(file: ModelFile, threads: int, precision: str) -> Torch:  # noqa: ARG001 - float32 alone
    """Open a file.

    Raises:
        BadFile: as `read_onnx`.
        Unsupported: as `read_onnx`, or torch's table lacks an operator; all are named at once.
    """
    graph = read_onnx(file.content, file.name)
    lacking = Counter(node.op for node in graph.nodes if node.op not in OPERATORS)
    if lacking:
        named = ", ".join(f"{op} ({count})" for op, count in sorted(lacking.items()))
        raise Unsupported(f"{file.name}: backend 'torch' lacks the operators {named}; use backend 'reference'")
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

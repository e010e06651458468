"""Run with Apple's MLX on its default device, the GPU of a Mac: the Graph, channels last, in float32 or float16.

What stands here was run on MLX's CPU build for Linux.
"""

from collections.abc import Mapping
from typing import Any

import mlx.core as mx
import numpy as np

from ..errors import BadFile, UnderOneError
from ..graph import Graph, read_onnx
from .backends import Array
from .mlx_ops import OPERATORS, bound, channels_first, channels_last
from .model_file import ModelFile
from .walk import Walk, require_operators


class Mlx:
    """A graph and its constants on the device; clones share both."""

    def __init__(self, graph: Graph, constants: Mapping[str, Any], half: bool, name: str) -> None:
        self.graph = graph
        self.constants = constants
        self.half = half
        self.name = name
        self.walk = Walk(graph, bound)
        self.stream = mx.new_thread_unsafe_stream(mx.default_device())  # any thread calls, one at a time

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once."""
        try:
            with mx.stream(self.stream):
                given = {name: self._given(array) for name, array in inputs.items()}
                found = [channels_first(x) for x in self.walk(self.constants, given)]
                mx.eval(found)  # until here nothing was calculated
        except UnderOneError:
            raise
        except (RuntimeError, ValueError) as error:
            raise BadFile(f"{self.name}: MLX cannot run it: {str(error).splitlines()[0]}") from error
        return {v.name: np.array(x, v.dtype) for v, x in zip(self.graph.outputs, found, strict=True)}

    def clone(self) -> "Mlx":
        """Share the graph and its constants."""
        return Mlx(self.graph, self.constants, self.half, self.name)

    def _given(self, array: Array) -> Any:
        x = mx.array(array)
        return channels_last(_half(x) if self.half else x)


def open_model(file: ModelFile, threads: int, precision: str) -> Mlx:  # noqa: ARG001
    """Open a file. Threads are MLX's own affair: it cannot be told.

    Raises:
        BadFile: as `read_onnx`.
        Unsupported: as `read_onnx`, or the table lacks an operator; all are named at once.
    """
    graph = read_onnx(file.content, file.name)
    require_operators(graph, OPERATORS, "mlx", file.name)
    half = precision == "float16"
    arrays = {name: mx.array(value) for name, value in graph.constants.items()}
    constants = {name: channels_last(_half(x) if half else x) for name, x in arrays.items()}
    mx.eval(list(constants.values()))  # afterwards they belong to no thread
    return Mlx(graph, constants, half, file.name)


def _half(x: Any) -> Any:
    return x.astype(mx.float16) if x.dtype == mx.float32 else x

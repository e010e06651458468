"""What runs in the Python that has executorch: ONNX → torch → .pte with XNNPACK, and .pte → outputs.

`write NET.onnx NET.pte` makes a program. `run NET.pte` answers each line on standard input, the path of an .npy file,
with an .npz file of the outputs in their order, whose path it prints.
"""

import os
import sys
from pathlib import Path
from typing import TextIO

import numpy as np
import torch

from ...graph import Graph, infer_shapes, read_onnx
from ...runtime.torch_ops import bound


class Network(torch.nn.Module):
    """A Graph in torch's operators; weights are buffers."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.names = {name: f"constant_{i}" for i, name in enumerate(graph.constants)}
        for name, value in graph.constants.items():
            self.register_buffer(self.names[name], torch.tensor(value))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give all outputs, in their order."""
        tensors = {name: getattr(self, buffer) for name, buffer in self.names.items()}
        tensors[self.graph.inputs[0].name] = image
        for node in self.graph.nodes:
            operands = [tensors[name] if name else None for name in node.inputs]
            results = bound(node, operands)(*operands)
            tensors.update(zip(node.outputs, results if isinstance(results, tuple) else (results,), strict=True))
        return tuple(tensors[value.name] for value in self.graph.outputs)


def write(source: Path, target: Path) -> None:
    """Lower a network for pictures of its own size, one at a time, to XNNPACK."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    graph = read_onnx(source)
    image = torch.zeros(infer_shapes(graph)[graph.inputs[0].name].shape)
    program = torch.export.export(Network(graph).eval(), (image,))
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    target.write_bytes(lowered.to_executorch().buffer)


def run(program: Path, answers: TextIO) -> None:
    """Answer every line on standard input."""
    from executorch.runtime import Runtime

    method = Runtime.get().load_program(program).load_method("forward")
    for line in sys.stdin:
        given = Path(line.strip())
        found = method.execute([torch.from_numpy(np.load(given))])
        answer = given.with_suffix(".npz")
        np.savez(answer, *(tensor.numpy() for tensor in found))
        print(answer, file=answers)


def main(arguments: list[str]) -> None:
    """Do what the first argument says."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    torch.set_num_threads(1)
    if arguments[0] == "write":
        write(Path(arguments[1]), Path(arguments[2]))
    else:
        run(Path(arguments[1]), answers)


if __name__ == "__main__":
    main(sys.argv[1:])

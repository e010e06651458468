"""An ONNX file as a torch module, for vendors whose converters read torch alone."""

from pathlib import Path

import torch

from underone.graph import read_onnx
from underone.graph.ops import attributes
from underone.runtime.torch_ops import OPERATORS


class GraphModule(torch.nn.Module):
    """The Graph of a file, node by node in torch's operators; weights are buffers."""

    def __init__(self, path):
        super().__init__()
        self.graph = read_onnx(Path(path).read_bytes(), path)
        self.names = {name: f"constant_{i}" for i, name in enumerate(self.graph.constants)}
        for name, value in self.graph.constants.items():
            self.register_buffer(self.names[name], torch.tensor(value))

    def image(self):
        """Return an empty picture of the file's own size; 224 pixels where that is open."""
        batch, channels, *size = self.graph.inputs[0].shape
        return torch.zeros(batch or 1, channels, *(side or 224 for side in size))

    def forward(self, image):
        """Return the first output."""
        tensors = {name: getattr(self, buffer) for name, buffer in self.names.items()}
        tensors[self.graph.inputs[0].name] = image
        for node in self.graph.nodes:
            operands = [tensors[name] if name else None for name in node.inputs]
            shapes = [tuple(t.shape) for t in operands if t is not None]
            result = OPERATORS[node.op](attributes(node.op, node.attrs, shapes), *operands)
            tensors.update(zip(node.outputs, result if isinstance(result, tuple) else (result,), strict=True))
        return tensors[self.graph.outputs[0].name]

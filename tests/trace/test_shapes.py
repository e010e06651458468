"""Sizes of what is resized: the file gives the ones that torch gave."""

import onnxruntime
import pytest
import torch
import torch.nn.functional as F

from underone.graph import to_onnx
from underone.graph.shapes import infer_shapes
from underone.spec import IMAGENET_PREPARATION, InputSpec, ModelSpec
from underone.trace import trace


class Enlarged(torch.nn.Module):
    """A picture, enlarged to a size."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        return F.interpolate(torch.relu(x), self.size, mode="bilinear")


@pytest.mark.parametrize(
    ("before", "after"), [((19, 7), (73, 31)), ((33, 41), (129, 161)), ((8, 9), (24, 36))], ids=str
)
def test_enlarged_picture_has_its_size_in_every_engine(before, after):
    """The float32 that is nearest to 73 / 19 is below it: 19 times that are 72 whole pixels in onnxruntime."""
    image = InputSpec(name="x", shape=(None, 3, *before), preparation=IMAGENET_PREPARATION)
    graph = trace(Enlarged(after), ModelSpec(name="enlarged", inputs=(image,)))
    assert infer_shapes(graph)[graph.outputs[0].name].shape[2:] == after
    x = torch.rand(1, 3, *before)
    (got,) = onnxruntime.InferenceSession(to_onnx(graph)).run(None, {graph.inputs[0].name: x.numpy()})
    torch.testing.assert_close(torch.from_numpy(got), Enlarged(after)(x), rtol=1e-5, atol=1e-5)

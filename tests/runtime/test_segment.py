"""`Engine.segment` on files that take pictures of any size: the mask lies where the network saw it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto as T
from onnx import helper

from underone import load
from underone.errors import BadValue
from underone.image import photograph, prepare
from underone.spec import IMAGENET_PREPARATION, InputSpec, ModelSpec, OutputSpec, SegmentationSpec

PICTURE = photograph()[:136, :200]


@pytest.fixture
def segmenter(write_onnx):
    """Return a function (alignment, size) -> file of the means of patches of 8 x 8, mixed into four classes."""

    def write(alignment, size=None):
        mixed = np.random.default_rng(0).normal(0, 1, (4, 3, 1, 1)).astype(np.float32)
        nodes = [
            helper.make_node("AveragePool", ["image"], ["m"], kernel_shape=[8, 8], strides=[8, 8]),
            helper.make_node("Conv", ["m", "w"], ["logits"]),
        ]
        how = IMAGENET_PREPARATION.whole().model_copy(update={"size": size})
        spec = ModelSpec(
            name="patches",
            task="segment",
            inputs=(InputSpec(shape=(None, 3, None, None), preparation=how),),
            outputs=(OutputSpec(name="logits", shape=(None, 4, None, None), meaning="logits"),),
            segmentation=SegmentationSpec(alignment=alignment),
        )
        borders = [("image", T.FLOAT, ["n", 3, "h", "w"])], [("logits", T.FLOAT, ["n", 4, "y", "x"])]
        return write_onnx(nodes, {"w": mixed}, *borders, spec)

    return write


def laid_on(maps, size, seen):
    """Return the class of each pixel by torch: the maps' corner points are the corner pixels of a tensor `seen`."""
    places = [(np.arange(n) + 0.5) * of / n - 0.5 for n, of in zip(size, seen, strict=True)]
    y, x = (torch.from_numpy(2 * place / (of - 1) - 1) for place, of in zip(places, seen, strict=True))
    grid = torch.stack([x[None, :].expand(*size), y[:, None].expand(*size)], dim=2)[None]  # (1, H, W, 2)
    large = F.grid_sample(torch.from_numpy(maps).double(), grid, padding_mode="border", align_corners=True)
    return large[0].argmax(0).numpy()


@pytest.mark.parametrize(("given", "usual"), [((97, 129), None), (None, (65, 80)), ((97, 129), (65, 80))])
def test_corners_lie_on_those_of_the_tensor_whatever_its_size(segmenter, given, usual):
    seen = given or usual
    with load(segmenter("corners", usual), threads=1) as net:
        maps = net.run(prepare(PICTURE, net.spec.input, seen))["logits"]
        said = net.segment(PICTURE, size=given).mask
    assert (said == laid_on(maps, (136, 200), seen)).mean() > 0.9999  # float32 beside float64
    assert (said == laid_on(maps, (136, 200), (136, 200))).mean() < 0.9995  # had it been prepared in its own size


@pytest.mark.parametrize("alignment", ["corners", "borders"])
def test_a_tensor_of_the_pictures_size_is_enlarged_as_torch_does_it(segmenter, alignment):
    with load(segmenter(alignment), threads=1) as net:
        maps = torch.from_numpy(net.run(prepare(PICTURE, net.spec.input, (136, 200)))["logits"])
        said = net.segment(PICTURE, size=(136, 200)).mask
    large = F.interpolate(maps, (136, 200), mode="bilinear", align_corners=alignment == "corners")
    assert (said == large[0].argmax(0).numpy()).mean() > 0.9999


def test_tiles_are_prepared_in_the_size_that_is_asked_for(segmenter):
    with load(segmenter("corners"), threads=1) as net:
        tiles = net.segment(PICTURE, size=(65, 65), tiled=True).mask
        first = net.segment(PICTURE[:65, :65], size=(65, 65)).mask
        np.testing.assert_array_equal(tiles[:45, :45], first[:45, :45])
        with pytest.raises(BadValue, match=r"takes any size, .*; pass size=\(height, width\)"):
            net.segment(PICTURE, tiled=True)

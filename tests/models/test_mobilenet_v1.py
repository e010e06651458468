import re

import pytest
import timm
import torch

from underone.compare import difference
from underone.errors import BadValue, UnknownName
from underone.models.build import build_model
from underone.models.mobilenet_v1 import MobileNetV1, scaled
from underone.models.table import MODELS, canonical
from underone.nn.conv import Conv2dBottomRight, Conv2dSame
from underone.nn.macs import count_macs

WIDTHS = {"025": 0.25, "050": 0.5, "075": 0.75, "100": 1.0}
NAMES = {f"mobilenet_v1_{name}": width for name, width in WIDTHS.items()}

# The stem and the blocks where the channels change, as in TensorFlow's checkpoints
CHANNELS = {
    "mobilenet_v1_100": [32, 64, 128, 256, 512, 1024],
    "mobilenet_v1_075": [24, 48, 96, 192, 384, 768],
    "mobilenet_v1_050": [16, 32, 64, 128, 256, 512],
    "mobilenet_v1_025": [8, 16, 32, 64, 128, 256],
}
# Millions of MACs at 224 px with 1001 classes, and millions of parameters: tensorflow/models,
# slim/nets/mobilenet_v1.md, except for 0.75, where the network has more MACs than the 317 printed there
MACS = {"mobilenet_v1_100": 569, "mobilenet_v1_075": 325.4, "mobilenet_v1_050": 150, "mobilenet_v1_025": 41}
PARAMS = {"mobilenet_v1_100": 4.24, "mobilenet_v1_075": 2.59, "mobilenet_v1_050": 1.34, "mobilenet_v1_025": 0.47}


@pytest.mark.parametrize("name", NAMES)
def test_channels_are_those_of_the_checkpoints(name):
    levels = ("stem", "block0", "block2", "block4", "block10", "block12")
    assert [f.channels for f in build_model(name, features=levels).features] == CHANNELS[name]


@pytest.mark.parametrize("form", ["training", "folded"])
@pytest.mark.parametrize("name", NAMES)
def test_macs_are_the_published(name, form):
    model = build_model(name, num_classes=1001, form=form).eval()
    millions = count_macs(model, torch.zeros(1, 3, 224, 224)) / 1e6
    assert abs(millions - MACS[name]) < 0.6  # printed without decimals
    if name != "mobilenet_v1_075":
        assert abs(MODELS[name].published.macs / 1e6 - MACS[name]) <= 0.5


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_the_published(name):
    model = build_model(name, num_classes=1001)
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    assert abs(millions - PARAMS[name]) <= 0.01
    assert MODELS[name].published.params / 1e6 == pytest.approx(PARAMS[name])


def test_width_1_has_the_parameters_of_timms():
    assert sum(p.numel() for p in build_model("mobilenet_v1_100").parameters()) == 4_231_976


def from_timm(key):
    """Name a tensor of timm's MobileNet V1 as ours."""
    starts = (0, 1, 3, 5, 11)  # our number of the first block of each stage
    if stage := re.match(r"blocks\.(\d)\.(\d)\.", key):
        block = f"backbone.blocks.{starts[int(stage[1])] + int(stage[2])}."
        layers = {
            "conv_dw": "depthwise.conv",
            "bn1": "depthwise.bn",
            "conv_pw": "pointwise.conv",
            "bn2": "pointwise.bn",
        }
        layer, tensor = key[stage.end() :].split(".")
        return f"{block}{layers[layer]}.{tensor}"
    outside = {"conv_stem": "backbone.stem.conv", "bn1": "backbone.stem.bn", "classifier": "head"}
    layer, tensor = key.split(".")
    return f"{outside[layer]}.{tensor}"


def test_same_weights_give_timms_answer(randomize_statistics):
    theirs = randomize_statistics(timm.create_model("mobilenetv1_100", num_classes=12)).eval()
    ours = build_model("mobilenet_v1_100", num_classes=12).eval()
    ours.load_state_dict({from_timm(k): v for k, v in theirs.state_dict().items()})
    image = torch.randn(2, 3, 97, 64)
    with torch.no_grad():
        nmse, peak = difference(ours(image), theirs(image))
    assert nmse <= 1e-12
    assert peak <= 1e-5


def test_aliases_are_known():
    assert canonical("mobilenetv1_100") == canonical("mobilenet_v1") == "mobilenet_v1_100"


def test_channels_are_cut_off_not_rounded():
    assert [scaled(c, 0.33) for c in (32, 64, 1024)] == [10, 21, 337]
    assert scaled(32, 0.2) == 8
    assert scaled(32, 0.2, min_depth=16) == 16
    assert MobileNetV1(0.25, min_depth=16, features=("stem",)).features[0].channels == 16


def test_channels_can_be_given():
    channels = [8, *range(10, 23)]
    backbone = MobileNetV1(channels=channels, features=("stem", *(f"block{i}" for i in range(13))))
    assert [f.channels for f in backbone.features] == channels
    assert backbone(torch.zeros(2, 3, 64, 64))["block12"].shape == (2, 22, 2, 2)


@pytest.mark.parametrize(
    ("output_stride", "strides"), [(8, [2, 4, 8, 8, 8]), (16, [2, 4, 8, 16, 16]), (32, [2, 4, 8, 16, 32])]
)
@pytest.mark.parametrize("padding", ["symmetric", "tf_same"])
def test_output_stride_keeps_maps_large(output_stride, strides, padding):
    name = "mobilenet_v1_025"
    backbone = build_model(name, features=MODELS[name].levels, output_stride=output_stride, padding=padding)
    maps = backbone(torch.zeros(2, 3, 96, 65))
    assert [m.shape[2:] for m in maps.values()] == [(-(-96 // s), -(-65 // s)) for s in strides]
    assert [f.stride for f in backbone.features] == strides


def test_dilation_is_that_of_slim():
    backbone = build_model("mobilenet_v1_025", features=("block12",), output_stride=8)
    # Conv2d_6 and Conv2d_12 lose their stride and keep the old rate, the layers after them have the new one
    assert [b.depthwise.conv.dilation[0] for b in backbone.blocks] == [1] * 6 + [2] * 6 + [4]
    assert all(b.depthwise.conv.stride == (1, 1) for b in backbone.blocks[5:])


def test_depthwise_maps_can_be_tapped():
    backbone = build_model("mobilenet_v1_100", features=("block5.depthwise", "block10"))
    assert [tuple(f) for f in backbone.features] == [("block5.depthwise", 256, 16), ("block10", 512, 16)]
    maps = backbone(torch.zeros(2, 3, 64, 64))
    assert {n: tuple(m.shape) for n, m in maps.items()} == {
        "block5.depthwise": (2, 256, 4, 4),
        "block10": (2, 512, 4, 4),
    }
    assert len(backbone.blocks) == 11


@pytest.mark.parametrize("padding", ["symmetric", "tf_same", "keras"])
def test_only_strided_layers_pad_by_rule(padding):
    model = build_model("mobilenet_v1_100", padding=padding, bn_eps=1e-3)
    kinds = [type(m) for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    strided = {"symmetric": (0, 0), "tf_same": (5, 0), "keras": (1, 4)}[padding]
    assert (kinds.count(Conv2dSame), kinds.count(Conv2dBottomRight)) == strided
    assert {m.eps for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {1e-3}
    assert (model.spec.padding, model.spec.bn_eps) == (padding, 1e-3)


def test_every_parameter_gets_a_gradient():
    model = build_model("mobilenet_v1_025", num_classes=5)
    model(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(
    ("error", "arguments", "message"),
    [
        (BadValue, {"width": -1}, "width=-1; a number above 0 is required"),
        (BadValue, {"form": "deploy"}, "form='deploy'; one of 'training', 'folded' is required"),
        (BadValue, {"channels": (8, 16)}, "channels=(8, 16); 14 whole numbers, each 1 or more, are required"),
        (UnknownName, {"features": ("block13",)}, "unknown feature 'block13'"),
    ],
)
def test_what_does_not_exist_is_an_error(error, arguments, message):
    with pytest.raises(error, match=re.escape(message)):
        MobileNetV1(**arguments)

import re

import pytest
import torch
import torchvision

from underone.compare import difference
from underone.errors import BadValue
from underone.models.build import build_model
from underone.models.mobilenet_v2 import ROUNDING, MobileNetV2, round_to_8
from underone.models.table import MODELS
from underone.nn.conv import Conv2dBottomRight, Conv2dSame
from underone.nn.macs import count_macs

WIDTHS = {"035": 0.35, "050": 0.5, "075": 0.75, "100": 1.0, "130": 1.3, "140": 1.4}

# Channels of the stem and of the seven groups, as in TensorFlow's checkpoints
CHANNELS = {
    "140": [48, 24, 32, 48, 88, 136, 224, 448],
    "130": [40, 24, 32, 40, 80, 128, 208, 416],
    "100": [32, 16, 24, 32, 64, 96, 160, 320],
    "075": [24, 16, 24, 24, 48, 72, 120, 240],
    "050": [16, 8, 16, 16, 32, 48, 80, 160],
    "035": [16, 8, 8, 16, 24, 32, 56, 112],
}
# Millions of MACs at 224 px with 1001 classes, tensorflow/models, slim/nets/mobilenet/README.md
MACS = {"140": 582, "130": 509, "100": 300, "075": 209, "050": 97, "035": 59}


def from_torchvision(key):
    """Name a tensor of torchvision's MobileNet V2 as ours."""
    rules = [
        (r"features\.0\.(.*)", r"backbone.stem.\1"),
        (r"features\.18\.(.*)", r"backbone.last.\1"),
        (r"features\.1\.conv\.0\.(.*)", r"backbone.blocks.0.depthwise.\1"),
        (r"features\.1\.conv\.1\.(.*)", r"backbone.blocks.0.project.0.\1"),
        (r"features\.1\.conv\.2\.(.*)", r"backbone.blocks.0.project.1.\1"),
        (r"features\.(\d+)\.conv\.0\.(.*)", r"backbone.blocks.\1.expand.\2"),
        (r"features\.(\d+)\.conv\.1\.(.*)", r"backbone.blocks.\1.depthwise.\2"),
        (r"features\.(\d+)\.conv\.2\.(.*)", r"backbone.blocks.\1.project.0.\2"),
        (r"features\.(\d+)\.conv\.3\.(.*)", r"backbone.blocks.\1.project.1.\2"),
        (r"classifier\.1\.(.*)", r"head.\1"),
    ]
    pattern, template = next(rule for rule in rules if re.fullmatch(rule[0], key))
    name = re.fullmatch(pattern, key).expand(template)
    if not key.startswith(("features.0.", "features.1.", "features.18.", "classifier")):
        name = re.sub(r"blocks\.(\d+)", lambda m: f"blocks.{int(m[1]) - 1}", name)
    return re.sub(r"\.(0|1)\.(\w+)$", lambda m: (".conv." if m[1] == "0" else ".bn.") + m[2], name)


@pytest.mark.parametrize("name", WIDTHS)
def test_parameters_equal_torchvisions(name):
    theirs = torchvision.models.mobilenet_v2(width_mult=WIDTHS[name])
    ours = build_model(f"mobilenet_v2_{name}")
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())


def test_width_1_has_the_published_parameters():
    assert sum(p.numel() for p in build_model("mobilenet_v2_100").parameters()) == 3_504_872
    assert MODELS["mobilenet_v2_100"].published.params == 3_504_872


@pytest.mark.parametrize("name", WIDTHS)
def test_channels_are_those_of_the_checkpoints(name):
    levels = ("stem", "block0", "block2", "block5", "block9", "block12", "block15", "block16")
    backbone = build_model(f"mobilenet_v2_{name}", features=levels)
    assert [f.channels for f in backbone.features] == CHANNELS[name]


@pytest.mark.parametrize("form", ["training", "folded"])
@pytest.mark.parametrize("name", WIDTHS)
def test_macs_are_the_published(name, form):
    model = build_model(f"mobilenet_v2_{name}", num_classes=1001, form=form).eval()
    millions = count_macs(model, torch.zeros(1, 3, 224, 224)) / 1e6
    assert abs(millions - MACS[name]) < 1  # printed without decimals, 300.8 as 300
    assert abs(MODELS[f"mobilenet_v2_{name}"].published.macs / 1e6 - MACS[name]) <= 1


@pytest.mark.parametrize("name", [name for name in WIDTHS if name != "100"])
def test_parameters_are_the_published(name):
    model = build_model(f"mobilenet_v2_{name}", num_classes=1001)
    norms = sum(m.weight.numel() + m.bias.numel() for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d))
    millions = (sum(p.numel() for p in model.parameters()) - norms) / 1e6  # the table leaves batch norms out
    assert abs(millions - MODELS[f"mobilenet_v2_{name}"].published.params / 1e6) <= 0.01


@pytest.mark.parametrize("name", ["050", "100", "140"])
def test_same_weights_give_torchvisions_answer(name, randomize_statistics):
    theirs = randomize_statistics(torchvision.models.mobilenet_v2(width_mult=WIDTHS[name])).eval()
    ours = build_model(f"mobilenet_v2_{name}").eval()
    ours.load_state_dict({from_torchvision(k): v for k, v in theirs.state_dict().items()})
    image = torch.randn(2, 3, 97, 64)
    with torch.no_grad():
        nmse, peak = difference(ours(image), theirs(image))
    assert nmse <= 1e-13
    assert peak <= 1e-5


@pytest.mark.parametrize(("rule", "channels"), [("at_least_1280", 1280), ("scaled", 448)])
def test_last_layer_follows_its_source(rule, channels):
    assert MobileNetV2(0.35, last_rule=rule).features[-1].channels == channels


@pytest.mark.parametrize(("width", "channels"), [(1.3, 1664), (1.4, 1792)])
def test_last_layer_of_wide_networks_is_wider(width, channels):
    assert MobileNetV2(width).features[-1].channels == channels


def test_rounding_rules_differ_where_their_sources_do():
    assert [ROUNDING[rule](24 * 0.371) for rule in ("to_8", "int_to_8", "none")] == [16, 8, 9]
    assert [round_to_8(v) for v in (1, 8.4, 11.2, 12, 33.6)] == [8, 8, 16, 16, 32]


def test_narrow_deeplab_is_not_rounded():
    assert MobileNetV2(0.5, rounding="none", features=("block1",)).features[0].channels == 12


@pytest.mark.parametrize(
    ("output_stride", "strides"), [(8, [2, 4, 8, 8, 8]), (16, [2, 4, 8, 16, 16]), (32, [2, 4, 8, 16, 32])]
)
@pytest.mark.parametrize("padding", ["symmetric", "tf_same"])
def test_output_stride_keeps_maps_large(output_stride, strides, padding):
    backbone = build_model(
        "mobilenet_v2_050", features=MODELS["mobilenet_v2_050"].levels, output_stride=output_stride, padding=padding
    )
    maps = backbone(torch.zeros(2, 3, 96, 65))
    assert [m.shape[2:] for m in maps.values()] == [(-(-96 // s), -(-65 // s)) for s in strides]
    assert [f.stride for f in backbone.features] == strides


def test_dilation_is_that_of_slim():
    backbone = build_model("mobilenet_v2_100", features=("block16",), output_stride=8)
    dilations = [block.depthwise.conv.dilation[0] for block in backbone.blocks]
    assert dilations == [1] * 7 + [2] * 7 + [4] * 3  # blocks 6 and 13 lose their stride and keep the old rate
    assert all(block.depthwise.conv.stride == (1, 1) for block in backbone.blocks[6:])


def test_expansion_can_be_tapped():
    backbone = build_model("mobilenet_v2_100", features=("last", "block13.expand"))
    assert [tuple(f) for f in backbone.features] == [("block13.expand", 576, 16), ("last", 1280, 32)]
    maps = backbone(torch.zeros(2, 3, 64, 64))
    assert {n: tuple(m.shape) for n, m in maps.items()} == {"block13.expand": (2, 576, 4, 4), "last": (2, 1280, 2, 2)}


def test_map_after_the_depthwise_convolution_can_be_tapped():
    backbone = build_model("mobilenet_v2_100", features=("block0.depthwise", "block13.depthwise"))
    assert [tuple(f) for f in backbone.features] == [("block0.depthwise", 32, 2), ("block13.depthwise", 576, 32)]
    maps = backbone(torch.zeros(2, 3, 64, 64))
    assert [tuple(m.shape) for m in maps.values()] == [(2, 32, 32, 32), (2, 576, 2, 2)]


def test_channels_can_be_given():
    channels = [8, *range(10, 27), 40]
    backbone = MobileNetV2(channels=channels, features=("stem", *(f"block{i}" for i in range(17)), "last"))
    assert [f.channels for f in backbone.features] == channels
    assert backbone(torch.zeros(2, 3, 64, 64))["last"].shape == (2, 40, 2, 2)


def test_narrow_deeplab_has_the_channels_of_its_checkpoint():
    blocks = ("stem", "block0", "block1", "block3", "block6", "block10", "block13", "block16")
    backbone = MobileNetV2(0.5, rounding="none", features=blocks)
    assert [f.channels for f in backbone.features] == [16, 8, 12, 16, 32, 48, 80, 160]


def test_maps_after_the_last_wanted_are_not_built():
    backbone = build_model("mobilenet_v2_100", features=("block2",))
    assert len(backbone.blocks) == 3
    assert backbone.last is None


@pytest.mark.parametrize(("padding", "kind"), [("tf_same", Conv2dSame), ("keras", Conv2dBottomRight)])
def test_only_strided_layers_pad_by_rule(padding, kind):
    model = build_model("mobilenet_v2_100", padding=padding, bn_eps=1e-3)
    assert sum(type(m) is kind for m in model.modules()) == 5
    assert {m.eps for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {1e-3}
    assert (model.spec.padding, model.spec.bn_eps) == (padding, 1e-3)


def test_every_parameter_gets_a_gradient():
    model = build_model("mobilenet_v2_035", num_classes=5)
    model(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width=0; a number above 0 is required"),
        ({"rounding": "ceil"}, "rounding='ceil'; one of 'to_8', 'int_to_8', 'none' is required"),
        ({"last_rule": "x"}, "last_rule='x'; one of 'at_least_1280', 'scaled' is required"),
        ({"channels": range(19)}, "; 19 whole numbers, each 1 or more, are required"),
        ({"form": "deploy"}, "form='deploy'; one of 'training', 'folded' is required"),
    ],
)
def test_unknown_rule_is_an_error(arguments, message):
    with pytest.raises(BadValue, match=re.escape(message)):
        MobileNetV2(**arguments)

import pytest
import torch
from torch import nn

from underone.compare import difference
from underone.errors import BadValue, UnknownName
from underone.models.build import build_model
from underone.models.mobileone import MobileOne
from underone.models.table import MODELS
from underone.nn.families import FAMILIES
from underone.nn.macs import count_macs
from underone.nn.mobileone_block import MobileOneBlock
from underone.nn.squeeze_excite import SqueezeExcite

# Apple's released networks, counted by running them (apple/ml-mobileone at b7f4e6d): parameters, MACs, tensors
TRAINING = {
    "mobileone_s0": (5_293_272, 1_051_935_232, 1323),
    "mobileone_s1": (4_825_192, 830_062_080, 562),
    "mobileone_s2": (7_884_648, 1_304_027_392, 562),
    "mobileone_s3": (10_170_600, 1_902_112_768, 562),
    "mobileone_s4": (14_951_248, 2_986_802_432, 610),
}
FOLDED = {
    "mobileone_s0": (2_078_504, 275_110_400, 88),
    "mobileone_s1": (4_764_840, 825_057_024, 88),
    "mobileone_s2": (7_808_168, 1_298_426_496, 88),
    "mobileone_s3": (10_078_312, 1_895_790_592, 88),
    "mobileone_s4": (14_838_352, 2_979_269_760, 136),
}
CHANNELS = {
    "mobileone_s0": [48, 48, 128, 256, 1024],
    "mobileone_s1": [64, 96, 192, 512, 1280],
    "mobileone_s2": [64, 96, 256, 640, 2048],
    "mobileone_s3": [64, 128, 320, 768, 2048],
    "mobileone_s4": [64, 192, 448, 896, 2048],
}
IMAGE = torch.zeros(1, 3, 224, 224)


def size(model):
    macs = count_macs(model.eval(), IMAGE)
    return sum(p.numel() for p in model.parameters()), macs, len(model.state_dict())


@pytest.mark.parametrize("name", TRAINING)
def test_training_form_has_the_published_size(name):
    assert size(build_model(name)) == TRAINING[name]


@pytest.mark.parametrize("name", FOLDED)
def test_folded_form_has_the_published_size(name):
    assert size(build_model(name, form="folded")) == FOLDED[name]
    assert (MODELS[name].published.params, MODELS[name].published.macs) == FOLDED[name][:2]


@pytest.mark.parametrize("name", CHANNELS)
def test_features_have_the_published_channels(name):
    channels = CHANNELS[name]
    backbone = build_model(name, features=MODELS[name].levels).eval()
    assert [f.channels for f in backbone.features] == channels
    assert [f.stride for f in backbone.features] == [2, 4, 8, 16, 32]
    with torch.no_grad():
        maps = backbone(IMAGE)
    assert [tuple(m.shape) for m in maps.values()] == [
        (1, c, 224 // s, 224 // s) for c, s in zip(channels, [2, 4, 8, 16, 32], strict=True)
    ]
    assert list(maps) == ["stem", "stage1", "stage2", "stage3", "stage4"]


@pytest.mark.parametrize(
    ("name", "skips", "norms"), [("mobileone_s0", 35, 226), ("mobileone_s1", 34, 99), ("mobileone_s4", 34, 99)]
)
def test_branches_are_counted_as_released(name, skips, norms):
    blocks = {n: m for n, m in build_model(name).named_modules() if isinstance(m, MobileOneBlock)}
    assert len(blocks) == 43
    assert sum(b.scale is not None for b in blocks.values()) == 22
    assert sum(b.skip is not None for b in blocks.values()) == skips
    assert sum(isinstance(m, nn.BatchNorm2d) for b in blocks.values() for m in b.modules()) == norms
    assert len(blocks["backbone.stem"].branches) == 1
    rest = {len(b.branches) for n, b in blocks.items() if n != "backbone.stem"}
    assert rest == {4 if name == "mobileone_s0" else 1}
    same_width = name == "mobileone_s0"  # 48 -> 48: only there has stage1's first pointwise a skip
    assert (blocks["backbone.stages.0.1"].skip is not None) == same_width


@pytest.mark.parametrize("form", ["training", "folded"])
def test_only_s4_weighs_channels_and_where_released(form):
    model = build_model("mobileone_s4", form=form)
    found = [name for name, module in model.named_modules() if isinstance(module, SqueezeExcite)]
    assert found == [f"backbone.stages.2.{i}.se" for i in range(10, 20)] + [f"backbone.stages.3.{i}.se" for i in (0, 1)]
    assert not [m for m in build_model("mobileone_s3", form=form).modules() if isinstance(m, SqueezeExcite)]


@pytest.mark.parametrize(("name", "convs"), [("mobileone_s0", 43), ("mobileone_s4", 67)])
def test_folded_form_has_one_convolution_per_block(name, convs):
    assert sum(isinstance(m, nn.Conv2d) for m in build_model(name, form="folded").modules()) == convs


@pytest.mark.parametrize(
    ("output_stride", "strides"), [(8, [2, 4, 8, 8, 8]), (16, [2, 4, 8, 16, 16]), (32, [2, 4, 8, 16, 32])]
)
def test_output_stride_keeps_maps_large_and_still_folds(output_stride, strides, randomize_statistics):
    levels = MODELS["mobileone_s0"].levels
    backbone = build_model("mobileone_s0", features=levels, output_stride=output_stride)
    randomize_statistics(backbone).eval()
    plain = build_model("mobileone_s0", features=levels, output_stride=output_stride, form="folded").eval()
    for block, place in zip(blocks_of(backbone), blocks_of(plain), strict=True):
        place.load_state_dict(block.folded().state_dict())
    image = torch.randn(1, 3, 96, 64)
    with torch.no_grad():
        want, got = backbone(image), plain(image)
    assert [m.shape[2:] for m in want.values()] == [(96 // s, 64 // s) for s in strides]
    assert [f.stride for f in backbone.features] == strides
    assert all(difference(got[n], want[n])[0] <= 1e-10 for n in want)


def blocks_of(backbone):
    return [backbone.stem, *(block for stage in backbone.stages for block in stage)]


@pytest.mark.parametrize("block", FAMILIES)
def test_trained_weights_fit_at_every_output_stride(block):
    shapes = [
        {
            name: value.shape
            for name, value in build_model("mobileone_s0", output_stride=s, block=block).state_dict().items()
        }
        for s in (8, 16, 32)
    ]
    assert shapes[0] == shapes[1] == shapes[2]


def test_output_stride_dilates_as_slim_does():
    backbone = build_model("mobileone_s0", features=("stage4",), output_stride=8)
    dilations = [
        [b.branches[0].conv.dilation[0] for b in stage if b.branches[0].conv.kernel_size == (3, 3)]
        for stage in backbone.stages
    ]
    assert dilations == [[1] * 2, [1] * 8, [1] + [2] * 9, [2]]  # the layer that lost its stride keeps the old rate


def test_maps_after_the_last_wanted_are_not_built():
    backbone = build_model("mobileone_s1", features=("stage2", "stem"))
    assert list(backbone(torch.zeros(2, 3, 64, 64))) == ["stem", "stage2"]
    assert len(backbone.stages) == 2
    assert len(build_model("mobileone_s1", features=("stem",)).stages) == 0


@pytest.mark.parametrize("name", ["mobileone_s0", "mobileone_s4"])
def test_every_parameter_gets_a_gradient(name):
    model = build_model(name, num_classes=5)
    model(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("shape", [(1, 33, 65), (4, 64, 96), (3, 225, 1)])
def test_any_channels_and_size(shape):
    model = build_model("mobileone_s0", in_chans=shape[0], num_classes=7).eval()
    assert model(torch.zeros(2, *shape)).shape == (2, 7)


def test_unknown_form_is_an_error():
    with pytest.raises(BadValue, match="form='deploy'; 'training' or 'folded' is required"):
        MobileOne((1, 1, 1, 1), form="deploy")


def test_unknown_output_stride_is_an_error():
    with pytest.raises(BadValue, match="output_stride=4; 8, 16 or 32 is required"):
        build_model("mobileone_s0", output_stride=4)


def test_unknown_feature_is_an_error():
    with pytest.raises(UnknownName, match=r"unknown feature 'stage5'\. Did you mean 'stage4'"):
        build_model("mobileone_s0", features=("stage5",))


def test_no_feature_is_an_error():
    with pytest.raises(BadValue, match="no feature is wanted; name at least one of stem, stage1"):
        build_model("mobileone_s0", features=())


WIDTHS = [(48, 48, 2), (48, 128, 8), (128, 256, 10), (256, 1024, 1)]  # of S0: from, to, blocks
HEAD = 1024 * 1000 + 1000

# Numbers of a stem 3 → 48 and of a depthwise place for each channel, with 2 a channel of every batch norm
BY_HAND = {
    "plain": (48 * 27 + 96, 9 + 2),
    "acnet": (48 * 3 * 15 + 3 * 96, 15 + 6),
    "dbb": (
        (48 * 27 + 96) + (48 * 3 + 96) + (48 * 3 + 2 * 96) + (9 + 6 + 48 * 27 + 96),
        (9 + 2) + 2 + (2 + 4 + 18 + 2),
    ),
    "expandnet": (12 * 3 + 192 * 12 * 9 + 48 * 192 + 96, (4 + 4 * 4 * 9 + 4) + 2),
}


@pytest.mark.parametrize("block", BY_HAND)
def test_families_of_blocks_have_the_size_of_their_sources(block):
    stem, each = BY_HAND[block]
    depthwise = sum(each * (i + (n - 1) * o) for i, o, n in WIDTHS)
    pointwise = sum(i * o + (n - 1) * o * o + n * 2 * o for i, o, n in WIDTHS)
    model = build_model("mobileone_s0", block=block)
    assert sum(p.numel() for p in model.parameters()) == stem + depthwise + pointwise + HEAD


@pytest.mark.parametrize("block", ["mobileone", *BY_HAND, "repvgg"])
def test_every_family_folds_into_the_published_network(block, randomize_statistics):
    model = randomize_statistics(build_model("mobileone_s0", block=block)).eval().double()
    plain = build_model("mobileone_s0", block=block, form="folded").eval().double()
    for part, place in zip(blocks_of(model.backbone), blocks_of(plain.backbone), strict=True):
        place.load_state_dict(part.folded().state_dict())
    plain.head.load_state_dict(model.head.state_dict())
    image = torch.randn(1, 3, 96, 64, dtype=torch.float64)
    with torch.no_grad():
        assert difference(plain(image), model(image))[0] <= 1e-26
    assert size(plain.float()) == FOLDED["mobileone_s0"]


def test_number_of_branches_is_free_and_one_is_repvggs():
    one, three = (build_model("mobileone_s0", num_branches=k) for k in (1, 3))
    assert {len(block.branches) for block in blocks_of(three.backbone)[1:]} == {3}
    assert {*one.state_dict()} == {*build_model("mobileone_s0", block="repvgg").state_dict()}


def test_unknown_blocks_and_numbers_that_they_do_not_have_are_refused():
    with pytest.raises(UnknownName, match=r"unknown block 'dbx'\. Did you mean 'dbb'\?"):
        build_model("mobileone_s0", block="dbx")
    with pytest.raises(BadValue, match="num_branches with block='dbb'; only 'mobileone' blocks take one: leave it out"):
        build_model("mobileone_s0", block="dbb", num_branches=2)
    with pytest.raises(UnknownName, match="unknown option of mobilenet_v2_100 'block'"):
        build_model("mobilenet_v2_100", block="dbb")

"""What a checkpoint is, told from its own names and shapes: the files that timm and torchvision write."""

import numpy as np
import pytest
import timm
import torchvision
from timm.utils import reparameterize_model

from underone.errors import BadFile, WeightsMismatch
from underone.weights import layouts
from underone.weights.layouts import LAYOUTS
from underone.weights.networks import CHANNELS
from underone.weights.recognise import recognise
from underone.weights.rename import inverse, rename


def arrays(model):
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def renamed(weights, *maps):
    for rules in maps:
        weights = {new: weights[old] for old, new in rename(weights, rules).items()}
    return weights


@pytest.mark.parametrize("variant", ["s0", "s1", "s2", "s3", "s4"])
@pytest.mark.parametrize("folded", [False, True])
def test_mobileone_is_recognised_in_every_layout(variant, folded):
    model = timm.create_model(f"mobileone_{variant}", num_classes=7, in_chans=4)
    model = reparameterize_model(model) if folded else model
    ending = "_FOLDED" if folded else ""
    by_timm = arrays(model)
    ours = renamed(by_timm, getattr(layouts.timm, f"MOBILEONE{ending}"))
    written = {
        "timm": by_timm,
        "underone": ours,
        "Apple": renamed(ours, inverse(getattr(layouts.apple, f"MOBILEONE{ending}"))),
        "mmpretrain": renamed(ours, inverse(getattr(layouts.mmpretrain, f"MOBILEONE{ending}"))),
    }
    for source, weights in written.items():
        found = recognise(weights, "file.pth")
        assert (found.layout.source, found.layout.form) == (source, "folded" if folded else "training")
        assert (found.model, found.num_classes, found.in_chans) == (f"mobileone_{variant}", 7, 4)
        assert set(found.weights) == set(ours)
        assert not found.imagenet  # 7 classes
        assert found.preparation is None


@pytest.mark.parametrize(("name", "theirs"), [
    ("mobilenet_v2_035", "mobilenetv2_035"), ("mobilenet_v2_050", "mobilenetv2_050"),
    ("mobilenet_v2_075", "mobilenetv2_075"), ("mobilenet_v2_100", "mobilenetv2_100"),
    ("mobilenet_v2_140", "mobilenetv2_140"),
])  # fmt: skip
def test_mobilenet_v2_multiplier_is_told_from_the_channels_of_timm(name, theirs):
    found = recognise(arrays(timm.create_model(theirs)), "file.pth")
    assert (found.layout.source, found.model, found.num_classes) == ("timm", name, 1000)
    assert found.preparation.interpolation == "bicubic"


@pytest.mark.parametrize(("name", "multiplier"), [("mobilenet_v2_130", 1.3), ("mobilenet_v2_100", 1.0)])
def test_mobilenet_v2_multiplier_is_told_from_the_channels_of_torchvision(name, multiplier):
    found = recognise(arrays(torchvision.models.mobilenet_v2(width_mult=multiplier)), "file.pth")
    assert (found.layout.source, found.model, found.in_chans) == ("torchvision", name, 3)
    assert found.imagenet


@pytest.mark.parametrize(("name", "crop"), [
    ("mobileone_s0", 0.875), ("mobileone_s1", 0.9), ("mobileone_s4", 0.9), ("mobilenetv2_100", 0.875),
])  # fmt: skip
def test_preparation_is_that_of_timm(name, crop):
    found = recognise(arrays(timm.create_model(name)), "file.pth").preparation
    theirs = timm.create_model(name).pretrained_cfg
    assert found.crop_ratio == crop == theirs["crop_pct"]
    assert found.interpolation == theirs["interpolation"]
    assert (found.mean, found.std) == (theirs["mean"], theirs["std"])


def test_backbone_alone_has_no_classes():
    weights = {k: v for k, v in arrays(timm.create_model("mobileone_s1")).items() if not k.startswith("head")}
    found = recognise(weights, "file.pth")
    assert found.num_classes is None
    assert not found.imagenet


def test_no_two_layouts_or_networks_look_alike():
    assert len({layout.marker for layout in LAYOUTS}) == len(LAYOUTS)
    assert len(set(CHANNELS.values())) == len(CHANNELS)


def test_unknown_names_are_shown_with_the_place_that_helps():
    with pytest.raises(BadFile, match=r"file\.pth: tensor names of no known layout \(it begins: conv1\.weight, fc\.b"):
        recognise({"conv1.weight": np.zeros(3), "fc.bias": np.zeros(3)}, "file.pth")
    with pytest.raises(BadFile, match=r"it begins: none\); docs/convert\.md, 'Names of your own', says how to make"):
        recognise({}, "file.pth")


def test_channels_of_no_network_of_the_table_are_read_from_the_file():
    theirs = torchvision.models.mobilenet_v2(width_mult=0.6)
    found = recognise(arrays(theirs), "file.pth")
    assert found.model == "mobilenet_v2_050"  # the nearest
    assert found.options["channels"][:3] == (24, 16, 16)
    assert found.options["channels"][-1] == 1280


def test_mobileone_of_another_width_is_shown_with_the_known_ones():
    weights = arrays(timm.create_model("mobileone_s0"))
    weights["stages.0.1.conv_kxk.0.conv.weight"] = np.zeros((56, 48, 1, 1))
    with pytest.raises(
        BadFile,
        match=r"timm's mobileone, but with the channels of no network: mobileone_s0 \(48, 128, 256, 1024\); mob",
    ):
        recognise(weights, "file.pth")


def test_single_strange_names_are_listed_with_the_layout():
    weights = arrays(torchvision.models.mobilenet_v2()) | {"features.0.9.weight": np.zeros(1), "aux.bias": np.zeros(1)}
    with pytest.raises(
        WeightsMismatch, match=r"file\.pth looks like torchvision's mobilenet_v2, but: 2 faults"
    ) as raised:
        recognise(weights, "file.pth")
    assert "no rule for 'features.0.9.weight'" in str(raised.value)
    assert "no rule for 'aux.bias'" in str(raised.value)


@pytest.mark.parametrize("block", ["features.3.conv.2", "features.18.0"])
def test_claimed_channels_that_the_file_cannot_fill_are_refused(block):
    """A small file must not make a huge network."""
    weights = arrays(torchvision.models.mobilenet_v2(width_mult=0.35))
    weights[f"{block}.weight"] = np.zeros((2_000_000, 1, 1, 1), np.float32)
    with pytest.raises(BadFile, match="mobilenet_v2, but with the channels of no network"):
        recognise(weights, "file.pth")


def test_names_that_differ_in_a_prefix_only_are_refused():
    names = ("MobilenetV1/Conv2d_0/weights", "MobilenetV1/Conv2d_13_pointwise/weights")
    twice = {f"{prefix}{name}": np.zeros(1) for name in names for prefix in ("", "FeatureExtractor/")}
    message = r"file\.pth: two tensors have one name once 'FeatureExtractor/' is taken off"
    with pytest.raises(WeightsMismatch, match=message):
        recognise(twice, "file.pth")


def test_arrays_without_axes_are_no_network():
    weights = {name: np.zeros(()) for name in arrays(torchvision.models.mobilenet_v2(width_mult=0.35))}
    with pytest.raises(BadFile, match="with the channels of no network"):
        recognise(weights, "file.pth")

"""Each key map against the names that the source itself writes."""

import pytest
import timm
import torchvision
from timm.utils import reparameterize_model

from underone.errors import WeightsMismatch
from underone.weights import layouts
from underone.weights.rename import inverse, rename

VARIANTS = ("s0", "s1", "s2", "s3", "s4")
BN = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
WIDTHS = {"s0": (0.75, 1.0, 1.0, 2.0), "s1": (1.5, 1.5, 2.0, 2.5), "s4": (3.0, 3.5, 3.5, 4.0)}


def apple_names(variant: str, folded: bool) -> list[str]:
    """Names of Apple's file in its order, written out by the rules of apple/ml-mobileone, not by our key map."""
    channels = [int(base * width) for base, width in zip((64, 128, 256, 512), WIDTHS[variant], strict=True)]
    before, names = min(64, channels[0]), []

    def block(name, depthwise, skip, branches, se):
        if se:
            names.extend(f"{name}.se.{layer}.{t}" for layer in ("reduce", "expand") for t in ("weight", "bias"))
        if folded:
            names.extend((f"{name}.reparam_conv.weight", f"{name}.reparam_conv.bias"))
            return
        names.extend(f"{name}.rbr_skip.{t}" for t in BN if skip)
        parts = [f"rbr_conv.{j}" for j in range(branches)] + ["rbr_scale"] * depthwise
        for part in parts:
            names.extend([f"{name}.{part}.conv.weight", *(f"{name}.{part}.bn.{t}" for t in BN)])

    block("stage0", depthwise=True, skip=False, branches=1, se=False)
    branches = 4 if variant == "s0" else 1
    for number, (depth, out) in enumerate(zip((2, 8, 10, 1), channels, strict=True), start=1):
        for i in range(2 * depth):
            se = variant == "s4" and (number == 4 or (number == 3 and i >= 10))
            skip = i > 1 or (i == 1 and before == out)
            block(f"stage{number}.{i}", i % 2 == 0, skip, branches, se)
        before = out
    return [*names, "linear.weight", "linear.bias"]


@pytest.mark.parametrize(("variant", "folded", "count"), [
    ("s0", False, 1323), ("s1", False, 562), ("s4", False, 610), ("s0", True, 88), ("s1", True, 88), ("s4", True, 136),
])  # fmt: skip
def test_apple_names_become_the_same_names_as_timms(variant, folded, count):
    model = timm.create_model(f"mobileone_{variant}")
    model = reparameterize_model(model) if folded else model
    apple_map = layouts.apple.MOBILEONE_FOLDED if folded else layouts.apple.MOBILEONE
    timm_map = layouts.timm.MOBILEONE_FOLDED if folded else layouts.timm.MOBILEONE
    apple = apple_names(variant, folded)
    assert len(apple) == count  # mobileone.md 4.1: counted in Apple's own code
    ours = rename(apple, apple_map)
    assert set(ours.values()) == set(rename(model.state_dict(), timm_map).values())
    assert list(rename(ours.values(), inverse(apple_map)).values()) == apple


def test_apple_s4_stands_in_another_order_than_timms():
    apple = list(rename(apple_names("s4", False), layouts.apple.MOBILEONE).values())
    by_timm = list(rename(timm.create_model("mobileone_s4").state_dict(), layouts.timm.MOBILEONE).values())
    assert apple != by_timm
    assert sorted(apple) == sorted(by_timm)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("folded", [False, True])
def test_mobileone_maps_lead_from_every_source_to_every_other(variant, folded):
    model = timm.create_model(f"mobileone_{variant}")
    model = reparameterize_model(model) if folded else model
    ending = "_FOLDED" if folded else ""
    maps = [getattr(source, f"MOBILEONE{ending}") for source in (layouts.timm, layouts.apple, layouts.mmpretrain)]
    theirs = list(model.state_dict())
    ours = list(rename(theirs, maps[0]).values())
    for rules in maps:
        foreign = rename(ours, inverse(rules))
        assert list(rename(foreign.values(), rules).values()) == ours
    assert list(rename(ours, inverse(maps[0])).values()) == theirs


def test_mmpretrain_names_are_those_of_its_code():
    names = [
        *("backbone.stage0.branch_conv_list.0.conv.weight", "backbone.stage0.branch_conv_list.0.norm.running_var"),
        *("backbone.stage0.branch_scale.conv.weight", "backbone.stage0.branch_scale.norm.bias"),
        *("backbone.stage1.0.branch_conv_list.3.conv.weight", "backbone.stage1.0.branch_conv_list.3.norm.weight"),
        *("backbone.stage1.0.branch_scale.conv.weight", "backbone.stage1.0.branch_scale.norm.weight"),
        *("backbone.stage3.12.branch_norm.weight", "backbone.stage3.12.se.conv1.conv.weight"),
        *("backbone.stage3.12.se.conv2.conv.bias", "head.fc.weight"),
    ]
    assert list(rename(names, layouts.mmpretrain.MOBILEONE).values()) == [
        *("backbone.stem.branches.0.conv.weight", "backbone.stem.branches.0.bn.running_var"),
        *("backbone.stem.scale.conv.weight", "backbone.stem.scale.bn.bias"),
        *("backbone.stages.0.0.branches.3.conv.weight", "backbone.stages.0.0.branches.3.bn.weight"),
        *("backbone.stages.0.0.scale.conv.weight", "backbone.stages.0.0.scale.bn.weight"),
        *("backbone.stages.2.12.skip.weight", "backbone.stages.2.12.se.reduce.weight"),
        *("backbone.stages.2.12.se.expand.bias", "head.weight"),
    ]


def test_both_mobilenet_v2_sources_name_the_same_tensors():
    torchvisions = torchvision.models.mobilenet_v2().state_dict()
    timms = timm.create_model("mobilenetv2_100").state_dict()
    ours = rename(torchvisions, layouts.torchvision.MOBILENET_V2)
    shapes = {new: torchvisions[old].shape for old, new in ours.items()}
    for old, new in rename(timms, layouts.timm.MOBILENET_V2).items():
        assert shapes.pop(new) == timms[old].shape, new
    assert not shapes
    for rules, source in (
        (layouts.torchvision.MOBILENET_V2, torchvisions),
        (layouts.timm.MOBILENET_V2, timms),
    ):
        there = rename(source, rules)
        assert list(rename(there.values(), inverse(rules)).values()) == list(source)


def test_a_deeper_mobilenet_v2_is_refused_by_name():
    with pytest.raises(WeightsMismatch, match=r"no rule for 'blocks\.1\.2\.conv_pw\.weight'"):
        rename(timm.create_model("mobilenetv2_110d").state_dict(), layouts.timm.MOBILENET_V2)

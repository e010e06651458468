import re

import pytest
import timm
import torch
import torchvision
from torch import nn

from underone.compare import Verdict, difference
from underone.errors import BadValue, ParityFailed
from underone.fold import foldable_blocks, reparameterize
from underone.models.build import build_model
from underone.models.table import MODELS
from underone.nn.folding import with_kernel
from underone.nn.mobileone_block import MobileOneBlock

MOBILEONE = [name for name in MODELS if name.startswith("mobileone")]

# Apple's released networks, counted by running them (apple/ml-mobileone at b7f4e6d)
TRAINING_PARAMS = {
    "mobileone_s0": 5_293_272,
    "mobileone_s1": 4_825_192,
    "mobileone_s2": 7_884_648,
    "mobileone_s3": 10_170_600,
    "mobileone_s4": 14_951_248,
}
TRAINING_MACS = {
    "mobileone_s0": 1_051_935_232,
    "mobileone_s1": 830_062_080,
    "mobileone_s2": 1_304_027_392,
    "mobileone_s3": 1_902_112_768,
    "mobileone_s4": 2_986_802_432,
}


def folded_small(model, channels=3):
    return reparameterize(model, input_shape=(channels, 64, 64))


def whole(certificate):
    return {row.on: row for row in certificate.comparisons if row.on in ("photo", "noise")}


@pytest.mark.parametrize("name", MOBILEONE)
def test_mobileone_folds_to_the_published_network(name, randomize_statistics):
    model = randomize_statistics(build_model(name))
    folded = reparameterize(model)
    certificate, facts = folded.certificate, folded.certificate.facts
    assert certificate.passed
    assert {row.nmse <= 1e-10 for row in whole(certificate).values()} == {True}
    assert {row.limits.nmse for row in certificate.comparisons} == {1e-10}
    assert {row.same_top1 for row in whole(certificate).values()} == {True}
    assert len(certificate.comparisons) == 2 * (43 + 1)  # every block and the network, on two inputs
    assert (facts["before"]["params"], facts["before"]["macs"]) == (TRAINING_PARAMS[name], TRAINING_MACS[name])
    published = MODELS[name].published
    assert (facts["after"]["params"], facts["after"]["macs"]) == (published.params, published.macs)
    assert facts["after"]["bytes"] == 4 * published.params
    assert (facts["folded_blocks"], facts["already_folded"], facts["after"]["batch_norms"]) == (43, False, 0)
    assert set(folded.state_dict()) == set(build_model(name, form="folded").state_dict())
    image = torch.randn(2, 3, 100, 61)  # not what the certificate was made on
    with torch.no_grad():
        assert difference(folded(image), model.eval()(image))[0] <= 1e-10


def test_the_given_model_is_not_edited(randomize_statistics):
    model = randomize_statistics(build_model("mobileone_s0", num_classes=5)).train()
    model.backbone.stem.eval()
    parameters = {name: (id(p), p.clone()) for name, p in model.state_dict(keep_vars=True).items()}
    modes = [m.training for m in model.modules()]
    attributes = set(vars(model))
    folded_small(model)
    after = model.state_dict(keep_vars=True)
    assert list(after) == list(parameters)
    assert all(id(after[n]) == i and torch.equal(after[n], value) for n, (i, value) in parameters.items())
    assert [m.training for m in model.modules()] == modes
    assert set(vars(model)) == attributes
    assert not [m for m in model.modules() if m._forward_hooks]
    assert model.spec.form == "training"


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_any_mode_is_folded_and_noted(mode, randomize_statistics):
    model = randomize_statistics(build_model("mobilenet_v2_035", num_classes=5)).train(mode == "train")
    folded = folded_small(model)
    assert not any(m.training for m in folded.modules())
    assert folded.certificate.facts["mode_found"] == mode
    assert any("train mode" in note for note in folded.certificate.notes) == (mode == "train")


def test_folding_twice_changes_nothing(randomize_statistics):
    once = folded_small(randomize_statistics(build_model("mobileone_s0", num_classes=5)))
    twice = folded_small(once)
    assert all(torch.equal(once.state_dict()[n], v) for n, v in twice.state_dict().items())
    assert twice.certificate.facts["already_folded"] is True
    assert "nothing was folded" in twice.certificate.notes[0]
    assert twice.spec == once.spec
    assert once.certificate.facts["already_folded"] is False


def test_spec_says_folded():
    assert folded_small(build_model("mobileone_s0", num_classes=5)).spec.form == "folded"


def test_certificate_can_be_stored(randomize_statistics):
    certificate = folded_small(randomize_statistics(build_model("mobilenet_v2_035", num_classes=5))).certificate
    assert Verdict.from_json(certificate.to_json()) == certificate
    assert certificate.kind == "fold"
    assert {"torch", "underone"} == set(certificate.versions)


@pytest.mark.parametrize(
    "options",
    [{"in_chans": 1}, {"in_chans": 4}, {"output_stride": 8}, {"features": ("stem", "stage2")}, {"num_classes": 1}],
)
def test_every_shape_of_model_folds(options, randomize_statistics):
    model = build_model("mobileone_s0", **{"num_classes": 5} | options)
    folded = folded_small(randomize_statistics(model), options.get("in_chans", 3))
    assert folded.certificate.passed
    outputs = {row.output for row in whole(folded.certificate).values()}
    assert outputs <= {"output", "stem", "stage2"}


def test_tensorflow_padding_folds(randomize_statistics):
    model = build_model("mobilenet_v2_035", num_classes=5, padding="tf_same", bn_eps=1e-3)
    folded = folded_small(randomize_statistics(model))
    plain = build_model("mobilenet_v2_035", num_classes=5, padding="tf_same", form="folded").eval()
    plain.load_state_dict(folded.state_dict())
    image = torch.randn(1, 3, 75, 50)  # odd maps: the rules differ
    with torch.no_grad():
        assert torch.equal(plain(image), folded(image))
        assert difference(folded(image), model.eval()(image))[0] <= 1e-10


def test_a_root_that_folds_itself(randomize_statistics):
    block = randomize_statistics(MobileOneBlock(3, 3, 3, num_branches=2))
    folded = folded_small(block)
    assert set(folded.state_dict()) == {"conv.weight", "conv.bias"}
    assert len(folded.certificate.comparisons) == 2


def test_double_precision_folds_to_its_own_rounding(randomize_statistics):
    folded = folded_small(randomize_statistics(build_model("mobilenet_v2_035", num_classes=5)).double())
    assert folded.head.weight.dtype == torch.float64
    assert folded.certificate.worst.nmse < 1e-24


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: timm.create_model("mobileone_s0"), 64),
        (lambda: timm.create_model("repvgg_a0"), 64),
        (lambda: timm.create_model("levit_128s"), 224),
        (torchvision.models.mobilenet_v2, 64),
        (torchvision.models.mobilenet_v3_small, 64),
        (torchvision.models.mnasnet0_5, 64),
    ],
    ids=["timm-mobileone", "timm-repvgg", "timm-levit", "mobilenet_v2", "mobilenet_v3", "mnasnet"],
)
def test_networks_of_others_fold(make, size, randomize_statistics):
    model = randomize_statistics(make(), size=size).double()  # untrained attention amplifies rounding beyond float32
    folded = reparameterize(model, input_shape=(3, size, size))
    assert folded.certificate.worst.nmse <= 1e-20
    assert folded.certificate.facts["after"]["batch_norms"] == 0
    image = torch.randn(1, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        assert difference(folded(image), model.eval()(image))[0] <= 1e-15


def test_timm_and_our_fold_of_mobileone_agree(randomize_statistics):
    model = randomize_statistics(timm.create_model("mobileone_s0")).eval()
    ours = folded_small(model).state_dict()
    theirs = timm.utils.reparameterize_model(model).state_dict()
    assert ours.keys() == theirs.keys()
    assert all(difference(ours[n], v)[0] <= 1e-12 for n, v in theirs.items() if "reparam_conv" in n)
    assert all(p.requires_grad for p in folded_small(model).parameters())


def test_what_no_rule_reaches_is_said(randomize_statistics):
    folded = folded_small(randomize_statistics(timm.create_model("mobilenetv2_035")))
    assert folded.certificate.facts["already_folded"] is False
    assert any(note.startswith("52 batch norms remain") for note in folded.certificate.notes)


def test_untouched_statistics_are_noted():
    notes = folded_small(build_model("mobilenet_v2_035", num_classes=5)).certificate.notes
    assert any("52 of 52 batch norms have untouched statistics" in note for note in notes)


def test_converted_statistics_are_noted(randomize_statistics):
    model = randomize_statistics(build_model("mobilenet_v2_035", num_classes=5))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.num_batches_tracked.zero_()
    notes = folded_small(model).certificate.notes
    assert any("52 of 52 batch norms have statistics but counted no batch" in note for note in notes)
    assert not any("untouched" in note for note in notes)


class WrongBlock(MobileOneBlock):
    """Forgets one branch when it folds."""

    def folded(self):
        folded = super().folded()
        kernels = list(self._kernels())
        folded.conv = with_kernel(folded.conv, type(kernels[0])(*(sum(t[:-1]) for t in zip(*kernels, strict=True))))
        return folded


def test_a_wrong_block_is_found_by_name(randomize_statistics):
    model = nn.Sequential(MobileOneBlock(3, 8, 3), WrongBlock(8, 8, 3, groups=8), nn.Flatten(), nn.Linear(8 * 24**2, 5))
    randomize_statistics(model, size=24)
    with pytest.raises(ParityFailed, match=r"fold FAILED: Sequential, folded.* first to differ, .* was '1 on photo'"):
        reparameterize(model, input_shape=(3, 24, 24))


def test_broken_statistics_are_found_by_name():
    model = build_model("mobileone_s0", num_classes=5)
    model.backbone.stages[1][3].branches[2].bn.running_var.fill_(float("nan"))
    with pytest.raises(
        ParityFailed, match=r"on 'backbone.stages.1.3 on photo': \d+ of \d+ values of the output are NaN"
    ):
        folded_small(model)


def test_dead_blocks_are_noted_not_failed(randomize_statistics):
    model = randomize_statistics(build_model("mobilenet_v2_035", num_classes=5))
    project = model.backbone.blocks[2].project.bn
    nn.init.zeros_(project.weight)
    nn.init.zeros_(project.bias)
    notes = folded_small(model).certificate.notes
    assert any("'backbone.blocks.2.project on photo'" in note and "all zeros in both forms" in note for note in notes)


def test_a_network_of_zeros_proves_nothing():
    model = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4))
    nn.init.zeros_(model[0].weight)
    with pytest.raises(ParityFailed, match="nothing could be compared: every output is all zeros"):
        folded_small(model)


class Amplifier(nn.Module):
    """Doubles every rounding error twelve times (the logistic map), folded or not."""

    def forward(self, x):
        x = x.sigmoid()
        for _ in range(12):
            x = 4 * x * (1 - x)
        return x


def test_a_network_that_loses_digits_is_judged_by_its_own_rounding(randomize_statistics):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), Amplifier())
    certificate = folded_small(randomize_statistics(model)).certificate
    assert certificate.passed
    assert certificate.worst.limits.nmse > 1e-10
    assert any("away from itself in float64" in note for note in certificate.notes)


class AmplifiedClasses(Amplifier):
    """Says values and classes; the classes of so unstable values differ between the forms."""

    def forward(self, x):
        values = super().forward(super().forward(x))
        return {"values": values, "classes": (values * 10).long()}


def test_classes_of_a_network_that_loses_digits_keep_their_limit(randomize_statistics):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), AmplifiedClasses())
    with pytest.raises(ParityFailed, match=r"\(classes\): values that differ"):
        folded_small(randomize_statistics(model))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_an_error(dtype):
    name = str(dtype).removeprefix("torch.")
    with pytest.raises(
        BadValue, match=re.escape(f"is {name}; folding needs float32 or float64: call model.float(), fold")
    ):
        folded_small(build_model("mobileone_s0").to(dtype))


def test_no_parameters_is_an_error():
    with pytest.raises(BadValue, match="the model has no parameters; there is nothing to fold"):
        reparameterize(nn.ReLU())


def test_a_fixed_size_must_be_given():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 30 * 30, 5))
    with pytest.raises(BadValue, match=r"does not run on an image \(1, 3, 224, 224\): .*; pass input_shape=\(channels"):
        reparameterize(model)
    assert reparameterize(model, input_shape=(3, 32, 32)).certificate.passed


def test_a_network_without_convolution_must_be_told_its_input():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5))
    with pytest.raises(BadValue, match=r"no spec and no convolution; pass input_shape=\(channels, height, width\)"):
        reparameterize(model)
    assert reparameterize(model, input_shape=(3, 8, 8)).certificate.facts["already_folded"] is True


@pytest.mark.parametrize("given", [{}, "mobileone_s0.pth", None])
def test_something_else_than_a_module_is_an_error(given):
    with pytest.raises(BadValue, match=r"a \w+ cannot be folded; a torch module is required: create_model\(name, wei"):
        reparameterize(given)


class Unfoldable(nn.Conv2d):
    def fuse(self):
        raise RuntimeError("not today")


def test_foldable_blocks_are_named_and_left_alone():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    assert foldable_blocks(model) == [""]
    assert isinstance(model[1], nn.BatchNorm2d)
    assert model.training
    assert foldable_blocks(timm.create_model("mobileone_s0"))[0] == "stem"
    assert foldable_blocks(build_model("mobileone_s0", form="folded")) == []
    assert foldable_blocks(Unfoldable(3, 4, 3)) == []


def test_network_of_timm_is_tried_at_its_own_size():
    model = timm.create_model("vit_tiny_patch16_224", img_size=96, pretrained_cfg_overlay={"input_size": (3, 96, 96)})
    assert reparameterize(model).certificate.passed

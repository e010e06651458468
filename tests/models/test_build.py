import pytest
import torch

from underone.errors import BadValue, UnknownName
from underone.models.build import build_model
from underone.models.strides import limit_stride
from underone.models.table import ALIASES, MODELS, canonical
from underone.spec import IMAGENET_PREPARATION, ModelSpec


@pytest.mark.parametrize("form", ["training", "folded"])
@pytest.mark.parametrize("name", MODELS)
def test_spec_says_what_the_model_is(name, form):
    spec = build_model(name, num_classes=9, form=form).spec
    assert (spec.name, spec.task, spec.form, spec.weights) == (name, "classify", form, "random")
    assert spec.input.shape == (None, 3, 224, 224)
    assert spec.input.preparation == IMAGENET_PREPARATION
    assert [(o.name, o.shape, o.meaning) for o in spec.outputs] == [("logits", (None, 9), "logits")]
    assert (spec.padding, spec.bn_eps) == ("symmetric", 1e-5)
    assert spec.published is None  # of the architecture, not of these random weights
    assert ModelSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("name", ["mobileone_s0", "mobilenet_v2_050"])
def test_spec_of_features_names_their_shapes(name):
    model = build_model(name, features=MODELS[name].levels).eval()
    with torch.no_grad():
        maps = model(torch.zeros(1, 3, 224, 224))
    assert {o.name: o.shape for o in model.spec.outputs} == {n: (None, *m.shape[1:]) for n, m in maps.items()}
    assert model.spec.task == "features"


def test_spec_of_other_channels():
    assert build_model("mobileone_s0", in_chans=1).spec.input.preparation.color == "GRAY"
    assert build_model("mobileone_s0", in_chans=4).spec.input.preparation is None
    assert build_model("mobileone_s0", in_chans=4).spec.input.shape == (None, 4, 224, 224)


@pytest.mark.parametrize("name", MODELS)
def test_every_entry_builds_its_levels(name):
    backbone = build_model(name, features=MODELS[name].levels)
    assert [f.name for f in backbone.features] == list(MODELS[name].levels)
    assert [f.stride for f in backbone.features] == [2, 4, 8, 16, 32]


def test_names_of_tensors_are_the_documented():
    keys = list(build_model("mobileone_s4").state_dict())
    assert "backbone.stages.2.10.branches.0.bn.num_batches_tracked" in keys
    assert "backbone.stages.2.10.se.reduce.bias" in keys
    assert "backbone.stem.scale.conv.weight" in keys
    assert "backbone.stages.0.2.skip.running_var" in keys
    assert keys[-2:] == ["head.weight", "head.bias"]
    assert "backbone.blocks.16.project.bn.bias" in build_model("mobilenet_v2_100").state_dict()
    assert "backbone.last.conv.bias" in build_model("mobilenet_v2_100", form="folded").state_dict()


def test_aliases_name_models():
    assert set(ALIASES.values()) <= set(MODELS)
    assert not set(ALIASES) & set(MODELS)
    assert build_model("mobilenetv2_100").spec.name == canonical("mobilenet_v2") == "mobilenet_v2_100"


def test_dropout_is_only_that_of_mobilenet():
    assert build_model("mobilenet_v2_100").dropout.p == 0.2
    assert build_model("mobileone_s0").dropout.p == 0


def test_unknown_name_is_an_error():
    with pytest.raises(
        UnknownName, match=r"unknown model 'mobileone_s5'. Did you mean 'mobileone_s\d'\? `underone list`"
    ):
        build_model("mobileone_s5")


def test_unknown_option_is_an_error():
    with pytest.raises(UnknownName, match="unknown option of mobileone_s0 'paddng'"):
        build_model("mobileone_s0", paddng="tf_same")


@pytest.mark.parametrize("number", [0, -1])
def test_no_classes_is_an_error(number):
    with pytest.raises(
        BadValue,
        match=f"num_classes={number}; a whole number, 1 or more, is required; for a network without classifier",
    ):
        build_model("mobileone_s0", num_classes=number)


def test_no_channels_is_an_error():
    with pytest.raises(BadValue, match="in_chans=0; a whole number, 1 or more, is required"):
        build_model("mobileone_s0", in_chans=0)


def test_strides_beyond_the_limit_become_dilation():
    steps = limit_stride([2, 2, 2, 1, 2, 1, 2, 1], output_stride=8)
    assert [s.stride for s in steps] == [2, 2, 2, 1, 1, 1, 1, 1]
    assert [s.dilation for s in steps] == [1, 1, 1, 1, 1, 2, 2, 4]
    assert [s.total for s in steps] == [2, 4, 8, 8, 8, 8, 8, 8]

"""What is known of a module before it is traced."""

import sys

import pytest
import timm
from torch import nn

from underone.models.build import build_model
from underone.spec import IMAGENET_PREPARATION, Preparation
from underone.trace import spec_of, trace


def described(**changes: object) -> nn.Module:
    """A module with timm's record of mobileone_s1, changed."""
    model = nn.Conv2d(3, 2, 3)
    record = timm.get_pretrained_cfg("mobileone_s1").to_dict() | changes
    model.pretrained_cfg, model.num_classes = record, 1000
    return model


def test_own_spec_comes_first() -> None:
    model = build_model("mobileone_s0")
    model.pretrained_cfg = described().pretrained_cfg
    assert spec_of(model) is model.spec


def test_module_that_nobody_described_has_its_name() -> None:
    spec = spec_of(nn.ReLU())
    assert (spec.name, spec.inputs, spec.task) == ("ReLU", (), None)
    bare = nn.ReLU()
    bare.pretrained_cfg = {"input_size": None}
    assert spec_of(bare).name == "ReLU"


def test_network_of_timm_has_its_size_preparation_and_classes() -> None:
    spec = spec_of(timm.create_model("vit_tiny_patch16_224"))  # timm/models/vision_transformer.py
    assert spec.name == "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
    assert spec.input.shape == (None, 3, 224, 224)
    assert spec.input.preparation == Preparation(
        crop_ratio=0.9, interpolation="bicubic", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
    )
    assert (spec.outputs[0].shape, spec.outputs[0].meaning) == ((None, 1000), "logits")
    assert spec.labels is not None
    assert spec.labels[281] == "tabby, tabby cat"
    assert spec.weights is None  # they may be random


def test_other_number_of_classes_has_no_labels() -> None:
    spec = spec_of(timm.create_model("mobileone_s0", num_classes=10))
    assert (spec.outputs[0].shape, spec.labels) == ((None, 10), None)
    assert spec.input.preparation == IMAGENET_PREPARATION


def test_network_without_classifier_has_no_task() -> None:
    spec = spec_of(timm.create_model("mobileone_s0", num_classes=0))
    assert (spec.task, spec.outputs, spec.name) == (None, (), "mobileone_s0.apple_in1k")


@pytest.mark.parametrize(
    "changes", [{"crop_mode": "border"}, {"interpolation": "lanczos"}, {"input_size": (4, 64, 64)}]
)
def test_preparation_that_we_have_not_is_left_out(changes: dict[str, object]) -> None:
    assert spec_of(described(**changes)).input.preparation is None


def test_squashed_picture_is_squeezed() -> None:
    preparation = spec_of(described(crop_mode="squash", crop_pct=1.0)).input.preparation
    assert preparation is not None
    assert (preparation.resize, preparation.crop_ratio) == ("squeeze", 1.0)


def test_record_without_timm_gives_no_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    model = described()
    monkeypatch.setitem(sys.modules, "timm.data", None)
    assert spec_of(model).labels is None


def test_traced_spec_is_that_of_timm() -> None:
    graph = trace(timm.create_model("mobileone_s0"), input_shape=(None, 3, 64, 64))
    assert (graph.spec.name, graph.spec.input.shape) == ("mobileone_s0.apple_in1k", (None, 3, 64, 64))

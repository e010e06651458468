"""ModelSpec: round trips, versions, refusals."""

import warnings

import pytest
from pydantic import ValidationError

from underone.errors import BadFile
from underone.spec import IMAGENET_PREPARATION, InputSpec, ModelSpec, OutputSpec, Preparation, Published

FULL = ModelSpec(
    name="mobilenet_v2_100",
    task="classify",
    form="folded",
    inputs=(InputSpec(shape=(None, 3, 224, 224), preparation=IMAGENET_PREPARATION),),
    outputs=(OutputSpec(name="logits", shape=(None, 1000), meaning="logits"),),
    labels=("tench", "goldfish"),
    padding="symmetric",
    bn_eps=1e-5,
    weights="torchvision_in1k",
    source="somewhere",
    licence="BSD-3-Clause",
    published=Published(source="torchvision", params=3_504_872, top1=71.878),
)

# a file written by version 1.0, kept as it was
STORED_1_0 = """{"spec_version": "1.0", "name": "m", "task": "classify", "inputs": [{"shape": [null, 3, 64, 64],
"preparation": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}], "outputs": [{"name": "logits", "shape": [null, 2],
"meaning": "logits"}], "labels": ["cat", "dog"], "weights": "random"}"""


@pytest.mark.parametrize("spec", [FULL, ModelSpec()], ids=["full", "empty"])
def test_spec_survives_the_disk(spec):
    assert ModelSpec.from_json(spec.to_json()) == spec


def test_stored_file_of_version_1_0_is_read():
    spec = ModelSpec.from_json(STORED_1_0)
    assert spec.input.size == (64, 64)
    assert spec.input.preparation.mean == (0.5, 0.5, 0.5)
    assert spec.labels == ("cat", "dog")


def test_newer_minor_version_keeps_unknown_fields_and_warns():
    text = STORED_1_0.replace('"1.0"', '"1.7"').replace('"weights"', '"anchors": [1, 2], "weights"')
    with pytest.warns(UserWarning, match=r"m\.onnx: kept fields of a newer version: anchors"):
        spec = ModelSpec.from_json(text, "m.onnx")
    assert '"anchors": [1, 2]' in spec.to_json()


def test_newer_minor_version_without_unknown_fields_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ModelSpec.from_json('{"spec_version": "1.7", "name": "m"}').name == "m"


REFUSED = {
    "not json": ("hello", "Expecting value"),
    "a list": ("[]", "the top level must be an object"),
    "newer major": ('{"spec_version": "2.0"}', "2.0 is newer than 1.x; update underone"),
    "broken version": ('{"spec_version": "one"}', "version 'one' is not 'major.minor'"),
    "unknown field": ('{"nmae": "x"}', "unknown fields: nmae"),
    "unknown nested field": ('{"inputs": [{"sahpe": []}]}', "unknown fields: sahpe"),
    "wrong type": ('{"inputs": 3}', "inputs"),
    "unknown task": ('{"task": "dance"}', "task"),
    "mean too short": ('{"inputs": [{"preparation": {"mean": [0.5]}}]}', "mean and std need 3 values for RGB"),
    "std zero": ('{"inputs": [{"preparation": {"std": [0, 1, 1]}}]}', "values above 0 are required"),
    "crop ratio": ('{"inputs": [{"preparation": {"crop_ratio": 1.5}}]}', "0 < crop_ratio <= 1 is required"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_file_is_one_sentence_with_its_name(case):
    text, reason = REFUSED[case]
    with pytest.raises(BadFile) as error:
        ModelSpec.from_json(text, "model.onnx")
    assert str(error.value).startswith("model.onnx: no valid ModelSpec: ")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_field_in_code_is_refused():
    with pytest.raises(ValidationError, match="unknown fields: nmae"):
        ModelSpec(nmae="x")


def test_spec_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        FULL.name = "other"


def test_size_follows_the_layout():
    assert InputSpec(shape=(1, 3, 10, 20)).size == (10, 20)
    assert InputSpec(shape=(1, 10, 20, 3), layout="NHWC").size == (10, 20)
    assert [InputSpec(shape=shape).size for shape in ((), (1, 3), (1, 3, 4, 5, 6))] == [(None, None)] * 3


def test_grey_needs_one_mean():
    assert Preparation(color="GRAY", mean=(0.5,), std=(0.5,)).mean == (0.5,)

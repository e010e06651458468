"""Detectors by create_model: on a trained backbone, from a file of ours, for other classes and sizes."""

import pytest
import torch

from underone.errors import BadFile, BadValue
from underone.models.detectors import detection_for
from underone.nn.statistics import randomize_statistics
from underone.zoo import create_model, list_models, model_info, save_weights

NAME = "ssdlite320_mobilenet_v2_035"
LABELS = ("platelet", "red", "white")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    torch.manual_seed(0)
    model = create_model("mobilenet_v2_035", num_classes=7)
    randomize_statistics(model, torch.randn(2, 3, 64, 64))
    return save_weights(model, tmp_path_factory.mktemp("w") / "classifier.safetensors")


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    torch.manual_seed(1)
    model = create_model(NAME, num_classes=3, labels=LABELS, size=96)
    randomize_statistics(model, torch.randn(2, 3, 96, 96))
    return model, save_weights(model, tmp_path_factory.mktemp("w") / "detector.safetensors")


def test_backbone_of_a_classifier_gets_new_heads(classifier):
    model = create_model(NAME, weights=classifier, num_classes=3, labels=LABELS)
    source = create_model("mobilenet_v2_035", weights=classifier).backbone.state_dict()
    loaded = model.backbone.state_dict()
    assert all(torch.equal(source[key], loaded[key]) for key in loaded)
    assert (model.spec.task, model.spec.labels, model.spec.classes) == ("detect", LABELS, 3)
    assert model.spec.input.preparation.resize == "squeeze"


def test_detector_comes_back_from_its_file(detector):
    model, path = detector
    again = create_model(NAME, weights=path)
    assert again.spec == model.spec
    image = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        want, got = model.eval()(image), again.eval()(image)
    assert all(torch.equal(want[name], got[name]) for name in want)


def test_other_classes_get_new_class_heads_alone(detector):
    model, path = detector
    other = create_model(NAME, weights=path, num_classes=5)
    assert other.spec.outputs[1].shape[-1] == 6
    assert other.spec.labels is None
    for part in ("backbone", "extras", "box_heads"):
        old, new = model.get_submodule(part).state_dict(), other.get_submodule(part).state_dict()
        assert all(torch.equal(old[key], new[key]) for key in old)


def test_another_size_gets_anchors_of_the_same_kind(detector):
    larger = create_model(NAME, weights=detector[1], size=(128, 160))
    assert [(grid.rows, grid.columns) for grid in larger.spec.detection.anchors][:2] == [(8, 10), (4, 5)]
    assert larger.spec.input.size == (128, 160)


def test_detectors_are_listed_and_described():
    assert "ssdlite320_mobileone_s0" in list_models("ssd*")
    info = model_info("ssdlite320_mobilenet_v2")
    assert info.features == ("block13.expand", "last")
    assert (info.backbone, info.size) == ("mobilenet_v2_100", 320)


def test_contradictions_are_refused(detector, classifier, tmp_path):
    with pytest.raises(BadValue, match="a detector has no features_only; create its backbone for that"):
        create_model(NAME, features_only=True)
    with pytest.raises(BadValue, match="a detector has no out_indices; create its backbone for that"):
        create_model(NAME, out_indices=(1,))
    with pytest.raises(BadValue, match="2 labels for 3 classes"):
        create_model(NAME, num_classes=3, labels=("a", "b"))
    with pytest.raises(BadValue, match="holds 'ssdlite320_mobilenet_v2_035', not 'ssdlite320_mobilenet_v2_050'"):
        create_model("ssdlite320_mobilenet_v2_050", weights=detector[1])
    model, _ = detector
    spec = model.spec
    try:
        model.spec = spec.model_copy(update={"detection": None, "labels": None})
        path = save_weights(model, tmp_path / "no_detection.safetensors")
        with pytest.raises(BadFile, match="its spec does not say how its outputs become boxes"):
            create_model(NAME, weights=path)
    finally:
        model.spec = spec


def stored(model, path, **changes):
    """Save a detector with another spec than its own."""
    spec = model.spec
    try:
        model.spec = spec.model_copy(update=changes)
        return save_weights(model, path)
    finally:
        model.spec = spec


@pytest.mark.parametrize("shape", [(None, 3, None, None), (), None], ids=["any size", "no shape", "no input"])
def test_a_file_without_a_size_asks_for_it(detector, tmp_path, shape):
    model, _ = detector
    image = model.spec.input.model_copy(update={"shape": shape})
    path = stored(model, tmp_path / "any_size.safetensors", inputs=() if shape is None else (image,))
    said = rf"'{NAME}' is stored without the size of its pictures; pass size=\(height, width\)"
    with pytest.raises(BadValue, match=said):
        create_model(NAME, weights=path)
    assert create_model(NAME, weights=path, size=96).spec == model.spec


def test_another_size_keeps_what_a_file_says_beside_the_anchors(tmp_path):
    model = create_model("ssdlite300_mobilenet_v2_035", num_classes=3, size=96)
    older = model.spec.detection.model_copy(update={"top_k": 100, "score_threshold": 0.7})  # as files said once
    path = stored(model, tmp_path / "older.safetensors", detection=older)
    assert create_model("ssdlite300_mobilenet_v2_035", weights=path).spec.detection == older
    larger = create_model("ssdlite300_mobilenet_v2_035", weights=path, size=128).spec.detection
    assert (larger.top_k, larger.score_threshold) == (larger.anchor_count, 0.7)
    assert larger.anchors == detection_for((128, 128), "tensorflow").anchors


def test_anchors_of_no_convention_stay_at_their_size(detector, tmp_path):
    model, _ = detector
    grids = [grid.model_copy(update={"offset": (0.4, 0.4)}) for grid in model.spec.detection.anchors]
    own = model.spec.detection.model_copy(update={"anchors": tuple(grids)})
    path = stored(model, tmp_path / "own.safetensors", detection=own)
    assert create_model(NAME, weights=path).spec.detection == own
    with pytest.raises(
        BadValue, match=f"the anchors of '{NAME}' are of no convention of ours; leave size= out, or pass"
    ):
        create_model(NAME, weights=path, size=128)
    assert create_model(NAME, weights=path, size=128, detection="torchvision").spec.input.size == (128, 128)

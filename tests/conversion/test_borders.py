"""convert: the names of classes and the size of pictures that the caller gives."""

import pytest
import torch

from underone.conversion import convert
from underone.errors import BadValue
from underone.fold import reparameterize
from underone.formats import export
from underone.nn.statistics import randomize_statistics
from underone.runtime import load
from underone.weights import save_weights
from underone.zoo import create_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weights of a detector for 96 pixels and of a classifier, and the classifier's network, all without labels."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("nets")
    detector = create_model("ssdlite320_mobilenet_v2_035", num_classes=2, size=96)
    classifier = create_model("mobilenet_v1_025", num_classes=3)
    for name, model in (("detector", detector), ("classifier", classifier)):
        randomize_statistics(model, torch.randn(2, 3, 96, 96))
        save_weights(model, folder / f"{name}.safetensors")
    export(reparameterize(classifier), folder / "classifier.onnx")
    return folder


def test_labels_and_size_of_a_detector_stand_in_its_file(folder, tmp_path):
    made = convert(folder / "detector.safetensors", tmp_path / "out.onnx", labels=["cell", "platelet"], size=(64, 128))
    with load(made.output) as net:
        assert net.spec.labels == ("cell", "platelet")
        assert net.spec.input.size == (64, 128)
        maps = [(grid.rows, grid.columns) for grid in net.spec.detection.anchors]
    assert maps == [(4, 8), (2, 4), (1, 2), (1, 1), (1, 1), (1, 1)]


def test_labels_and_size_of_a_classifier_stand_in_its_file(folder, tmp_path):
    made = convert(folder / "classifier.safetensors", tmp_path / "out.onnx", labels=["a", "b", "c"], size=64)
    with load(made.output) as net:
        assert (net.spec.labels, net.spec.input.size) == (("a", "b", "c"), (64, 64))


def test_a_network_that_is_taken_over_gets_labels(folder, tmp_path):
    made = convert(folder / "classifier.onnx", tmp_path / "out.onnx", labels=["a", "b", "c"])
    assert (made.road, made.spec.labels) == ("graph", ("a", "b", "c"))


REFUSED = {
    "too few labels": (
        "detector.safetensors", {"labels": ["a"]},
        "labels: 1 names; 'ssdlite320_mobilenet_v2_035' has 2 classes: give a list of as many, or none",
    ),
    "a string": ("classifier.safetensors", {"labels": "abc"}, "has 3 classes: give a list of as many, or none"),
    "size of a network": (
        "classifier.onnx", {"size": 64}, "holds a network, which has a size of its own; leave it out",
    ),
    "no size": ("detector.safetensors", {"size": 8}, r"size=8; \(height, width\) in pixels, each 32 or more"),
    "no size of a classifier": ("classifier.safetensors", {"size": 8}, r"size=8; \(height, width\) in pixels, each 32"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_refused(folder, tmp_path, what):
    source, given, message = REFUSED[what]
    with pytest.raises(BadValue, match=message):
        convert(folder / source, tmp_path / "out.onnx", **given)
    assert not (tmp_path / "out.onnx").exists()


def test_labels_of_a_network_without_classes_are_refused(tmp_path):
    features = reparameterize(create_model("mobilenet_v1_025", features_only=True))
    with pytest.raises(BadValue, match=r"labels: 1 names; .* has no output that is known to hold classes"):
        convert(export(features, tmp_path / "in.onnx"), tmp_path / "out.onnx", labels=["a"])

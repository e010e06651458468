"""Engine.detect: what it needs to know of the file, and what it refuses."""

import numpy as np
import pytest
import torch

from underone.errors import BadValue, ShapeError
from underone.fold import reparameterize
from underone.formats import export
from underone.image import photograph
from underone.nn.statistics import randomize_statistics
from underone.runtime import load
from underone.zoo import create_model


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    torch.manual_seed(0)
    model = create_model("ssdlite320_mobilenet_v2_035", num_classes=2, size=96, labels=("a", "b"))
    randomize_statistics(model, torch.randn(2, 3, 96, 96))
    return export(reparameterize(model), tmp_path_factory.mktemp("net") / "detector.onnx")


def test_detect_answers_with_boxes_inside_the_picture(detector):
    height, width, _ = photograph().shape
    with load(detector) as net:
        found = net.detect(photograph(), threshold=0.0)
    assert len(found) > 0
    assert ((found.boxes >= 0) & (found.boxes <= [width, height, width, height])).all()
    assert set(found.labels) <= {"a", "b"}
    assert set(found.speed) == {"prepare", "run", "decode"}


def test_a_higher_threshold_leaves_the_best(detector):
    with load(detector) as net:
        every = net.detect(photograph(), threshold=0.0)
        middle = float(np.median(every.scores))
        assert net.detect(photograph(), threshold=middle).scores.min() >= middle


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_a_threshold_outside_0_to_1_is_refused(detector, threshold):
    with (
        load(detector) as net,
        pytest.raises(BadValue, match=f"threshold={threshold}; a score from 0 to 1 is required"),
    ):
        net.detect(photograph(), threshold=threshold)


def test_a_picture_that_is_none_is_refused(detector):
    with load(detector) as net, pytest.raises(ShapeError):
        net.detect(np.zeros((4, 4, 2, 3), np.uint8))


def test_a_closed_engine_is_refused(detector):
    net = load(detector)
    net.close()
    with pytest.raises(BadValue, match="closed"):
        net.detect(photograph())


def test_a_foreign_file_says_all_that_is_missing(foreign):
    said = (
        r"'unnamed' does not say how its outputs become boxes or how a picture becomes its input, its task is None; "
        r"only detectors that export or convert wrote find objects"
    )
    with load(foreign) as net, pytest.raises(BadValue, match=said):
        net.detect(photograph())


def test_a_classifier_finds_no_objects(described):
    said = r"does not say how its outputs become boxes, its task is 'classify'; only detectors"
    with load(described) as net, pytest.raises(BadValue, match=said):
        net.detect(photograph())


def test_classify_says_what_to_call(detector):
    with (
        load(detector) as net,
        pytest.raises(BadValue, match=r"is no classifier, its task is 'detect'; call net\.detect"),
    ):
        net.classify(photograph())

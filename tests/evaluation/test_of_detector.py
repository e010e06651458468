"""A detector of any form as a callable on pictures."""

import numpy as np
import pytest

from underone.errors import BadValue
from underone.evaluation.of_detector import detector_of
from underone.spec import IMAGENET_PREPARATION, DetectionSpec, InputSpec, ModelSpec, OutputSpec

SQUEEZED = IMAGENET_PREPARATION.model_copy(update={"resize": "squeeze"})
INSIDE = ModelSpec(
    name="cells",
    task="detect",
    inputs=(InputSpec(shape=(1, 3, 32, 32), preparation=SQUEEZED),),
    outputs=(
        OutputSpec(name="boxes", shape=(1, None, 4), meaning="boxes"),
        OutputSpec(name="scores", shape=(1, None), meaning="scores"),
        OutputSpec(name="class_ids", shape=(1, None), dtype="int64", meaning="class_ids"),
    ),
    detection=DetectionSpec(score_threshold=0.3),
)


def run(images):
    assert images.shape == (1, 3, 32, 32)
    return {
        "boxes": np.float32([[[0, 0, 0.5, 0.5], [0.5, 0, 1, 1]]]),
        "scores": np.float32([[0.9, 0.02]]),
        "class_ids": np.int64([[0, 1]]),
    }


def test_a_file_with_suppression_inside_is_scored_and_its_threshold_named(caplog):
    with caplog.at_level("INFO", "underone"):
        detect = detector_of(run, INSIDE)
    assert "cells leaves out boxes below 0.3 itself; the score of its network may be higher" in caplog.text
    [found] = detect([np.zeros((40, 60, 3), np.uint8)])
    assert found.corners.tolist() == [[0, 0, 30, 20], [30, 0, 60, 40]]  # asked down to 0.01
    assert found.class_ids.tolist() == [0, 1]


def test_a_file_that_keeps_every_score_says_nothing(caplog):
    low = INSIDE.detection.model_copy(update={"score_threshold": 0.01})
    with caplog.at_level("INFO", "underone"):
        detector_of(run, INSIDE.model_copy(update={"detection": low}))
    assert caplog.text == ""


def test_a_network_without_anchors_is_refused():
    with pytest.raises(BadValue, match="'cells' has the task 'classify' and no anchors; a detector is required"):
        detector_of(run, INSIDE.model_copy(update={"task": "classify", "detection": None}))

"""DetectionSpec: round trip with the model's spec, counts, refusals."""

import pytest
from pydantic import ValidationError

from underone.boxes.families import tf_ssd
from underone.errors import BadFile
from underone.spec import AnchorGrid, DetectionSpec, ModelSpec

FULL = DetectionSpec(
    anchors=tf_ssd(),
    code="yxhw",
    variances=(0.1, 0.1, 0.2, 0.2),
    activation="sigmoid",
    iou_threshold=0.6,
    nms="soft",
    background=None,
)


def test_detection_survives_the_disk_with_its_model():
    spec = ModelSpec(name="d", task="detect", detection=FULL)
    assert ModelSpec.from_json(spec.to_json()) == spec
    assert len(spec.to_json()) < 4000  # the rule of the anchors is stored, not the anchors


def test_anchors_are_counted():
    assert FULL.anchor_count == 1917
    assert DetectionSpec().anchor_count == 0


GRID = {"rows": 2, "columns": 2, "shapes": [[0.1, 0.1]], "step": [0.5, 0.5]}
REFUSED = {
    "more anchors than any detector": {"anchors": [GRID | {"rows": 2048, "columns": 2048}]},
    "a map without cells": {"anchors": [GRID | {"rows": 0}]},
    "a cell without anchors": {"anchors": [GRID | {"shapes": []}]},
    "an anchor without width": {"anchors": [GRID | {"shapes": [[0, 0.1]]}]},
    "steps of infinity": {"anchors": [GRID | {"step": [float("inf"), 0.5]}]},
    "a variance of zero": {"variances": [0.1, 0.1, 0.2, 0]},
    "a score above one": {"score_threshold": 1.5},
    "an unknown order": {"code": "whxy"},
    "an unknown field": {"nms_kind": "hard"},
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_makes_no_sense_is_refused(fault):
    with pytest.raises(ValidationError):
        DetectionSpec.model_validate(REFUSED[fault])


def test_file_with_too_many_anchors_is_refused_in_one_line():
    text = ModelSpec(name="d").to_json()[:-1] + ', "detection": {"anchors": [%s]}}'
    grid = AnchorGrid(rows=1500, columns=1500, shapes=((0.1, 0.1),), step=(0.1, 0.1)).model_dump_json()
    with pytest.raises(BadFile, match=r"d\.onnx: no valid ModelSpec: detection: .*2250000 anchors; at most 1048576"):
        ModelSpec.from_json(text % grid, "d.onnx")

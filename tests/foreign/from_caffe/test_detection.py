"""What is read from DetectionOutput and PriorBox layers, in small networks."""

import numpy as np
import pytest

from underone.boxes import anchor_boxes, corners
from underone.errors import BadFile
from underone.foreign.foreign_file import Cut
from underone.foreign.from_caffe.config import network_of
from underone.foreign.from_caffe.network import build_network
from underone.foreign.from_caffe.prototxt import read_prototxt

PRIOR = "min_size: 30 max_size: 60 aspect_ratio: 2 flip: true variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2"
END = """num_classes: 3 share_location: true background_label_id: 0 nms_param { nms_threshold: 0.45 top_k: 100 }
    code_type: CENTER_SIZE keep_top_k: 50 confidence_threshold: 0.5"""


def text(prior=PRIOR, end=END, second=None):
    """Give a network of two maps of 4 x 4 and 2 x 2, whose codes and scores are inputs."""
    boxes = 80  # (16 + 4) places, 4 each
    return f"""
    input: "picture" input_shape {{ dim: 1 dim: 3 dim: 100 dim: 200 }}
    input: "a" input_shape {{ dim: 1 dim: 8 dim: 4 dim: 4 }}
    input: "b" input_shape {{ dim: 1 dim: 8 dim: 2 dim: 2 }}
    input: "codes" input_shape {{ dim: 1 dim: {4 * boxes} }}
    input: "marks" input_shape {{ dim: 1 dim: {3 * boxes} }}
    layer {{ name: "loc" type: "ReLU" bottom: "codes" top: "loc" }}
    layer {{ name: "conf" type: "ReLU" bottom: "marks" top: "conf" }}
    layer {{ name: "pa" type: "PriorBox" bottom: "a" bottom: "picture" top: "pa" prior_box_param {{ {prior} }} }}
    layer {{ name: "pb" type: "PriorBox" bottom: "b" bottom: "picture" top: "pb"
             prior_box_param {{ {second or prior} }} }}
    layer {{ name: "p" type: "Concat" bottom: "pa" bottom: "pb" top: "p" concat_param {{ axis: 2 }} }}
    layer {{ name: "out" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "p" top: "out"
             detection_output_param {{ {end} }} }}"""


@pytest.fixture
def read(tmp_path):
    """Return a function that reads a network of a text."""

    def network(content, outputs=()):
        path = tmp_path / "net.prototxt"
        path.write_text(content)
        return build_network(network_of(read_prototxt(path)), {}, "net.prototxt", None, Cut((), outputs))

    return network


def test_spec_is_that_of_the_layers(read):
    graph, notes = read(text())
    how = graph.spec.detection
    assert (how.score_threshold, how.iou_threshold) == pytest.approx((0.5, 0.45))
    assert (how.top_k, how.max_detections, how.max_per_class) == (100, 50, 50)
    assert (how.background, how.activation, how.code, how.clip_anchors) == (0, "none", "xywh", False)
    assert [(g.rows, g.columns, len(g.shapes)) for g in how.anchors] == [(4, 4, 4), (2, 2, 4)]
    assert {o.name: (o.shape, o.meaning) for o in graph.spec.outputs} == {
        "loc": ((None, 80, 4), "box_codes"), "conf": ((None, 80, 3), "probabilities")
    }  # fmt: skip
    assert notes == ("layer 'out' (DetectionOutput) is left out; the spec says what it does",)


def test_anchors_of_the_spec_are_the_prior_boxes_of_the_graph(read):
    prior = PRIOR + " clip: true offset: 0.4 step: 20"
    how = read(text(prior)).graph.spec.detection
    assert how.clip_anchors
    made = read(text(prior), ("p",)).graph
    (stored,) = (c for c in made.constants.values() if c.shape == (1, 2, 320))
    np.testing.assert_allclose(stored[0, 0].reshape(-1, 4), corners(anchor_boxes(how.anchors, clip=True)), atol=1e-6)


def test_limits_that_are_left_open_stay_those_of_a_spec(read):
    how = read(text(end="num_classes: 3 code_type: CENTER_SIZE background_label_id: -1")).graph.spec.detection
    assert (how.background, how.top_k, how.max_detections) == (None, 400, 100)
    assert (how.iou_threshold, how.score_threshold) == pytest.approx((0.3, 0.3))


def test_variance_that_was_learnt_is_not_applied(read):
    how = read(text(end=END + " variance_encoded_in_target: true")).graph.spec.detection
    assert how.variances == (1, 1, 1, 1)


LEFT_RAW = {
    "another code": text(end=END.replace("CENTER_SIZE", "CORNER")),
    "boxes of each class": text(end=END.replace("share_location: true", "share_location: false")),
    "variances that differ": text(second=PRIOR.replace("0.2", "0.3")),
    "priors of another layer": text().replace('bottom: "p" top: "out"', 'bottom: "conf" top: "out"'),
    "two blobs": text().replace('bottom: "p" top: "out"', 'top: "out"'),
}


@pytest.mark.parametrize("case", LEFT_RAW)
def test_what_cannot_be_said_is_left_raw_with_the_reason(case, read):
    graph, notes = read(LEFT_RAW[case])
    assert graph.spec.task is None
    assert "layer 'out' (DetectionOutput) is left out, for " in notes[0]
    assert "what it reads are outputs: loc, conf" in notes[0]


@pytest.mark.parametrize(
    ("end", "field"),
    [
        (END.replace("0.45", "4.5"), "iou_threshold: Input should be less than or equal to 1"),
        (END.replace("0.5", "50"), "score_threshold: Input should be less than or equal to 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(end, field, read):
    with pytest.raises(BadFile, match=rf"layer 'out' \(DetectionOutput\) makes no sense: {field}"):
        read(text(end=end))


@pytest.mark.parametrize("prior", [PRIOR + " step: -3", PRIOR.replace("60", "-60"), PRIOR + " img_size: 0"])
def test_prior_boxes_that_are_none_are_refused(prior, read):
    with pytest.raises(BadFile, match=r"layer 'pa' \(PriorBox\) makes no boxes: "):
        read(text(prior))

"""What is read from the constants behind the heads of an Object Detection API graph, in small graphs."""

import numpy as np
import pytest

from underone.boxes import anchor_boxes, corners
from underone.boxes.families import tf_ssd
from underone.errors import BadFile, Unsupported
from underone.foreign.from_tensorflow.detection import detection_of

NMS = "Postprocessor/BatchMultiClassNonMaxSuppression/map/while/MultiClassNonMaxSuppression"
ANCHORS = corners(anchor_boxes(tf_ssd()))[:, [1, 0, 3, 2]]


class Node:
    """An operation of a graph, as far as it is looked at."""

    def __init__(self, name, op="Const", inputs=(), value=None):
        self.name, self.op, self.inputs, self.value = name, op, tuple(inputs), value

    def tensor(self):
        if isinstance(self.value, str):
            raise Unsupported("a text")
        return np.asarray(self.value)


def graph(*more):
    """Give the nodes of a graph with 10, 10, 5, 5 and a suppression, `more` in the place of those of their name."""
    unstack = "Postprocessor/Decode/unstack"
    nodes = [
        Node("Postprocessor/ExpandDims", "ExpandDims", ("anchors", "axis")),
        Node("Postprocessor/Slice", "Slice"),
        *(Node(f"Postprocessor/Decode/y{i}", value=v) for i, v in enumerate((10.0, 8.0, 5.0, 4.0))),
        *(
            Node(f"Postprocessor/Decode/div{i}", "RealDiv", (f"{unstack}{end}", f"Postprocessor/Decode/y{i}"))
            for i, end in enumerate(("", ":1", ":2", ":3"))
        ),
        Node(f"{NMS}/Minimum/x", value=50),
        Node(f"{NMS}/iou", value=np.float32([0.6])),
        Node(f"{NMS}/passed", "Enter", (f"{NMS}/iou",)),
        Node(f"{NMS}/score", value=0.4),
        Node(f"{NMS}/nms", "NonMaxSuppressionV3", ("b", "s", "n", f"{NMS}/passed", f"{NMS}/score")),
        Node("Postprocessor/BatchMultiClassNonMaxSuppression/map/while/PadOrClipBoxList/Select/t", value=70),
    ]  # fmt: skip
    return {node.name: node for node in (*nodes, *more)}


def found(nodes, anchors=ANCHORS):
    return detection_of(nodes, lambda _: anchors, "a.pb")


def test_everything_is_read_from_the_constants():
    how, notes = found(graph())
    assert how.variances == pytest.approx((1 / 8, 1 / 10, 1 / 4, 1 / 5))  # x, y, w, h
    assert (how.iou_threshold, how.score_threshold, how.max_per_class, how.max_detections) == pytest.approx(
        (0.6, 0.4, 50, 70)
    )
    assert (how.code, how.background, how.top_k, how.anchor_count) == ("yxhw", 0, 1917, 1917)
    assert notes == ()


def test_older_graphs_filter_before_they_suppress():
    old = Node(f"{NMS}/nms", "NonMaxSuppressionV2", ("b", "s", "n", f"{NMS}/iou"))
    how, notes = found(graph(old, Node(f"{NMS}/FilterGreaterThan/Greater/y", value=0.05)))
    assert how.score_threshold == 0.3
    assert "from a score of 0.05 on" in notes[0]


def test_graph_without_suppression_says_what_is_assumed():
    how, notes = found({n: node for n, node in graph().items() if not n.endswith("/nms")})
    assert how.iou_threshold == 0.5
    assert notes == ("the graph suppresses no overlaps; assumed: intersection over union 0.5",)


def test_graph_without_background_or_factors_has_none():
    nodes = {n: node for n, node in graph().items() if n != "Postprocessor/Slice" and "Decode/div" not in n}
    how, _ = found(nodes)
    assert how.background is None
    assert how.variances == (1, 1, 1, 1)


@pytest.mark.parametrize("anchors", [None, np.ones((3, 5)), np.ones(4)], ids=["open", "five numbers", "flat"])
def test_graph_whose_anchors_are_not_fixed_is_no_detector(anchors):
    assert found(graph(), anchors) is None


def test_graph_of_something_else_is_no_detector():
    assert found({}) is None


FAULTS = {
    "anchors without order": (
        np.random.default_rng(0).uniform(0, 1, (99, 4)),
        {},
        "anchors have sides|lie in no grids",
    ),
    "an overlap of two": (ANCHORS, {f"{NMS}/iou": 2.0}, "iou_threshold: Input should be less than or equal to 1"),
    "no boxes at all": (ANCHORS, {f"{NMS}/Minimum/x": -3}, "max_per_class: Input should be greater than 0"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_constants_that_make_no_sense_are_refused(fault):
    anchors, values, text = FAULTS[fault]
    with pytest.raises(BadFile, match=rf"a\.pb: the detector's constants make no sense: .*({text})"):
        found(graph(*(Node(name, value=value) for name, value in values.items())), anchors)


def test_constants_that_are_no_numbers_count_as_absent():
    how, _ = found(graph(Node(f"{NMS}/iou", value="text"), Node(f"{NMS}/score", value=np.nan)))
    assert how.iou_threshold == 0.5
    assert how.score_threshold == 0.3


def test_circle_of_nodes_that_pass_a_number_on_ends():
    ring = (Node(f"{NMS}/passed", "Enter", (f"{NMS}/back",)), Node(f"{NMS}/back", "Identity", (f"{NMS}/passed",)))
    how, _ = found(graph(*ring))
    assert how.iou_threshold == 0.5

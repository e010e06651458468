"""What tells that a network segments, on small graphs; the real files are tested beside their format."""

import numpy as np
import pytest

from underone.foreign.segmenter import with_segmentation
from underone.foreign.task import with_task
from underone.graph import Graph, Node, run_reference
from underone.graph.graph import Value
from underone.spec import VOC_CLASSES, InputSpec, ModelSpec, OutputSpec


def network(*end, classes=3, coordinates="align_corners", mode="linear", shape=None):
    """A 1x1 convolution, an enlargement from 4x4 to 8x8, and the operators (op, attributes) at the end."""
    resize = {
        "scales": (1.0, 1.0, 2.0, 2.0), "mode": mode,
        "coordinate_transformation_mode": coordinates, "nearest_mode": "floor",
    }  # fmt: skip
    rows = [("Conv", {"strides": (2, 2)}), ("Resize", resize), *end]
    nodes = []
    for index, (op, attrs) in enumerate(rows):
        before = f"x{index}" if index else "image"
        operands = (before, "w") if op == "Conv" else (before,)
        nodes.append(Node(op, operands, (f"x{index + 1}",), attrs, op))
    weight = np.random.default_rng(0).normal(0, 1, (classes, 3, 1, 1)).astype("float32")
    shape = (1, classes, 8, 8) if shape is None else shape
    name = f"x{len(rows)}"
    spec = ModelSpec(inputs=(InputSpec(shape=(1, 3, 8, 8)),), outputs=(OutputSpec(name=name, shape=shape),))
    return Graph(tuple(nodes), (Value("image", (1, 3, 8, 8)),), (Value(name, shape),), {"w": weight}, spec)


LAST = ("Transpose", {"perm": (0, 2, 3, 1)})
ARG_MAX = ("ArgMax", {"axis": 1, "keepdims": 0})


@pytest.mark.parametrize(
    ("graph", "meaning"),
    [
        (network(), "logits"),
        (network(("Softmax", {"axis": 1})), "probabilities"),
        (network(ARG_MAX, shape=(1, 8, 8)), "label_map"),
        (network(LAST, ("ArgMax", {"axis": 3, "keepdims": 0}), shape=(1, 8, 8)), "label_map"),
    ],
)
def test_enlarged_map_is_a_segmenters(graph, meaning):
    made, notes = with_segmentation(graph)
    assert (made.spec.task, made.spec.outputs[0].meaning, notes) == ("segment", meaning, ())
    assert made.spec.segmentation.alignment == "corners"
    assert made.spec.segmentation.background is None
    assert made.nodes == graph.nodes


def test_classes_behind_the_points_are_moved_before_them():
    graph = network(LAST, shape=(1, 8, 8, 3))
    made, _ = with_segmentation(graph)
    assert made.spec.outputs[0].shape == made.outputs[0].shape == (1, 3, 8, 8)
    image = {"image": np.random.default_rng(1).normal(0, 1, (1, 3, 8, 8)).astype("float32")}
    [want], [got] = run_reference(graph, image).values(), run_reference(made, image).values()
    assert np.array_equal(got, want.transpose(0, 3, 1, 2))


def test_twenty_one_classes_are_vocs():
    made, notes = with_segmentation(network(classes=21, coordinates="half_pixel"))
    assert made.spec.labels == VOC_CLASSES
    assert made.spec.segmentation.alignment == "borders"
    assert made.spec.segmentation.background == 0
    assert notes == ("the file does not name its 21 classes; they are taken for those of PASCAL VOC, background first",)


@pytest.mark.parametrize(
    "graph",
    [
        network(mode="nearest"),
        network(classes=1),
        network(("Flatten", {"axis": 1}), shape=(1, 192)),
        network(("Relu", {})),
        network(("Squeeze", {"axes": (0,)}), shape=(3, 8, 8)),
    ],
)
def test_other_networks_are_no_segmenters(graph):
    assert with_segmentation(graph) == (graph, ())


def test_pictures_of_a_segmenter_are_taken_whole():
    made, notes = with_task(network(), "TFLite")
    how = made.spec.input.preparation
    assert (how.resize, how.range) == ("squeeze", (-1, 1))
    assert notes == ("the file does not say how pictures are prepared; assumed: RGB, -1 to 1",)

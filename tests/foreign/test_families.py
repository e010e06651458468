"""Bare heads of known detectors: what is completed, and what is left alone."""

import numpy as np
import pytest

from underone.foreign.detector import as_detector, shown_from
from underone.foreign.families import as_known_detector
from underone.foreign.foreign_file import Network
from underone.graph import Graph, Node, Value
from underone.spec import DetectionSpec, InputSpec, ModelSpec, OutputSpec, Preparation


def network(size, boxes, scores, op="Identity", decoded=False, **spec):
    """Give a network whose outputs have these shapes; what it computes matters not."""
    picture = (None, 3, *size)
    spec = {
        "inputs": (InputSpec(name="x", shape=picture),),
        "outputs": (OutputSpec(name="c", shape=scores), OutputSpec(name="b", shape=boxes)),
    } | spec
    nodes = (
        Node("Conv", ("x", "w"), ("m",)),
        Node("Exp" if decoded else "Reshape", ("m",), ("r",)),
        Node("Identity", ("r",), ("b",)),
        Node(op, ("m",), ("c",)),
    )
    outputs = (Value("c", scores), Value("b", boxes))
    graph = Graph(nodes, (Value("x", picture),), outputs, {"w": np.ones((1, 3, 1, 1))}, ModelSpec(**spec))
    return Network(graph, ("a note",))


@pytest.mark.parametrize(
    ("op", "meaning", "activation"),
    [("Identity", "logits", "sigmoid"), ("Sigmoid", "probabilities", "none")],
)
def test_tensorflow_heads_are_completed(op, meaning, activation):
    made = as_known_detector(network((300, 300), (None, 1917, 4), (None, 1917, 91), op))
    spec, how = made.graph.spec, made.graph.spec.detection
    assert spec.task == "detect"
    assert {o.name: o.meaning for o in spec.outputs} == {"c": meaning, "b": "box_codes"}
    assert (how.activation, how.code, how.anchor_count, how.background) == (activation, "yxhw", 1917, 0)
    assert (spec.input.preparation.range, spec.input.preparation.resize) == ((-1, 1), "squeeze")
    assert made.notes[0] == "a note"
    assert "as many anchors as TensorFlow Object Detection API has" in made.notes[1]


@pytest.mark.parametrize("decoded", [True, False])
def test_ultraface_heads_are_completed(decoded):
    made = as_known_detector(network((240, 320), (1, 4420, 4), (1, 4420, 2), "Softmax", decoded))
    how = made.graph.spec.detection
    assert made.graph.spec.outputs[1].meaning == ("boxes" if decoded else "box_codes")
    assert how.anchor_count == (0 if decoded else 4420)
    assert (how.score_threshold, how.iou_threshold, made.graph.spec.labels) == (0.7, 0.3, ("face",))


def test_four_classes_are_told_from_four_numbers_by_their_name():
    given = network((300, 300), (None, 1917, 4), (None, 1917, 4))
    names = {"b": "box_encodings"}
    nodes = tuple(Node(n.op, n.inputs, tuple(names.get(o, o) for o in n.outputs)) for n in given.graph.nodes)
    outputs = tuple(o.model_copy(update={"name": names.get(o.name, o.name)}) for o in given.graph.spec.outputs)
    values = tuple(Value(names.get(v.name, v.name), v.shape) for v in given.graph.outputs)
    spec = given.graph.spec.model_copy(update={"outputs": outputs})
    made = as_known_detector(Network(Graph(nodes, given.graph.inputs, values, given.graph.constants, spec)))
    assert {o.name: o.meaning for o in made.graph.spec.outputs} == {"c": "logits", "box_encodings": "box_codes"}


def test_preparation_and_labels_of_the_file_stay():
    how = Preparation(range=(0.0, 255.0))
    inputs = (InputSpec(name="x", shape=(None, 3, 240, 320), preparation=how),)
    made = as_known_detector(network((240, 320), (1, 4420, 4), (1, 4420, 2), inputs=inputs, labels=("Gesicht",)))
    assert made.graph.spec.input.preparation == how
    assert made.graph.spec.labels == ("Gesicht",)


OTHERS = {
    "another number of anchors": network((300, 300), (None, 1900, 4), (None, 1900, 91)),
    "another size": network((320, 320), (None, 1917, 4), (None, 1917, 91)),
    "an open size": network((None, None), (None, 1917, 4), (None, 1917, 91)),
    "other rows": network((300, 300), (None, 1917, 4), (None, 1900, 91)),
    "five numbers": network((300, 300), (None, 1917, 5), (None, 1917, 91)),
    "maps": network((300, 300), (None, 4, 19, 19), (None, 91, 19, 19)),
    "a task": network((300, 300), (None, 1917, 4), (None, 1917, 91), task="features"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_networks_are_left_as_they_are(name):
    assert as_known_detector(OTHERS[name]) is OTHERS[name]


def test_outputs_that_do_not_fit_the_anchors_make_no_detector():
    given = network((300, 300), (None, 1917, 4), (None, 1917, 91))
    made = as_detector(given, ("b", "box_codes"), ("c", "logits"), DetectionSpec())
    assert made.graph is given.graph
    assert "no detector: outputs (None, 1917, 4) and (None, 1917, 91) do not fit 0 anchors" in made.notes[-1]


def test_scores_of_files_for_evaluation_are_raised_and_said():
    assert shown_from(0.5) == (0.5, ())
    threshold, (note,) = shown_from(1e-8)
    assert threshold == 0.3
    assert note.startswith("the file keeps boxes from a score of 1e-08 on; here it is 0.3")

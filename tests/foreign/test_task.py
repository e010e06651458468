from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from underone.foreign.builder import Builder
from underone.foreign.task import with_name, with_task
from underone.spec import Preparation


def network(classes=5, end="Softmax", channels=3, dtype="float32", first=None, preparation=None):
    """Make a classifier: the mean of every channel, a dense layer, an operator at the end."""
    b = Builder("net.x")
    x = b.input("image", (None, 8, 8, channels), dtype)
    if first:
        x = b.add(first, [x, b.constant("c", np.full((), 2, dtype))], "first")
    x = b.add("ReduceMean", [x], "mean", axes=(1, 2), keepdims=0)
    x = b.add("MatMul", [x, b.constant("w", np.ones((channels, classes), dtype))], "dense")
    b.output("scores", b.add(end, [x], "end", **({"axis": -1} if end == "Softmax" else {})))
    return b.finish("net", preparation=preparation)


def test_softmax_at_the_end_makes_a_classifier():
    graph, notes = with_task(network(), "Keras")
    assert (graph.spec.task, graph.spec.outputs[0].meaning) == ("classify", "probabilities")
    how = graph.spec.inputs[0].preparation
    assert (how.color, how.range, how.mean, how.std) == ("RGB", (-1, 1), (0, 0, 0), (1, 1, 1))
    assert notes == ("the file does not say how pictures are prepared; assumed: RGB, -1 to 1",)


@pytest.mark.parametrize(("classes", "labels", "meaning"), [
    (1001, None, "logits"), (1000, None, "logits"), (5, tuple("abcde"), "logits"), (5, None, None), (5, ("a",), None),
])  # fmt: skip
def test_scores_without_softmax_need_labels_or_the_classes_of_imagenet(classes, labels, meaning):
    spec = with_task(network(classes, "Relu"), "TensorFlow frozen graph", labels)[0].spec
    assert (spec.task, spec.outputs[0].meaning) == (meaning and "classify", meaning)
    assert spec.labels == (labels if meaning and labels else None)


@pytest.mark.parametrize(("arguments", "color", "span"), [
    ({"channels": 1}, "GRAY", (-1, 1)), ({"first": "Mul"}, "RGB", (0, 255)), ({"first": "Sub"}, "RGB", (0, 255)),
])  # fmt: skip
def test_preparation_is_assumed_by_channels_and_first_operator(arguments, color, span):
    how = with_task(network(**arguments), "Keras")[0].spec.inputs[0].preparation
    assert (how.color, how.range) == (color, span)


def test_what_the_file_says_stays():
    how = Preparation(color="BGR")
    graph, notes = with_task(network(preparation=how), "Keras")
    assert (graph.spec.inputs[0].preparation, notes) == (how, ())


def test_nothing_is_assumed_for_caffe_and_for_tflite():
    graph, notes = with_task(network(), "Caffe")
    assert graph.spec.inputs[0].preparation is None
    assert notes == ("the file does not say how pictures are prepared, and Caffe has no usual way",)
    assert with_task(network(), "TFLite")[1] == ()  # its reader says more


@pytest.mark.parametrize(("own", "path", "name"), [
    ("torch-jit-export", "a/face.v2.onnx", "face.v2"), ("torch_jit", "a/face.onnx", "face"),
    ("main_graph", "face.onnx", "face"), ("model_1", "emotion.h5", "emotion"), ("sequential", "emotion.h5", "emotion"),
    ("", "net.caffemodel", "net"), ("unnamed", "/nets/face/saved_model.pb", "face"),
    ("mobilenet_1.00_224", "x.h5", "mobilenet_1.00_224"), ("model_of_faces", "x.h5", "model_of_faces"),
    ("model", "/", "model"),
])  # fmt: skip
def test_network_whose_name_says_nothing_is_named_after_its_file(own, path, name):
    graph = network()
    graph = replace(graph, spec=graph.spec.model_copy(update={"name": own}))
    assert with_name(graph, Path(path)).spec.name == name

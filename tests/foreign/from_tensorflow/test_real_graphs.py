"""Two published frozen graphs: TensorFlow's own answers (golden/make_tensorflow_graphs.py), and photographs."""

import time
from pathlib import Path

import numpy as np
import pytest

from underone.errors import FetchFailed, UnknownName, Unsupported
from underone.files import fetch
from underone.foreign.from_tensorflow import read_frozen_graph
from underone.graph import count
from underone.graph.to_onnx import to_onnx
from underone.image import prepare
from underone.runtime import load
from underone.spec import InputSpec, Preparation
from underone.weights.labelled_photographs import LABELLED_PHOTOGRAPHS
from underone.weights.real_files import REAL_FILES

GOLDEN = dict(np.load(Path(__file__).parents[2] / "golden" / "tensorflow" / "networks.npz"))
LOGITS = "MobilenetV1/Predictions/Reshape"
BOXES, SCORES = "Postprocessor/raw_box_encodings", "Postprocessor/raw_box_scores"
PICTURES = "Preprocessor/map/TensorArrayStack/TensorArrayGatherV3"


def fetched(name):
    try:
        return fetch(REAL_FILES[name])
    except FetchFailed as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def classifier():
    return read_frozen_graph(fetched("mobilenet_v1_frozen"))


@pytest.fixture(scope="module")
def detector():
    return read_frozen_graph(fetched("pedestrian_ssdlite_frozen"))


def wave(height, width):
    """The picture of the golden values, (1, 3, height, width) from -1 to 1."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    picture = np.sin(y * (0.07 + 0.02 * c) + np.cos(x * 0.05) * 3 + c)[None].astype(np.float32)
    return np.ascontiguousarray(picture.transpose(0, 3, 1, 2))


def engine(graph, folder, backend):
    path = folder / "network.onnx"
    path.write_bytes(to_onnx(graph))
    return load(path, backend=backend)


def largest_relative(got, want):
    return float(np.abs(got - want).max() / np.abs(want).max())


def test_classifier_is_one_network_of_convolutions(classifier):
    network = classifier.network(outputs=[LOGITS])
    (value,) = network.graph.inputs
    assert (value.name, value.shape) == ("input", (None, 3, 224, 224))
    assert [(v.name, v.shape) for v in network.graph.outputs] == [(LOGITS, (None, 1001))]
    assert network.notes == ("output 'final_result' is left out",)
    assert [n.op for n in network.graph.nodes].count("Conv") == 28
    assert len(network.graph.nodes) == 58
    assert count(network.graph).macs == 568_740_352 + 1024  # published for 1000 classes, and one more


def test_classifier_gives_its_own_head_where_nobody_asks(classifier):
    network = classifier.network()
    assert [(v.name, v.shape) for v in network.graph.outputs] == [("final_result", (None, 2))]
    assert network.notes == (f"{LOGITS!r} ends a network inside this one; name it to have that as output",)


@pytest.mark.parametrize("backend", ["reference", "native", "onnxruntime"])
def test_classifier_gives_tensorflow_logits(classifier, tmp_path, backend):
    with engine(classifier.graph(outputs=[LOGITS]), tmp_path, backend) as net:
        got = net.run({"input": wave(224, 224)})[LOGITS]
    assert largest_relative(got, GOLDEN["logits"]) < 1e-4


def test_classifier_knows_the_photographs(classifier, tmp_path):
    how = Preparation(range=(-1.0, 255 / 128 - 1))  # (x - 128) / 128
    spec = InputSpec(shape=(None, 3, 224, 224), preparation=how)
    places = []
    with engine(classifier.graph(outputs=[LOGITS]), tmp_path, "onnxruntime") as net:
        for photograph in LABELLED_PHOTOGRAPHS:
            picture = prepare(fetch(photograph.file), spec)
            order = np.argsort(-net.run({"input": picture})[LOGITS][0])
            places.append(list(order).index(photograph.imagenet_index + 1))  # a background class first
    assert sum(p == 0 for p in places) >= 16
    assert sum(p < 5 for p in places) == 20


def test_weights_have_the_names_of_their_nodes(classifier):
    weights = {n: a for n, a in classifier.tensors.items() if a.ndim}
    assert weights["MobilenetV1/Conv2d_0/weights"].shape == (3, 3, 3, 32)
    assert weights["MobilenetV1/Conv2d_13_depthwise/depthwise_weights"].shape == (3, 3, 1024, 1)
    assert weights["MobilenetV1/Logits/Conv2d_1c_1x1/biases"].shape == (1001,)
    assert sum(n.endswith("BatchNorm/moving_variance") for n in weights) == 27
    assert {a.dtype.name for a in weights.values()} == {"float32"}


def test_detector_is_cut_before_its_loops(detector):
    network = detector.network()
    assert [(v.name, v.shape) for v in network.graph.inputs] == [(PICTURES, (None, 3, 300, 300))]
    assert [(v.name, v.shape) for v in network.graph.outputs] == [(BOXES, (None, 1917, 4)), (SCORES, (None, 1917, 2))]
    assert "non-maximum suppression are left out" in network.notes[0]
    assert "output 'detection_boxes' is left out" in network.notes


@pytest.mark.parametrize("backend", ["reference", "native", "onnxruntime"])
def test_detector_gives_tensorflow_heads(detector, tmp_path, backend):
    with engine(detector.graph(), tmp_path, backend) as net:
        got = net.run({PICTURES: (wave(300, 300) + 1) * np.float32(127.5)})
    assert largest_relative(got[BOXES][:, ::16], GOLDEN["boxes"]) < 1e-4
    assert largest_relative(got[SCORES][:, ::16], GOLDEN["scores"]) < 1e-4


def test_detector_can_be_cut_elsewhere(detector):
    graph = detector.graph(["Preprocessor/sub"], ["concat", "concat_1:0"])
    assert [(v.name, v.shape) for v in graph.inputs] == [("Preprocessor/sub", (None, 3, 300, 300))]
    assert [(v.name, v.shape) for v in graph.outputs] == [("concat", (None, 1917, 1, 4)), ("concat_1", (None, 1917, 2))]
    assert {n.op for n in graph.nodes} == {"Conv", "Clip", "Add", "Transpose", "Reshape", "Concat"}


def test_detector_with_its_loops_is_refused(detector):
    with pytest.raises(
        Unsupported, match=r"not implemented: .*NonMaxSuppressionV3.*inputs such as \['image_tensor'\], "
    ):
        detector.graph(outputs=["detection_boxes"])


def test_unknown_tensor_is_refused(detector):
    with pytest.raises(UnknownName, match=r"unknown tensor 'image_tensr'. Did you mean 'image_tensor'\?"):
        detector.graph(["image_tensr"])


def test_reading_and_building_is_fast(classifier):
    path = fetched("mobilenet_v1_frozen")
    begin = time.perf_counter()
    content = to_onnx(read_frozen_graph(path).graph())
    assert time.perf_counter() - begin < 3
    assert len(content) == pytest.approx(17e6, rel=0.05)

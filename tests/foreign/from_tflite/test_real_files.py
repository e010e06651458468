"""Real TFLite files give what LiteRT gives: on noise tensor by tensor, on photographs answer by answer."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from underone import settings
from underone.compare import difference
from underone.errors import FetchFailed, Unsupported
from underone.files import fetch
from underone.foreign import read_foreign
from underone.graph import run_reference, to_onnx
from underone.image import prepare, read_image
from underone.runtime import load
from underone.weights.labelled_photographs import LABELLED_PHOTOGRAPHS
from underone.weights.real_files import REAL_FILES


def fetched(pinned):
    try:
        return fetch(pinned)
    except FetchFailed as error:
        pytest.skip(str(error))


def interpreter(path, **how):
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT, the oracle, is not installed")
    made = litert.Interpreter(str(path), num_threads=1, **how)
    made.allocate_tensors()
    return made


def answers(runner, value):
    runner.set_tensor(runner.get_input_details()[0]["index"], value)
    runner.invoke()
    return {d["name"]: runner.get_tensor(d["index"]) for d in runner.get_output_details()}


# name, outputs, NMSE limit: rounding of float32, and of float16 where LiteRT calculates a part in it
FLOAT_FILES = {
    "deeplab_257_tflite": 1e-10,
    "objectron_ssd_tflite": 1e-10,
    "face_short_range_tflite": 1e-10,
    "face_full_range_sparse_tflite": 1e-10,  # DENSIFY, DEPTH_TO_SPACE
    "palm_full_tflite": 1e-10,
    "palm_lite_tflite": 1e-10,
    "pose_detection_tflite": 1e-10,  # DENSIFY
    "hand_landmark_full_tflite": 1e-9,
    "hand_landmark_lite_tflite": 1e-9,
    "pose_landmark_full_tflite": 1e-6,  # one output is 1e-9 large
    "face_landmark_tflite": 1e-10,
    "iris_landmark_tflite": 1e-10,
    "hand_recrop_tflite": 1e-10,
    "emotion_tflite": 1e-3,  # weights of 8 bits: LiteRT rounds the activations too
}


@pytest.mark.parametrize("name", FLOAT_FILES)
def test_float_file_gives_what_litert_gives(name):
    path = fetched(REAL_FILES[name])
    runner, graph = interpreter(path), read_foreign(path).graph()
    noise = np.random.default_rng(0).uniform(0, 1, runner.get_input_details()[0]["shape"]).astype(np.float32)
    want = answers(runner, noise)
    got = run_reference(graph, {graph.inputs[0].name: noise.transpose(0, 3, 1, 2)})
    assert got.keys() == want.keys()
    for output, reference in want.items():
        nmse, _ = difference(got[output], reference)
        assert nmse <= FLOAT_FILES[name], output


@pytest.mark.parametrize("name", ["deeplab_257_tflite", "objectron_ssd_tflite", "hand_landmark_full_tflite"])
@pytest.mark.parametrize("backend", ["native", "onnxruntime"])
def test_engine_runs_the_converted_file(name, backend, tmp_path):
    path = fetched(REAL_FILES[name])
    graph = read_foreign(path).graph()
    (tmp_path / "a.onnx").write_bytes(to_onnx(graph))
    runner = interpreter(path)
    noise = np.random.default_rng(1).uniform(0, 1, runner.get_input_details()[0]["shape"]).astype(np.float32)
    with load(tmp_path / "a.onnx", backend=backend, threads=1) as engine:
        got = engine.run({graph.inputs[0].name: noise.transpose(0, 3, 1, 2)})
    for output, reference in answers(runner, noise).items():
        assert difference(got[output], reference)[0] <= 1e-10


def test_network_of_a_converted_file_runs_channels_first():
    graph = read_foreign(fetched(REAL_FILES["objectron_ssd_tflite"])).graph()
    transposes = [n for n in graph.nodes if n.op == "Transpose"]
    assert len(transposes) == 10  # of the 12 heads, but for the two of one pixel; nowhere else
    assert all(n.inputs[0] for n in transposes)
    assert {v.name: v.shape for v in graph.inputs} == {"normalized_input_image_tensor": (None, 3, 300, 300)}


@pytest.mark.parametrize(
    ("name", "operators"),
    [
        ("selfie_tflite", "'Convolution2DTransposeBias'"),
        ("face_landmark_with_attention_tflite", "'Landmarks2TransformMatrix' x3.*'TransformTensorBilinear' x3"),
    ],
)
def test_custom_operators_are_named(name, operators):
    file = read_foreign(fetched(REAL_FILES[name]))
    with pytest.raises(Unsupported, match=f"{name.split('_tflite')[0][:6]}.*custom operator {operators}"):
        file.graph()


@pytest.mark.parametrize("name", ["deeplab_uint8_tflite", "deeplab_dm05_uint8_tflite"])
def test_quantised_segmenter_finds_the_same_classes(name):
    path = fetched(REAL_FILES[name])
    runner, file = interpreter(path), read_foreign(path)
    graph = file.graph()
    x = prepare(read_image(fetched(LABELLED_PHOTOGRAPHS[16].file)), graph.spec.input)
    stored = np.rint(x / np.float32(1 / 128) + 128).astype(np.uint8).transpose(0, 2, 3, 1)
    (want,) = answers(runner, stored).values()
    assert len(np.unique(want)) > 1
    for quantised, least in (("kept", 0.99), ("dequantised", 0.98)):
        graph = file.graph(quantised=quantised)
        (got,) = run_reference(graph, {graph.inputs[0].name: x}).values()
        assert np.mean(got == want) >= least, quantised


def photographs():
    """Give (path, ImageNet index) of the pinned photographs, and of those in the folder of assets."""
    found = [(fetched(p.file), p.imagenet_index) for p in LABELLED_PHOTOGRAPHS]
    folder = settings.assets_dir()
    if folder is not None:
        with (folder / "photos" / "photos.csv").open() as file:
            rows = [r for r in csv.DictReader(file) if r["imagenet_index"]]
        found += [(folder / "photos" / Path(r["file"]).name, int(r["imagenet_index"])) for r in rows]
    return found


# right of 20 pinned photographs, and of the 37 in the folder of assets, as LiteRT has them
CLASSIFIERS = {"mobilenet_v1_075_uint8_tflite": (16, 33), "mobilenet_v2_uint8_tflite": (18, 33)}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_quantised_classifier_answers_as_litert(name, tmp_path):
    path = fetched(REAL_FILES[name])
    with pytest.warns(UserWarning, match="experimental_preserve_all_tensors"):
        runner = interpreter(path, experimental_preserve_all_tensors=True)
    before = next(o["inputs"][0] for o in runner._get_ops_details() if o["op_name"] == "SOFTMAX")
    logits = next(d for d in runner.get_tensor_details() if d["index"] == before)
    file = read_foreign(path)
    own = file.graph()
    graph = file.graph(outputs=[logits["name"], own.outputs[0].name], quantised="kept")
    (tmp_path / "kept.onnx").write_bytes(to_onnx(replace(graph, spec=own.spec.model_copy(update={"outputs": ()}))))
    same = right = 0
    photos = photographs()
    with load(tmp_path / "kept.onnx", backend="onnxruntime", threads=1) as engine:
        for photo, index in photos:
            x = prepare(read_image(photo), own.spec.input)
            stored = np.rint(x * 128 + 128).astype(np.uint8).transpose(0, 2, 3, 1)
            (want,) = answers(runner, stored).values()
            want = want[0] / np.float32(256)
            reference = (runner.get_tensor(before).astype(np.float32) - logits["quantization"][1]) * logits[
                "quantization"
            ][0]
            got = engine.run({"input": x})
            probabilities = got[own.outputs[0].name][0]
            assert np.abs(probabilities - want)[want >= 0.02].max() <= 2.001 / 256, photo
            assert difference(got[logits["name"]].ravel(), reference.ravel())[0] <= 1e-3, photo
            same += np.argmax(probabilities) == np.argmax(want)
            right += np.argmax(probabilities) == index + 1
    assert same == len(photos)
    assert right >= sum(CLASSIFIERS[name][: 1 if len(photos) == 20 else 2]) - 1

"""Published detectors, converted: what they find on photographs, against the frameworks that they come from."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from underone.boxes import iou
from underone.errors import FetchFailed
from underone.files import fetch
from underone.foreign import read_foreign
from underone.foreign.families import as_known_detector
from underone.foreign.foreign_file import Network
from underone.foreign.task import with_task
from underone.graph import read_onnx
from underone.graph.to_onnx import to_onnx
from underone.image import prepare, read_image
from underone.post import decode_detection
from underone.runtime import load
from underone.weights.face_photographs import FACE_PHOTOGRAPHS
from underone.weights.real_files import REAL_FILES

GOLDEN = Path(__file__).parents[1] / "golden" / "detections"
ASSETS = os.environ.get("UNDERONE_ASSETS")


def fetched(pin):
    try:
        return fetch(REAL_FILES[pin] if isinstance(pin, str) else pin)
    except FetchFailed as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def photographs():
    if not ASSETS:
        pytest.skip("needs the photographs of the assets; UNDERONE_ASSETS names their folder")
    return Path(ASSETS) / "photos"


def converted(source, folder, **changes):
    """Give the network of a file as `convert` writes it, without the proof."""
    if source.suffix == ".onnx":
        network, kind, labels = Network(read_onnx(source)), "ONNX", None
    else:
        file = read_foreign(source)
        network, kind, labels = file.network(), file.format, file.labels
    graph, _ = with_task(as_known_detector(network).graph, kind, labels)
    path = folder / "detector.onnx"
    path.write_bytes(to_onnx(replace(graph, spec=graph.spec.model_copy(update=changes))))
    return path


def shares(found):
    height, width = found.picture.shape[:2]
    return found.boxes / np.float32([width, height, width, height])


@pytest.mark.parametrize("backend", ["native", "onnxruntime"])
def test_pedestrians_are_those_that_tensorflow_finds(backend, tmp_path, photographs):
    wanted, compared = json.loads((GOLDEN / "pedestrian.json").read_text()), 0
    with load(converted(fetched("pedestrian_ssdlite_frozen"), tmp_path), backend=backend) as net:
        for name, want in wanted.items():
            found = net.detect(photographs / name, threshold=0.25)
            assert len(found) == len(want["scores"]), name
            if len(found):
                overlap = np.diag(iou(np.array(want["boxes"]), shares(found)))
                assert overlap.min() >= 0.9999, name
                np.testing.assert_allclose(found.scores, want["scores"], atol=1e-5, err_msg=name)
                compared += sum(score >= 0.3 for score in want["scores"])
    assert compared == 12


def test_spec_of_the_pedestrian_detector_is_that_of_its_graph(tmp_path):
    with load(converted(fetched("pedestrian_ssdlite_frozen"), tmp_path), backend="onnxruntime") as net:
        how, preparation = net.spec.detection, net.spec.input.preparation
    assert (how.code, how.activation, how.background, how.nms) == ("yxhw", "none", 0, "hard")
    assert how.variances == pytest.approx((0.1, 0.1, 0.2, 0.2))
    assert how.iou_threshold == pytest.approx(0.6)
    assert (how.max_per_class, how.max_detections, how.top_k) == (100, 100, 1917)
    assert [(g.rows, g.columns, len(g.shapes)) for g in how.anchors] == [
        (19, 19, 3), (10, 10, 6), (5, 5, 6), (3, 3, 6), (2, 2, 6), (1, 1, 6)
    ]  # fmt: skip
    assert (preparation.range, preparation.interpolation, preparation.resize) == (
        (0, 255),
        "bilinear_corner",
        "squeeze",
    )


# what the file finds with LiteRT on photographs that Pillow resized (bicubic): score at least 0.35, overlap at most 0.5
SSD300 = {
    "cat": {"Cat": [0.78]},
    "kitten": {"Cat": [0.79]},
    "kitten_with_wool": {"Cat": [0.79]},
    "german_shepherd": {"Dog": [0.53]},
    "two_dogs": {"Dog": [0.81, 0.75]},
    "running_dog": {"Dog": [0.86]},
    "cows": {"Cattle": [0.77, 0.46, 0.36]},
    "chair": {"Chair": [0.89]},
    "grace_hopper": {"Person": [0.46]},
    "stage_musicians": {"Person": [0.64, 0.60, 0.52, 0.48, 0.37]},
    "samoyed": {},
    "cup": {},
    "castle": {},
    "goldfish": {},
}


@pytest.mark.parametrize("backend", ["native", "onnxruntime"])
def test_ssd300_of_tflite_finds_what_it_finds_in_litert(backend, tmp_path, photographs):
    names = fetched("objectron_labels").read_text().split("\n")
    path = converted(fetched("objectron_ssd_tflite"), tmp_path, labels=tuple(names[1:24]))
    with load(path, backend=backend) as net:
        how = net.spec.detection.model_copy(update={"iou_threshold": 0.5})
        image = net.spec.input.preparation.model_copy(update={"interpolation": "bicubic"})
        spec = net.spec.model_copy(
            update={"detection": how, "inputs": (net.spec.input.model_copy(update={"preparation": image}),)}
        )
        for name, want in SSD300.items():
            picture = read_image(photographs / f"{name}.jpg")
            found = decode_detection(net.run(prepare(picture, spec.input)), spec, picture, 0.35)
            assert set(found.labels) == set(want), name
            for label, scores in want.items():
                np.testing.assert_allclose(found.scores, scores, atol=0.02, err_msg=f"{name}: {label}")


@pytest.mark.parametrize("net", ["rfb", "slim"])
@pytest.mark.parametrize("kind", ["onnx", "caffemodel"])
def test_ultraface_finds_the_faces(net, kind, tmp_path):
    paths = {k: fetched(f"ultraface_{net}_{k}") for k in ("onnx", "caffemodel", "prototxt")}
    for k in ("caffemodel", "prototxt"):  # side by side, under one name
        (tmp_path / f"face.{k}").write_bytes(paths[k].read_bytes())
    source = paths["onnx"] if kind == "onnx" else tmp_path / "face.caffemodel"
    with load(converted(source, tmp_path), backend="native") as detector:
        for photograph in FACE_PHOTOGRAPHS:
            found = detector.detect(fetched(photograph.file))
            assert len(found) == photograph.faces, photograph.file.name
            assert set(found.labels) == {"face"}
        if ASSETS:
            counts = {
                "grace_hopper": 1,
                "german_shepherd": 0,
                "owl": 0,
                "castle": 0,
                "stage_musicians": 2 + (net == "rfb"),
            }
            for name, count in counts.items():
                assert len(detector.detect(Path(ASSETS) / "photos" / f"{name}.jpg")) == count, name


def test_faces_of_a_caffe_ssd_are_those_that_opencv_finds(tmp_path):
    for part in ("caffemodel", "prototxt"):
        (tmp_path / f"face.{part}").write_bytes(fetched(f"res10_ssd_{part}").read_bytes())
    wanted = json.loads((GOLDEN / "res10.json").read_text())
    with load(converted(tmp_path / "face.caffemodel", tmp_path), backend="native") as detector:
        for photograph in FACE_PHOTOGRAPHS:
            want = wanted[photograph.file.name]
            found = detector.detect(fetched(photograph.file), threshold=0.25)
            assert len(found) == len(want["scores"]) > 0
            assert np.diag(iou(np.array(want["boxes"]), shares(found))).min() >= 0.99
            np.testing.assert_allclose(found.scores, want["scores"], atol=1e-3)

"""Caffe files, small and real, against OpenCV's output (tests/golden/make_caffe.py)."""

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from underone.boxes import anchor_boxes, corners
from underone.compare import difference
from underone.errors import FetchFailed, UnknownName, Unsupported
from underone.files import fetch
from underone.foreign.from_caffe import read_caffe
from underone.graph import run_reference, to_onnx
from underone.weights import REAL_FILES

GOLDEN = Path(__file__).parents[2] / "golden" / "foreign"
ANSWERS = np.load(GOLDEN / "caffe_answers.npz")
OLD = np.load(GOLDEN / "caffe_old.npz")


def close(found, wanted, nmse=1e-10, peak=1e-4):
    got = difference(found, wanted)
    assert got[0] < nmse
    assert got[1] < peak


def test_old_notation_gives_opencvs_answer():
    file = read_caffe(GOLDEN / "caffe_old.caffemodel")
    assert file.notes == ("the network is the one of caffe_old.prototxt",)
    assert file.tensors["conv/1"].shape == (1, 1, 1, 4)  # as the old notation has it
    graph = file.graph()
    assert graph.spec.task == "classify"
    assert [v.shape for v in graph.inputs] == [(None, 3, 9, 9)]
    close(run_reference(graph, {"data": OLD["data"]})["prob"], OLD["prob"])


def test_text_file_finds_its_weights():
    graph = read_caffe(GOLDEN / "caffe_old.prototxt").graph()
    close(run_reference(graph, {"data": OLD["data"]})["prob"], OLD["prob"])


def test_outputs_inside_are_given_by_blob():
    file = read_caffe(GOLDEN / "caffe_old.caffemodel")
    assert [(v.name, v.shape) for v in file.graph(outputs=["pool"]).outputs] == [("pool", (None, 4, 2, 2))]
    with pytest.raises(UnknownName, match=r"unknown blob 'pol'\. Did you mean 'pool'"):
        file.graph(outputs=["pol"])
    with pytest.raises(Unsupported, match=r"is read from its own inputs \['data'\] on"):
        file.graph(inputs=["conv"])


def real(name):
    try:
        return fetch(REAL_FILES[name])
    except FetchFailed as error:
        pytest.skip(str(error))


def picture(height, width):
    """The picture of make_caffe.py."""
    c, y, x = np.mgrid[0:3, 0:height, 0:width].astype(np.float64)
    waves = np.sin(x / 7 + c) * np.cos(y / 11 - c) + 0.5 * np.sin((x + 2 * y) / 5 + c * c)
    return (waves / 1.5).astype(np.float32)[None]


def test_face_detector_gives_opencvs_raw_heads():
    file = read_caffe(real("res10_ssd_caffemodel"), real("res10_ssd_prototxt"))
    assert (file.preparation.color, file.preparation.mean, file.preparation.std) == ("BGR", (104, 117, 123), (1, 1, 1))
    graph, notes = file.network()
    assert notes == (
        "layer 'detection_out' (DetectionOutput) is left out; the spec says what it does",
        "the file keeps boxes from a score of 0.01 on; here it is 0.3, unless a threshold is given",
    )
    assert {v.name: v.shape for v in graph.outputs} == {
        "mbox_loc": (None, 8892, 4), "mbox_conf_flatten": (None, 8892, 2)
    }  # fmt: skip
    detection = graph.spec.detection
    boxes = corners(anchor_boxes(detection.anchors, detection.clip_anchors)).ravel()
    priors = np.stack([boxes, np.tile(detection.variances, len(boxes) // 4)]).ravel()
    close(priors[::37], ANSWERS[f"{Path(REAL_FILES['res10_ssd_caffemodel'].name).stem}/mbox_priorbox"])
    assert [v.shape for v in graph.inputs] == [(None, 3, 300, 300)]
    assert not [n for n in graph.nodes if n.op == "Mul" and n.inputs[1].endswith("scale")][1:]  # Scale lies in its norm
    given = {"data": picture(300, 300) * 120}
    for found in (run_reference(graph, given), onnxruntime_run(graph, given)):
        for name, array in found.items():
            close(array.ravel()[::37], ANSWERS[f"{Path(REAL_FILES['res10_ssd_caffemodel'].name).stem}/{name}"])


def onnxruntime_run(graph, given):
    session = onnxruntime.InferenceSession(to_onnx(graph), providers=["CPUExecutionProvider"])
    names = [v.name for v in graph.outputs]
    return dict(zip(names, session.run(names, given), strict=True))


@pytest.mark.parametrize("name", ["RFB-320", "slim-320"])
@pytest.mark.parametrize("text", [True, False])
def test_ultraface_gives_opencvs_answer_with_and_without_its_text(name, text, ultraface):
    folder = ultraface(name)
    if not text:
        (folder / f"{name}.prototxt").unlink()
    file = read_caffe(folder / f"{name}.caffemodel")
    assert bool(file.notes) == text
    graph = file.graph()
    assert {v.name: v.shape for v in graph.outputs} == {"boxes": (1, 4420, 4), "scores": (1, 4420, 2)}
    found = run_reference(graph, {"input": picture(240, 320)})
    for output in ("boxes", "scores"):
        close(found[output].ravel()[::37], ANSWERS[f"{name}/{output}"])


@pytest.fixture
def ultraface(tmp_path):
    """Return a function that puts the files of a network into one folder."""

    def put(name):
        key = name.partition("-")[0].lower()
        for suffix in ("caffemodel", "prototxt"):
            shutil.copyfile(real(f"ultraface_{key}_{suffix}"), tmp_path / f"{name}.{suffix}")
        return tmp_path

    return put

"""`underone predict` with a detector, and `underone export --nms`."""

import json

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import underone as uo
from underone.nn.statistics import randomize_statistics


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small detector as weights and as file."""
    torch.manual_seed(0)
    model = uo.create_model("ssdlite320_mobilenet_v2_035", num_classes=2, size=96, labels=("a", "b"))
    randomize_statistics(model, torch.randn(2, 3, 96, 96))
    folder = tmp_path_factory.mktemp("net")
    uo.save_weights(model, folder / "net.safetensors")
    uo.export(uo.reparameterize(model), folder / "net.onnx")
    return folder


def test_predict_gives_boxes_in_pixels_and_draws_them(run, folder, picture, tmp_path):
    words = ("--threshold", 0.1, "--json", "--save", tmp_path / "out.png")
    code, got = run("predict", picture, "--model", folder / "net.onnx", *words)
    assert code == 0, got.err
    answer = json.loads(got.out)
    with uo.load(folder / "net.onnx") as net:
        want = net.detect(picture, threshold=0.1)
    assert len(want) > 0
    assert answer["task"] == "detect"
    assert [thing["name"] for thing in answer["objects"]] == list(want.top(len(answer["objects"])).labels)
    boxes = np.array([thing["box"] for thing in answer["objects"]])
    np.testing.assert_allclose(boxes, want.boxes[: len(boxes)], atol=1e-3)
    with Image.open(tmp_path / "out.png") as drawn:  # enlarged, as lines and names need pixels
        assert drawn.width / drawn.height == 50 / 40


def test_top_limits_the_objects(run, folder, picture):
    words = ("--threshold", 0.0, "--top", 2, "--json")
    code, got = run("predict", picture, "--model", folder / "net.onnx", *words)
    assert code == 0, got.err
    assert len(json.loads(got.out)["objects"]) == 2


REFUSED = {
    "size": (("--size", 64), "--size 64: the anchors of 'ssdlite320_mobilenet_v2_035' are for one size; leave it out"),
    "labels": (("--labels", "x.txt"), "is a detector, whose file names its classes; leave it out"),
    "threshold": (("--threshold", 2), "threshold"),
    "reduced": (("--reduced",), "--reduced is for classifiers; 'ssdlite320_mobilenet_v2_035' has the task 'detect'"),
    "tiled": (("--tiled",), "--tiled is for segmenters; 'ssdlite320_mobilenet_v2_035' has the task 'detect': leave it"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_option_that_a_detector_has_not_is_one_line(run, folder, picture, what):
    words, said = REFUSED[what]
    code, got = run("predict", picture, "--model", folder / "net.onnx", *words)
    assert code == 1
    assert said in got.err
    assert "Traceback" not in got.err


def test_a_threshold_for_a_classifier_is_refused(run, picture, tmp_path):
    path = uo.export(uo.reparameterize(uo.create_model("mobilenet_v1_025", num_classes=5)), tmp_path / "net.onnx")
    code, got = run("predict", picture, "--model", path, "--threshold", 0.5)
    assert code == 1
    assert "--threshold 0.5: 'mobilenet_v1_025' finds no objects; leave it out" in got.err


def test_export_nms_writes_a_file_that_predicts_the_same(run, folder, picture, tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    code, got = run("export", folder / "net.safetensors", "-o", tmp_path / "nms.onnx", "--nms")
    assert code == 0, got.err
    assert "export: nms.onnx (float32) against" in got.out
    assert "nms: yes" in got.out
    assert "NonMaxSuppression" in {node.op_type for node in onnx.load(tmp_path / "nms.onnx").graph.node}
    code, got = run("info", tmp_path / "nms.onnx")
    assert code == 0, got.err
    assert "anchors: 312: 6 x 6 of 6, 3 x 3 of 6, 2 x 2 of 6" in got.out
    assert "not counted: " in got.out
    assert "operators that are not implemented: GatherND, NonMaxSuppression, TopK" in got.out
    answers = []
    for path in (folder / "net.onnx", tmp_path / "nms.onnx"):
        code, got = run("predict", picture, "--model", path, "--json", "--top", 1)
        assert code == 0, got.err
        answers.append(json.loads(got.out)["objects"])
    plain, inside = answers
    assert [thing["class_id"] for thing in inside] == [thing["class_id"] for thing in plain]
    for one, other in zip(plain, inside, strict=True):
        assert other["score"] == pytest.approx(one["score"], abs=1e-4)
        assert other["box"] == pytest.approx(one["box"], abs=0.05)


def test_convert_takes_labels_and_a_size(run, folder, tmp_path):
    (tmp_path / "labels.txt").write_text("cell\nplatelet\n")
    words = ("convert", folder / "net.safetensors", "-o", tmp_path / "named.onnx", "--size", 64)
    code, got = run(*words, "--labels", tmp_path / "labels.txt")
    assert code == 0, got.err
    with uo.load(tmp_path / "named.onnx") as net:
        assert (net.spec.labels, net.spec.input.size) == (("cell", "platelet"), (64, 64))
    code, got = run(*words, "--labels", tmp_path / "none.txt")
    assert code == 1
    assert "none.txt cannot be read as labels" in got.err


def test_export_nms_of_a_classifier_is_one_line(run, tmp_path):
    weights = uo.save_weights(uo.create_model("mobilenet_v1_025", num_classes=5), tmp_path / "w.safetensors")
    code, got = run("export", weights, "-o", tmp_path / "a.onnx", "--nms")
    assert code == 1
    assert "nms=True: 'mobilenet_v1_025' is no detector with box codes and logits" in got.err
    assert not (tmp_path / "a.onnx").exists()

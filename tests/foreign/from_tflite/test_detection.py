"""Detectors that end in TFLite_Detection_PostProcess, of golden/make_tflite_detectors.py: LiteRT's boxes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from underone.errors import BadFile
from underone.foreign import read_foreign
from underone.foreign.bounded import Reader, open_file
from underone.foreign.from_tflite.detection import detection_of, find_post_process
from underone.foreign.from_tflite.model_file import parse
from underone.graph import to_onnx
from underone.post.find import find_boxes
from underone.runtime import load

GOLDEN = Path(__file__).parents[2] / "golden" / "detections"
KINDS = ("regular", "fast")


@pytest.fixture(params=KINDS)
def source(request):
    return GOLDEN / f"{request.param}.tflite"


def litert_answer(path, picture):
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT, the oracle, is not installed")
    runner = litert.Interpreter(str(path), num_threads=1)
    runner.allocate_tensors()
    runner.set_tensor(runner.get_input_details()[0]["index"], picture)
    runner.invoke()
    boxes, classes, scores, count = (
        runner.get_tensor(d["index"])[0] for d in sorted(runner.get_output_details(), key=lambda d: d["name"])
    )
    return boxes[: int(count)], classes[: int(count)], scores[: int(count)]


@pytest.mark.parametrize("backend", ["native", "onnxruntime"])
def test_boxes_are_those_of_litert(source, backend, tmp_path):
    (tmp_path / "a.onnx").write_bytes(to_onnx(read_foreign(source).graph()))
    with load(tmp_path / "a.onnx", backend=backend, threads=1) as engine:
        for seed in range(5):
            picture = np.random.default_rng(seed).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
            boxes, classes, scores = litert_answer(source, picture)
            found = find_boxes(engine.run(np.ascontiguousarray(picture.transpose(0, 3, 1, 2))), engine.spec, None)
            assert len(scores) > 5
            np.testing.assert_array_equal(found.class_ids, classes)
            np.testing.assert_allclose(found.scores, scores, atol=1e-5)
            np.testing.assert_allclose(found.boxes, boxes[:, [1, 0, 3, 2]].clip(0, 1), atol=1e-5)


def test_spec_is_that_of_the_settings_and_anchors(source):
    network = read_foreign(source).network()
    how = network.graph.spec.detection
    assert network.notes[0] == "operator 'TFLite_Detection_PostProcess' is left out; the spec says what it does"
    assert how.per_class == (source.stem == "regular")
    assert how.variances == pytest.approx((1 / 8, 1 / 10, 1 / 4, 1 / 5))
    assert (how.score_threshold, how.iou_threshold) == pytest.approx((0.35, 0.45))
    assert (how.max_detections, how.background, how.code, how.activation) == (12, 0, "yxhw", "none")
    (grid,) = how.anchors
    assert (grid.rows, grid.columns) == (4, 4)
    np.testing.assert_allclose(grid.shapes, [(0.5, 0.3), (0.25, 0.5)], rtol=1e-6)
    spec = network.graph.spec
    assert (spec.task, spec.input.preparation.resize, spec.input.preparation.range) == ("detect", "squeeze", (-1, 1))


def test_heads_can_still_be_asked_for(source):
    graph = read_foreign(source).graph(outputs=["Reshape"])
    assert graph.spec.task is None
    assert [v.name for v in graph.outputs] == ["Reshape"]


@pytest.fixture
def parts():
    file = parse(open_file(GOLDEN / "regular.tflite"))
    return file, find_post_process(file)


def test_operator_without_anchors_is_refused(parts):
    file, end = parts
    with pytest.raises(BadFile, match=r"PostProcess has 2 operands; codes, scores, anchors and settings are required"):
        detection_of(file, replace(end, inputs=end.inputs[:2]))


def test_anchors_that_are_not_stored_are_refused(parts):
    file, end = parts
    with pytest.raises(BadFile, match=r"the anchors of .* have shape \(1, 32, 4\); stored \(anchors, 4\) are required"):
        detection_of(file, replace(end, inputs=(*end.inputs[:2], end.inputs[0])))


def test_anchors_in_no_grid_are_refused(parts):
    file, end = parts
    tensors = list(file.tensors)
    backwards = tensors[end.inputs[2]].value[::-1]
    tensors[end.inputs[2]] = replace(tensors[end.inputs[2]], value=backwards)
    with pytest.raises(
        BadFile, match=r"regular\.tflite: TFLite_Detection_PostProcess makes no sense: .*anchors lie in"
    ):
        detection_of(replace(file, tensors=tensors), end)


def test_scale_of_zero_is_refused(parts):
    file, end = parts
    data = bytearray(end.settings.data)
    place = data.index(np.float32(8).tobytes())
    data[place : place + 4] = bytes(4)
    with pytest.raises(BadFile, match="makes no sense: float division by zero"):
        detection_of(file, replace(end, settings=Reader(memoryview(bytes(data)), "a.tflite")))


@pytest.mark.parametrize("seed", range(4))
def test_damaged_settings_end_in_one_line(parts, seed):
    file, end = parts
    rng = np.random.default_rng(seed)
    for _ in range(300):
        data = bytearray(end.settings.data)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            data[place] = rng.integers(0, 256)
        cut = Reader(memoryview(bytes(data[: rng.integers(1, len(data) + 1)])), "a.tflite")
        refused = complaint(file, replace(end, settings=cut))
        assert "\n" not in refused


def complaint(file, end):
    try:
        detection_of(file, end)
    except BadFile as error:
        return str(error)
    return ""

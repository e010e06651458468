"""The outputs of a detector → boxes in the picture."""

import json

import numpy as np
import pytest
import torch
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import batched_nms, clip_boxes_to_image

from underone.boxes import Tracker, anchor_boxes, corners, encode
from underone.errors import BadValue, MissingExtra, ShapeError
from underone.models.detectors import detection_for
from underone.post import Detection, decode, decode_detection, find, find_boxes
from underone.spec import IMAGENET_PREPARATION, InputSpec, ModelSpec, OutputSpec

OUTPUTS = (OutputSpec(name="box_codes", meaning="box_codes"), OutputSpec(name="logits", meaning="logits"))
LABELS = ("platelet", "red", "white")


def spec_of(convention="torchvision", labels=LABELS, **changes):
    how = detection_for((320, 320), convention).model_copy(update=changes)
    return ModelSpec(name="net", task="detect", detection=how, outputs=OUTPUTS, labels=labels)


def outputs_of(spec, boxes, class_ids, logit=6.0):
    """Make the outputs that say: these boxes (shares), with these classes, and nothing else."""
    how = spec.detection
    anchors = anchor_boxes(how.anchors)
    logits = np.full((1, len(anchors), 4), -6, np.float32)
    logits[0, :, 0] = 6
    codes = np.zeros((1, len(anchors), 4), np.float32)
    for box, class_id in zip(boxes, class_ids, strict=True):
        best = int(np.abs(corners(anchors) - box).sum(1).argmin())
        codes[0, best] = encode([box], anchors[best : best + 1], how)[0]
        logits[0, best] = -6
        logits[0, best, class_id + 1] = logit
    return {"box_codes": codes, "logits": logits}


BOXES = [(0.1, 0.2, 0.4, 0.6), (0.5, 0.5, 0.9, 0.8)]


@pytest.mark.parametrize("convention", ["tensorflow", "torchvision"])
def test_boxes_come_in_pixels_of_the_picture(convention):
    spec = spec_of(convention)
    found = decode_detection(outputs_of(spec, BOXES, [2, 0]), spec, size=(100, 200))
    order = np.argsort(found.boxes[:, 0])
    assert found.boxes[order] == pytest.approx(np.array(BOXES) * (200, 100, 200, 100), abs=1e-3)
    assert [found.labels[i] for i in order] == ["white", "platelet"]
    assert found.scores.min() > 0.99
    assert (found.boxes.dtype, found.scores.dtype, found.class_ids.dtype) == (np.float32, np.float32, np.int64)


def test_boxes_of_a_cut_picture_lie_where_the_cut_was():
    spec = spec_of()
    image = InputSpec(shape=(1, 3, 320, 320), preparation=IMAGENET_PREPARATION)  # the centre 0.875 of the short side
    cut = spec.model_copy(update={"inputs": (image,)})
    found = decode_detection(outputs_of(spec, [(0.0, 0.0, 1.0, 1.0)], [1]), cut, size=(400, 800))
    assert found.boxes[0] == pytest.approx([225, 25, 575, 375], abs=1.5)  # 350 px in the middle


@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_found_boxes_are_those_of_torchvision(scale):
    rng = np.random.default_rng(1)
    spec = spec_of(score_threshold=0.3 if scale > 1 else 0.27, top_k=10_000, max_per_class=10_000)
    rows = spec.detection.anchor_count
    codes = rng.normal(0, 1, (1, rows, 4)).astype(np.float32)
    logits = rng.normal(0, scale, (1, rows, 4)).astype(np.float32)
    found = find_boxes({"box_codes": codes, "logits": logits}, spec)
    scores = torch.from_numpy(logits[0]).softmax(1)[:, 1:]
    anchors = torch.from_numpy(corners(anchor_boxes(spec.detection.anchors)))
    boxes = clip_boxes_to_image(BoxCoder((10.0, 10.0, 5.0, 5.0)).decode_single(torch.tensor(codes[0]), anchors), (1, 1))
    row, column = torch.where(scores >= spec.detection.score_threshold)
    kept = batched_nms(boxes[row], scores[row, column], column, 0.55)[:300]
    assert len(kept) == len(found.scores) > 100
    assert found.scores == pytest.approx(scores[row, column][kept].numpy(), abs=1e-6)
    same = np.abs(found.boxes[:, None] - boxes[row][kept].numpy()[None]).max(2) < 1e-5
    same &= found.class_ids[:, None] == column[kept].numpy()[None]
    assert same.any(0).all()  # at nearly equal scores the order is rounding's
    assert same.any(1).all()


@pytest.mark.parametrize("background", [None, 0])
@pytest.mark.parametrize("shift", [-3000.0, 0.0, 3000.0])
@pytest.mark.parametrize("threshold", [0.0, 0.02, 0.26, 0.5, 1.0])
def test_softmax_has_every_candidate_wherever_its_logits_lie(background, shift, threshold):
    spec = spec_of(score_threshold=threshold, background=background, top_k=20_000, nms="none", labels=None)
    spec = spec.model_copy(
        update={"detection": spec.detection.model_copy(update={"max_per_class": 20_000, "max_detections": 20_000})}
    )
    outputs = outputs_of(spec, [], [])
    spread = np.linspace(0, 4, len(outputs["logits"][0]), dtype=np.float32)[:, None]
    outputs["logits"][0] = np.random.default_rng(2).normal(0, 1, outputs["logits"][0].shape) * spread + shift
    outputs["logits"][0, 0, 1] += 60  # a share of exactly 1
    given = outputs["logits"].copy()
    scores = torch.from_numpy(given[0].astype(np.float64)).softmax(1)[:, int(background == 0) :]
    assert len(find_boxes(outputs, spec).scores) == int((scores >= threshold).sum())
    np.testing.assert_array_equal(outputs["logits"], given)


def test_huge_logits_keep_their_order():
    spec = spec_of(score_threshold=0.9, background=None)
    outputs = outputs_of(spec, [], [])
    outputs["logits"][0, 7] = (-300, 90, 100, -300)
    outputs["logits"][0, :, 0] = 0
    outputs["logits"][0, 3000] = (0, 1, 300, 2)
    spec = spec.model_copy(update={"labels": None})
    found = find_boxes(outputs, spec)
    assert found.class_ids.tolist().count(2) == 2
    assert set(found.class_ids.tolist()) == {0, 2}


def test_best_class_alone_counts_where_classes_do_not_compete_apart():
    spec = spec_of("tensorflow", per_class=False)
    outputs = outputs_of(spec, BOXES[:1], [1])
    row = int(outputs["logits"][0, :, 2].argmax())
    outputs["logits"][0, row, 3] = 5
    assert find_boxes(outputs, spec).class_ids.tolist() == [1]
    assert find_boxes(outputs, spec_of("tensorflow")).class_ids.tolist() == [1, 2]


def test_nothing_found_is_an_answer(tmp_path):
    spec = spec_of()
    found = decode(outputs_of(spec, [], []), spec, np.zeros((40, 60, 3), np.uint8))
    assert (len(found), str(found), found.boxes.shape, found.to_coco()) == (0, "nothing found", (0, 4), [])
    assert json.loads(found.to_json())["objects"] == []
    assert found.save(tmp_path / "empty.png").stat().st_size > 0


def test_ten_thousand_objects_in_a_picture_are_limited():
    spec = spec_of("torchvision")
    rows = spec.detection.anchor_count
    logits = np.zeros((1, rows, 5), np.float32)
    logits[0, :, 0] = -20  # every anchor is sure of four classes: 12,936 candidates
    spec = spec.model_copy(update={"labels": None})
    codes = np.zeros((1, rows, 4), np.float32)
    codes[..., 2:] = -15  # a twentieth of the anchor: few overlap
    outputs = {"box_codes": codes, "logits": logits}
    assert len(find_boxes(outputs, spec, threshold=0.2).scores) == spec.detection.max_detections


def test_sizes_beyond_every_number_stay_finite():
    spec = spec_of()
    outputs = outputs_of(spec, BOXES, [0, 1])
    outputs["box_codes"][:] = 1e30
    assert np.isfinite(decode_detection(outputs, spec, size=(10, 10)).boxes).all()


def test_nan_is_refused_with_its_count():
    spec = spec_of()
    outputs = outputs_of(spec, BOXES, [0, 1])
    outputs["logits"][0, 5, 1] = np.nan
    with pytest.raises(BadValue, match=r"1 of 12936 class outputs of 'net' are NaN; check the weights"):
        find_boxes(outputs, spec)
    outputs = outputs_of(spec, BOXES, [0, 1])
    outputs["box_codes"][:] = np.nan
    with pytest.raises(BadValue, match="boxes of 'net' are NaN; check the weights"):
        find_boxes(outputs, spec)


def test_anchors_of_another_input_size_are_refused():
    spec = spec_of()
    outputs = {"box_codes": np.zeros((1, 1917, 4), np.float32), "logits": np.zeros((1, 1917, 4), np.float32)}
    with pytest.raises(ShapeError, match=r"its spec has 3234 anchors; .* the anchors are those of another input size"):
        find_boxes(outputs, spec)


def test_wrong_arguments_are_refused():
    spec = spec_of()
    outputs = outputs_of(spec, BOXES, [0, 1])
    with pytest.raises(BadValue, match=r"threshold=1.5; a score from 0 to 1 is required"):
        find_boxes(outputs, spec, 1.5)
    with pytest.raises(BadValue, match=r"pass the picture, or its size=\(height, width\) in pixels"):
        decode_detection(outputs, spec)
    with pytest.raises(BadValue, match="has 2 labels for 3 classes"):
        find_boxes(outputs, spec_of(labels=("a", "b")))
    with pytest.raises(ShapeError, match=r"output 'box_codes' has shape \(2, .*; one picture at a time is required"):
        find_boxes({name: np.repeat(array, 2, 0) for name, array in outputs.items()}, spec)
    with pytest.raises(BadValue, match="its spec needs a DetectionSpec"):
        find_boxes(outputs, spec.model_copy(update={"detection": None}))
    with pytest.raises(BadValue, match=r"has no outputs that mean boxes and their scores; set OutputSpec.meaning"):
        find_boxes(outputs, spec.model_copy(update={"outputs": OUTPUTS[:1]}))


def test_a_file_with_suppression_inside_is_taken_over():
    outputs = [OutputSpec(name=n, meaning=n) for n in ("boxes", "scores", "class_ids", "box_count")]
    spec = spec_of().model_copy(update={"outputs": tuple(outputs)})
    values = {
        "boxes": np.array([[BOXES[0], BOXES[1], BOXES[1]]], np.float32),
        "scores": np.array([[0.5, 0.9, 0.8]], np.float32),
        "class_ids": np.array([[1, 2, 0]]),
        "box_count": np.array([2.0], np.float32),
    }
    found = find_boxes(values, spec)
    assert (found.class_ids.tolist(), len(found.boxes)) == ([2, 1], 2)
    beyond = (
        r"boxes \(3, 4\), scores \(3,\), class_ids \(3,\), of which 4 count; \(N, 4\), \(N,\), \(N,\) and at most N"
    )
    with pytest.raises(ShapeError, match=beyond):
        find_boxes(values | {"box_count": np.array([4.0])}, spec)


def inside(**changes):
    """Make the spec and the outputs of a file that suppresses overlaps itself: two boxes, and a row that is padding."""
    values = {
        "boxes": np.array([[BOXES[0], BOXES[1], (0, 0, 0, 0)]], np.float32),
        "scores": np.array([[0.9, 0.8, 0.0]], np.float32),
        "class_ids": np.array([[1.0, 2.0, -1.0]], np.float32),
        "box_count": np.array([3.0], np.float32),
    }
    values = {name: array for name, array in (values | changes).items() if array is not None}
    outputs = tuple(OutputSpec(name=name, meaning=name) for name in values)
    return values, spec_of().model_copy(update={"outputs": outputs})


def test_rows_of_padding_may_hold_anything():
    boxes = np.array([[BOXES[0], BOXES[1], (np.nan,) * 4]], np.float32)
    for count in (np.array([3.0]), None):
        assert find_boxes(*inside(boxes=boxes, box_count=count)).class_ids.tolist() == [1, 2]


IDS = "'net' gives a box the class {}; 0 to {} is required"
DAMAGED = {
    "no boxes": ({"boxes": None}, "'net' has scores of boxes, but no boxes; set OutputSpec.meaning"),
    "neither": ({"boxes": None, "class_ids": None}, "but no boxes and no class_ids; set OutputSpec.meaning"),
    "NaN count": (
        {"box_count": np.array([np.nan])},
        r"'net' gives box_count \[nan\]; one number, 0 or more, is required",
    ),
    "endless count": ({"box_count": np.array([np.inf])}, r"gives box_count \[inf\]; one number"),
    "negative count": ({"box_count": np.array([-1])}, r"gives box_count \[-1\]; one number"),
    "empty count": ({"box_count": np.zeros((1, 0))}, r"gives box_count \[\]; one number"),
    "class beyond the labels": ({"class_ids": np.array([[0, 3, 0]])}, IDS.format(3, 2)),
    "negative class": ({"class_ids": np.array([[-1, 0, 0]])}, IDS.format(-1, 2)),
    "NaN class": ({"class_ids": np.array([[np.nan, 0, 0]])}, IDS.format("nan", 2)),
    "NaN box": ({"boxes": np.array([[(0, 0, np.nan, 1)] * 3])}, "scores or boxes of 'net' are NaN; check the weights"),
    "NaN score": ({"scores": np.array([[0.9, np.nan, 0]])}, "scores or boxes of 'net' are NaN; check the weights"),
}


@pytest.mark.parametrize("fault", DAMAGED)
def test_damaged_outputs_of_a_file_with_suppression_inside_are_refused(fault):
    changes, said = DAMAGED[fault]
    with pytest.raises(BadValue, match=said):
        find_boxes(*inside(**changes))


def test_classes_of_a_file_without_labels_have_a_limit_too():
    values, spec = inside(class_ids=np.array([[1 << 16, 0, 0]]))
    with pytest.raises(BadValue, match=IDS.format(65536, 65535)):
        find_boxes(values, spec.model_copy(update={"labels": None}))


def test_shapes_of_a_file_with_suppression_inside_must_fit():
    with pytest.raises(ShapeError, match=r"boxes \(3, 3\), scores \(3,\)"):
        find_boxes(*inside(boxes=np.zeros((1, 3, 3))))


def test_anchors_are_made_once_for_all_thresholds(monkeypatch):
    made, make = [], find.anchor_boxes
    monkeypatch.setattr(find, "anchor_boxes", lambda *of: made.append(of) or make(*of))
    spec = spec_of(anchors=detection_for((97, 65), "torchvision").anchors)
    outputs = outputs_of(spec, BOXES, [0, 1])
    for threshold in (0.3, 0.4, 0.5):
        assert len(find_boxes(outputs, spec, threshold).scores) == 2
    assert len(made) == 1


def test_boxes_of_a_file_with_suppression_inside_need_an_area_in_the_picture():
    outputs = [OutputSpec(name=n, meaning=n) for n in ("boxes", "scores", "class_ids")]
    spec = spec_of().model_copy(update={"outputs": tuple(outputs)})
    outside, line, endless = (1.2, 0.1, 1.5, 0.4), (0.3, 0.2, 0.3, 0.9), (-np.inf, 0, 1, 1)
    values = {
        "boxes": np.array([[outside, line, endless, (-0.5, 0.25, 0.5, 2)]], np.float32),
        "scores": np.array([[0.9, 0.9, 0.9, 0.8]], np.float32),
        "class_ids": np.array([[0, 1, 2, 1]]),
    }
    found = find_boxes(values, spec)
    assert (found.boxes.tolist(), found.class_ids.tolist()) == ([[0, 0.25, 0.5, 1]], [1])


@pytest.fixture
def found():
    spec = spec_of()
    picture = np.full((90, 120, 3), 80, np.uint8)
    return decode_detection(outputs_of(spec, BOXES, [2, 0]), spec, picture)


def test_rows_for_coco_hold_corner_and_size(found):
    row = max(found.to_coco(image_id=7), key=lambda row: row["category_id"])
    assert (row["image_id"], row["category_id"]) == (7, 3)
    assert row["bbox"] == pytest.approx([12, 18, 36, 36], abs=1e-2)
    assert {r["category_id"] for r in found.to_coco(category_ids=[10, 20, 30])} == {10, 30}
    with pytest.raises(BadValue, match="2 category_ids, but class 2 was found"):
        found.to_coco(category_ids=[1, 2])


def test_drawing_has_a_frame_in_the_colour_of_each_class(found, tmp_path):
    drawn = np.asarray(found.draw())
    assert drawn.shape[1] / drawn.shape[0] == pytest.approx(120 / 90, rel=0.01)
    scale = drawn.shape[1] / 120
    white = int(np.flatnonzero(found.class_ids == 2)[0])
    x1, _, x2, y2 = (found.boxes[white] * scale).round().astype(int)
    assert tuple(drawn[y2 - 1, (x1 + x2) // 2]) == (0, 158, 115)
    saved = json.loads(found.save(tmp_path / "o.json").read_text())
    assert {o["name"] for o in saved["objects"]} == {"white", "platelet"}


def test_top_and_drawing_refuse_what_they_cannot(found):
    assert len(found.top(1)) == 1
    assert repr(found) == "<Detection 2 objects>"
    assert "white  12,18 48,54" in str(found)
    with pytest.raises(BadValue, match=r"top\(-1\) was asked; 0 or more is required"):
        found.top(-1)
    with pytest.raises(BadValue, match="has no picture to draw on"):
        Detection(found.boxes, found.scores, found.class_ids).draw()


def test_supervision_gets_the_same_boxes(found):
    supervision = pytest.importorskip("supervision", reason="supervision is not installed")
    taken = found.to_supervision()
    assert isinstance(taken, supervision.Detections)
    assert taken.xyxy.tolist() == found.boxes.tolist()
    assert taken.data["class_name"].tolist() == list(found.labels)


def test_supervision_is_named_when_it_is_missing(found, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "supervision", None)
    with pytest.raises(MissingExtra, match=r"to_supervision\(\) needs the package supervision"):
        found.to_supervision()


def test_objects_that_are_followed_keep_number_and_colour():
    first = detection_of([[0, 0, 20, 20], [40, 0, 60, 20]])
    then = detection_of([[42, 0, 62, 20], [1, 0, 21, 20]])
    tracker = Tracker()
    first, then = first.followed(tracker), then.followed(tracker)
    assert first.numbers.tolist() == [1, 2]
    assert then.numbers.tolist() == [2, 1]
    assert [thing["number"] for thing in json.loads(then.top(1).to_json())["objects"]] == [2]
    drawn = [np.asarray(found.draw()) for found in (first, then)]
    scale = drawn[0].shape[1] / 80
    corners = [[drawn[0][round(19.9 * scale), round(x * scale)].tolist() for x in (10, 50)],
               [drawn[1][round(19.9 * scale), round(x * scale)].tolist() for x in (11, 52)]]  # fmt: skip
    assert corners[0] == corners[1]
    assert corners[0][0] != corners[0][1]


def detection_of(boxes):
    count = len(boxes)
    scores, classes = np.linspace(0.9, 0.5, count, dtype=np.float32), np.zeros(count, np.int64)
    return Detection(np.array(boxes, np.float32), scores, classes, ("cat",), np.zeros((40, 80, 3), np.uint8))

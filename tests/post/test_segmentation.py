"""What a segmenter says, from hand-made outputs; what is refused."""

import json

import numpy as np
import pytest
from PIL import Image

import underone as uo
from underone.errors import BadValue, ShapeError
from underone.image import class_color
from underone.post import Segmentation, decode, decode_segmentation
from underone.spec import IMAGENET_PREPARATION, InputSpec, ModelSpec, OutputSpec, SegmentationSpec

SQUEEZE = IMAGENET_PREPARATION.model_copy(update={"resize": "squeeze"})


def spec(meaning="logits", **changes):
    return ModelSpec(
        name="net",
        task="segment",
        inputs=(InputSpec(shape=(None, 3, 33, 33), preparation=SQUEEZE),),
        outputs=(OutputSpec(name="out", shape=(None, 2, 3, 3), meaning=meaning),),
        segmentation=SegmentationSpec(background=0),
    ).model_copy(update=changes)


def halves(height=3, width=3):
    """Class 0 on the left, 1 on the right."""
    right = np.tile(np.linspace(-1, 1, width, dtype=np.float32), (height, 1))
    return np.stack([-right, right])[None]


def test_mask_has_the_size_of_the_picture():
    picture = np.zeros((40, 60, 3), np.uint8)
    answer = decode({"out": halves()}, spec(labels=("nothing", "cat")), picture)
    assert answer.mask.shape == (40, 60)
    assert not answer.mask[:, :30].any()
    assert answer.mask[:, 30:].all()
    assert [(a.class_id, a.name, a.pixels, a.share) for a in answer.areas] == [
        (0, "nothing", 1200, 0.5),
        (1, "cat", 1200, 0.5),
    ]
    assert str(answer) == " 50.0%  nothing\n 50.0%  cat"
    assert repr(answer) == "<Segmentation 60 x 40, 2 classes>"


def test_size_stands_for_the_picture():
    answer = decode_segmentation({"out": halves()}, spec(), size=(4, 6))
    assert answer.mask.tolist() == [[0, 0, 0, 1, 1, 1]] * 4
    assert answer.areas[0].name == "class 0"
    with pytest.raises(BadValue, match="this result has no picture to draw on"):
        answer.draw()


def test_label_map_of_a_file_is_taken_as_it_is():
    classes = np.array([[[0, 7], [300, 0]]], np.int64)
    answer = decode_segmentation({"out": classes}, spec("label_map"), size=(2, 2))
    assert answer.mask.tolist() == [[0, 7], [300, 0]]


def test_values_that_add_up_to_infinity_are_values():
    maps = halves() * np.float32(3e36) + np.float32(3e37)  # 18 of them, and float32 ends at 3.4e38
    assert decode_segmentation({"out": maps}, spec(), size=(3, 6)).mask.tolist() == [[0, 0, 0, 1, 1, 1]] * 3


def test_one_pixel_picture_has_a_class():
    assert decode_segmentation({"out": halves()}, spec(), np.zeros((1, 1, 3), np.uint8)).mask.shape == (1, 1)


def test_huge_picture_takes_memory_for_its_mask_alone():
    import tracemalloc

    maps = np.random.default_rng(0).normal(0, 1, (1, 150, 33, 33)).astype("float32")
    tracemalloc.start()
    mask = decode_segmentation({"out": maps}, spec(), size=(432, 7680)).mask
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * mask.nbytes + 64 * 2**20  # all maps at that size would be 2 GB


def test_areas_of_a_huge_mask_take_little_memory():
    import tracemalloc

    mask = np.random.default_rng(0).integers(0, 3, (3000, 4000), np.uint8)
    tracemalloc.start()
    areas = Segmentation(mask).areas
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {area.class_id: area.pixels for area in areas} == {i: int((mask == i).sum()) for i in range(3)}
    assert peak < 2 * mask.nbytes  # eight bytes a pixel are what numpy counts with


def test_contours_and_drawings(tmp_path):
    picture = np.full((60, 80, 3), 100, np.uint8)
    answer = decode_segmentation({"out": halves()}, spec(labels=("nothing", "cat")), picture)
    [border] = answer.contours(1)
    assert sorted(border.tolist()) == [[40, 0], [40, 60], [80, 0], [80, 60]]
    overlay = np.asarray(answer.overlay())
    assert (overlay[:, :40] == 100).all()  # the background is left as it is
    assert np.abs(overlay[0, 60] - (100 + (np.array(class_color(1)) - 100) * 150 / 255)).max() <= 1
    assert answer.draw().height > answer.draw(0).height  # no panel without names
    answer.save(tmp_path / "a.png")
    answer.save(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["areas"][1] == {
        "class_id": 1, "name": "cat", "pixels": 2400, "share": 0.5,
    }  # fmt: skip
    with Image.open(answer.save_mask(tmp_path / "mask.png")) as mask:
        assert mask.mode == "P"
        assert np.array_equal(np.asarray(mask), answer.mask)


def test_colours_of_classes_differ_and_stay():
    colors = [class_color(i) for i in range(64)]
    assert len(set(colors)) == 64
    assert all(0 <= channel <= 255 for color in colors for channel in color)


def test_mask_that_fits_no_file_is_refused(tmp_path):
    answer = Segmentation(np.full((2, 2), 300, np.int32))
    with pytest.raises(BadValue, match=r"masks are written as \.png, with classes below 256; this one is int32"):
        answer.save_mask(tmp_path / "a.png")
    with pytest.raises(BadValue, match=r"top\(-1\) was asked; 0 or more is required"):
        answer.top(-1)


REFUSED = [
    (halves(), spec("features"), {}, BadValue, "'net' has no output that means classes"),
    (halves(), spec(labels=("a",)), {}, BadValue, "'net' has 1 labels for 2 classes"),
    (halves() * np.nan, spec(), {}, BadValue, "18 of 18 class outputs of 'net' are NaN or infinite"),
    (np.full((1, 2, 3, 3), np.inf), spec(), {}, BadValue, "18 of 18 class outputs of 'net' are NaN or infinite"),
    (halves()[0], spec(), {}, ShapeError, r"'net' gives \(2, 3, 3\); \(1, classes, h, w\) is required"),
    (np.zeros((2, 4, 4)), spec("label_map"), {}, ShapeError, r"'net' gives \(2, 4, 4\); \(1, h, w\) is required"),
    (np.full((1, 4, 4), -1), spec("label_map"), {}, BadValue, "gives classes from -1 to -1; 0 to"),
    (np.full((1, 4, 4), 1 << 16), spec("label_map"), {}, BadValue, "from 65536 to 65536; 0 to 65535 is required"),
    (np.full((1, 4, 4), 2), spec("label_map", labels=("a", "b")), {}, BadValue, "from 2 to 2; 0 to 1 is required"),
    (halves(), spec(), {"size": None}, BadValue, "pass the picture, or its size="),
    (
        halves(),
        spec(inputs=(InputSpec(shape=(None, 3, 33, 33), preparation=IMAGENET_PREPARATION),)),
        {},
        BadValue,
        r"'net' cuts pictures \(resize='cover'\)",
    ),
]


@pytest.mark.parametrize(("values", "of", "arguments", "error", "message"), REFUSED)
def test_bad_output_is_refused(values, of, arguments, error, message):
    with pytest.raises(error, match=message):
        decode_segmentation({"out": values}, of, **{"size": (4, 4), **arguments})


def test_engine_segments_a_picture(tmp_path):
    model = uo.create_model("deeplabv3light_mobilenet_v1_025", num_classes=3, size=65, labels=("a", "b", "c"))
    with uo.load(uo.export(uo.reparameterize(model), tmp_path / "net.onnx")) as net:
        answer = net.segment(np.full((30, 50, 3), 200, np.uint8))
        assert answer.mask.shape == (30, 50)
        assert set(answer.speed) == {"prepare", "run", "decode"}
        with pytest.raises(BadValue, match=r"is no classifier, its task is 'segment'; call net\.segment\(picture\)"):
            net.classify(np.zeros((9, 9, 3), np.uint8))
    classifier = uo.create_model("mobilenet_v1_025", num_classes=3)
    path = uo.export(uo.reparameterize(classifier), tmp_path / "c.onnx")
    said = "does not say what classes its outputs give each pixel, its task is 'classify'"
    with uo.load(path) as net, pytest.raises(BadValue, match=said):
        net.segment(np.zeros((9, 9, 3), np.uint8))

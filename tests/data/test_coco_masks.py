"""COCO's outlines and segments become masks, pixel for pixel as pycocotools has them; damaged files get one line."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as oracle

from underone.cli import main
from underone.data import open_mask_splits, open_masks
from underone.data.check_masks import check_masks
from underone.data.outlines import area_of
from underone.errors import BadFile, BadValue

# pycocotools 2.0.11 under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = (37, 53)


def theirs(outline, size=SIZE):
    found = oracle.frPyObjects(outline, *size)
    return oracle.decode(oracle.merge(found) if isinstance(found, list) else found).astype(bool)


def ring(random, points, reach, decimals):
    spots = random.uniform(-reach, 1 + reach, (points, 2)) * (SIZE[1], SIZE[0])
    return np.round(spots, decimals).reshape(-1).tolist()


@pytest.mark.parametrize("decimals", [0, 1, 2, 12])
def test_polygons_fill_what_pycocotools_fills(decimals):
    random = np.random.default_rng(decimals)
    filled = 0
    for number in range(300):
        rings = [ring(random, random.integers(3, 12), (0.0, 0.3)[number % 2], decimals) for _ in range(1 + number % 3)]
        found = area_of("a", rings, SIZE)
        np.testing.assert_array_equal(found, theirs(rings))
        filled += found.any()
    assert filled > 250


@pytest.mark.parametrize(
    "points",
    [
        [3, 4, 20, 4, 20, 15, 3, 15],
        [0, 0, 53, 0, 53, 37, 0, 37],
        [5, 5, 5, 5, 9, 9, 5, 5],
        [2.5, 2.5, 2.5, 30.5, 3.5, 30.5, 3.5, 2.5],
        [52.9, 36.9, 60, 36.9, 60, 50, 52.9, 50],
        [-9, -9, -3, -9, -3, -3],
    ],
    ids=["rectangle", "whole picture", "no area", "one column", "corner", "outside"],
)
def test_polygons_at_edges_fill_what_pycocotools_fills(points):
    np.testing.assert_array_equal(area_of("a", [points], SIZE), theirs([points]))


def test_run_lengths_of_both_kinds_are_what_pycocotools_reads():
    random = np.random.default_rng(0)
    for share in (0.0, 0.02, 0.5, 1.0):
        wanted = np.kron(random.random((5, 9)) < share, np.ones((8, 6)))[: SIZE[0], : SIZE[1]].astype(bool)
        packed = oracle.encode(np.asfortranarray(wanted.astype(np.uint8)))
        flat = wanted.T.reshape(-1)
        ends = np.flatnonzero(np.diff(flat)) + 1
        counts = np.diff([0, *ends, flat.size]).tolist()
        counts = [0, *counts] if flat[0] else counts
        for form in (packed["counts"].decode(), counts):
            np.testing.assert_array_equal(area_of("a", {"size": list(SIZE), "counts": form}, SIZE), wanted)


def tall(counts):
    return {"size": [37, 53], "counts": counts}


@pytest.mark.parametrize(
    ("outline", "message"),
    [
        (None, "a has no outline; polygons or run lengths are required, a box is not enough"),
        ([], "a has no outline"),
        ([[1, 2, 3, 4]], r"polygon of the shape \(4,\); x and y of three points or more"),
        ([[1, 2, 3, 4, 5, 6, 7]], r"polygon of the shape \(7,\)"),
        ([[1, 2, 3, 4, 5, float("nan")]], "each up to 1000000, are required"),
        ([[1, 2, 3, 4, 5, 1e7]], "each up to 1000000, are required"),
        ([["x", 2, 3, 4, 5, 6]], "a has a polygon that is no list of numbers"),
        ([[[1, 2], 3]], "a has a polygon that is no list of numbers"),
        ([7], r"polygon of the shape \(\)"),
        ([[0, 0, 1e6, 0, 0, 1e6]], "a has a polygon of 3000000 pixels around; it is damaged"),
        ({"size": [53, 37], "counts": []}, r"run lengths of the size \[53, 37\]; the picture has \[37, 53\]"),
        (tall([1960]), "run lengths that do not add up to 1961, the pixels of its picture"),
        (tall([1962, -1]), "do not add up to 1961"),
        (tall([]), "do not add up to 1961"),
        (tall([1 << 70]), "do not add up to 1961"),
        (tall([2**63 - 1, 2**63 - 1, 1963]), "do not add up to 1961"),
        (tall([[1961]]), "do not add up to 1961"),
        (tall(None), "do not add up to 1961"),
        (tall("\x01"), r"run lengths that cannot be read: character 0 of the text is '\\x01'"),
        (tall("é"), "run lengths that cannot be read: character 0 of the text is 'é'"),
        (tall("o" * 40), "run lengths that cannot be read: character 13 of the text is 'o'"),
        (tall("oo"), "the text ends inside a number"),
        (tall("0" * 4000), "run lengths that cannot be read: there are more than 1962; a run for each pixel is enough"),
        (tall([0] * 1962 + [1961]), "do not add up to 1961"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_outlines_that_are_none_are_refused(outline, message):
    with pytest.raises(BadFile, match=message):
        area_of("a", outline, SIZE)


def square(x, y, side):
    return [[x, y, x + side, y, x + side, y + side, x, y + side]]


def write(root: Path, part: str, **changes) -> Path:
    """Write a part with two pictures: cats and a dog that lie over each other, and nothing."""
    random = np.random.default_rng(len(part))
    for name in ("a.png", "b.png"):
        path = root / f"{part}2017" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (20, 30, 3), np.uint8)).save(path)
    content = {
        "images": [{"id": 4, "file_name": "a.png", "height": 20, "width": 30},
                   {"id": 2, "file_name": "b.png", "height": 20, "width": 30}],
        "annotations": [
            {"id": 1, "image_id": 4, "category_id": 17, "segmentation": square(2, 2, 10)},
            {"id": 2, "image_id": 4, "category_id": 17, "segmentation": square(8, 2, 10)},
            {"id": 3, "image_id": 4, "category_id": 9, "segmentation": square(16, 2, 6)},
        ],
        "categories": [{"id": 17, "name": "cat"}, {"id": 9, "name": "dog"}],
    } | changes  # fmt: skip
    path = root / "annotations" / f"instances_{part}2017.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def data(tmp_path):
    for part in ("train", "val"):
        write(tmp_path, part)
    return tmp_path


def test_objects_of_one_class_lie_over_each_other_and_those_of_two_are_ignored(data):
    splits = open_mask_splits(data)
    assert splits.test is None
    found = splits.train
    assert found.classes == ("background", "dog", "cat")  # by the ids 9 and 17
    wanted = np.zeros((20, 30), np.uint8)
    wanted[2:12, 2:18] = 2
    wanted[2:8, 16:22] = 1
    wanted[2:8, 16:18] = 255
    np.testing.assert_array_equal(found.mask(0, (20, 30)), wanted)
    assert not found.mask(1, (20, 30)).any()
    assert found.name(1).endswith("train2017/b.png")
    assert found.read(0).startswith(b"\x89PNG")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found)).mask(0, (20, 30)), wanted)  # workers get it so


def test_categories_called_background_and_void_keep_their_meaning(tmp_path):
    names = [{"id": 17, "name": "background"}, {"id": 9, "name": "void"}, {"id": 1, "name": "x"}]
    found = open_masks(write(tmp_path, "train", categories=names))
    assert found.classes == ("x", "background")
    mask = found.mask(0, (20, 30))
    assert (mask[0, 0], mask[4, 4], mask[4, 20]) == (1, 1, 255)


def test_a_picture_of_another_size_than_the_file_says_is_refused(data):
    with pytest.raises(BadFile, match=r"train2017\.json: 'a\.png' is 30 x 20 there; the picture is 31 x 20"):
        open_mask_splits(data).train.mask(0, (20, 31))


IMAGE = {"id": 4, "file_name": "a.png", "height": 20, "width": 30}
OUTLINED = {"image_id": 4, "category_id": 17}
DAMAGE = [
    ({"images": []}, "lists no picture"),
    ({"images": [IMAGE, IMAGE]}, "entry 1 of images has the id 4; a whole number of its own"),
    ({"images": [IMAGE | {"height": None}]}, r"'a\.png' has the height and width \(None, 30\); its pixels are"),
    ({"images": [IMAGE | {"width": 1 << 40}]}, r"'a\.png' has the height and width \(20, 1099511627776\)"),
    ({"images": [IMAGE | {"file_name": "../a.png"}]}, "is not below its folder"),
    ({"images": [IMAGE | {"file_name": "none.png"}]}, "the picture 'none.png' is in none of"),
    ({"annotations": [{"image_id": 5, "category_id": 17}]}, "annotation 0 has no image_id and category_id that are li"),
    ({"annotations": [{"image_id": 4, "category_id": 18}]}, r"that are listed \(KeyError: 18\)"),
    ({"annotations": [{"image_id": [], "category_id": 17}]}, r"that are listed \(TypeError"),
    ({"annotations": [3]}, r"annotation 0 has no .* \(TypeError"),
    ({"annotations": [OUTLINED | {"segmentation": [[1, [2]]]}]}, "annotation 0 has an outline with lists in"),
    ({"annotations": [OUTLINED | {"segmentation": {"counts": [[1]]}}]}, "annotation 0 has an outline with lists in"),
    ({"annotations": [OUTLINED | {"segmentation": {"counts": {}}}]}, "annotation 0 has an outline with lists in"),
    ({"images": [IMAGE | {"file_name": "\ud800.png"}]}, r"no file can have the name '\\ud800\.png': surrogates not"),
    ({"categories": []}, "1 classes; 2 to 254 are required"),
    ({"categories": [{"id": i} for i in range(254)]}, "255 classes; 2 to 254 are required"),
    ({"categories": None}, "is no COCO file; an object with the lists images, annotations, categories is required"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), DAMAGE, ids=lambda value: str(value)[:40])
def test_damaged_files_are_refused(tmp_path, changes, message):
    kept = {"annotations": []} if "images" in changes else {}
    with pytest.raises(BadFile, match=message):
        open_masks(write(tmp_path, "train", **kept | changes))


def test_files_of_boxes_alone_are_refused_picture_by_picture(data):
    bare = [{"id": 1, "image_id": 4, "category_id": 17, "bbox": [2, 2, 10, 10]}]
    write(data, "train", annotations=bare)
    report = check_masks(data)
    assert [finding.kind for finding in report.findings if finding.level == "error"] == ["mask"]
    assert report.findings[0].text.endswith("train2017.json: annotation 0 has no outline; polygons or run lengths are "
                                            "required, a box is not enough")  # fmt: skip


def test_the_sheet_shows_the_outlines_that_are_sound(data):
    sound = {"id": 1, "image_id": 4, "category_id": 17, "segmentation": square(2, 2, 10)}
    write(data, "train", annotations=[sound, {"id": 2, "image_id": 4, "category_id": 9}])
    check_masks(data, page=data / "sheet.jpg")
    found = open_mask_splits(data).train.shown_mask(0, (20, 30))
    filled = (found != found[0, 0]).any(axis=2)
    assert np.array_equal(filled, area_of("a", square(2, 2, 10), (20, 30)))
    with Image.open(data / "sheet.jpg") as sheet:
        found = [sheet.convert("RGB").getpixel(at) for at in ((400, 80), (600, 80))]  # inside and outside
    assert np.abs(np.subtract(*found)).max() > 50


def test_other_classes_of_a_part_are_refused(data):
    write(data, "val", categories=[{"id": 17, "name": "cat"}, {"id": 9, "name": "cow"}])
    with pytest.raises(BadValue, match="has 3 classes, 3 are asked for, first 'cow' where 'dog' is"):
        open_mask_splits(data)


def segments(root: Path, part: str, **changes) -> Path:
    """Write the panoptic form: of each picture a PNG whose colours are the ids of its segments."""
    write(root, part)
    ids = np.zeros((20, 30), np.int64)
    ids[:, :10], ids[:, 10:20] = 70000, 513
    folder = root / "annotations" / f"panoptic_{part}2017"
    folder.mkdir(exist_ok=True)
    colors = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
    annotations = []
    for image, name in ((4, "a.png"), (2, "b.png")):
        Image.fromarray(colors).save(folder / name)
        parts = [{"id": 70000, "category_id": 17}, {"id": 513, "category_id": 9}]
        annotations.append({"image_id": image, "file_name": name, "segments_info": parts})
    content = json.loads((root / "annotations" / f"instances_{part}2017.json").read_text())
    path = folder.with_suffix(".json")
    path.write_text(json.dumps(content | {"annotations": annotations} | changes))
    return path


def test_panoptic_segments_come_before_objects_and_what_is_none_is_ignored(tmp_path):
    for part in ("train", "val"):
        segments(tmp_path, part)
    found = open_mask_splits(tmp_path).validation
    assert found.classes == ("dog", "cat")
    mask = found.mask(1, (20, 30))
    assert [np.unique(mask[:, i : i + 10]).tolist() for i in (0, 10, 20)] == [[1], [0], [255]]
    np.testing.assert_array_equal(found.shown_mask(0, (20, 30))[0, [0, 10, 20]], [[112, 17, 1], [1, 2, 0], [0, 0, 0]])


def part_of(**changes):
    part = {"id": 513, "category_id": 9} | changes
    return {"annotations": [{"image_id": i, "file_name": "a.png", "segments_info": [part]} for i in (4, 2)]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (part_of(id=1 << 24), "annotation 0 has a segment with the id 16777216; one from 1 to 2\\^24 - 1 is required"),
        (part_of(id="x"), "a segment with the id 'x'"),
        (part_of(category_id=1), r"that are listed \(KeyError: 1\)"),
        ({"annotations": part_of()["annotations"][:1]}, "the picture 2 has no annotation; its segments are required"),
        ({"annotations": [{"image_id": 4, "file_name": "/a", "segments_info": []}]}, "is not below its folder"),
        ({"annotations": [{"image_id": 4, "file_name": "a.png", "segments_info": 3}]}, r"that are listed \(TypeErr"),
        (part_of(category_id=[]), r"that are listed \(TypeErr"),
        (
            {"annotations": 2 * part_of()["annotations"]},
            "annotation 2 is a second one of the picture 4; one is required",
        ),
        (
            {
                "annotations": [
                    {"image_id": 4, "file_name": "a.png", "segments_info": 2 * [{"id": 5, "category_id": 9}]}
                ]
            },
            "annotation 0 has two segments of one id",
        ),
        ({"annotations": [{"image_id": 4, "segments_info": []}]}, r"0 has no file_name and segments_info \(KeyError"),
        (
            {"annotations": [*part_of()["annotations"], {"image_id": 4, "file_name": "a"}]},
            r"2 has no file_name and segments_info \(KeyError",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_damaged_segments_are_refused(tmp_path, changes, message):
    with pytest.raises(BadFile, match=message):
        open_masks(segments(tmp_path, "train", **changes))


def test_colours_of_no_segment_are_refused(tmp_path):
    found = open_masks(segments(tmp_path, "train", **part_of()))
    with pytest.raises(BadFile, match=r"a\.png: 70000 at x 0, y 0 stands for no segment of the picture"):
        found.mask(0, (20, 30))


def test_the_command_checks_coco_masks(data, capsys):
    with pytest.raises(SystemExit) as end:
        main(["data", "check", str(data), "--task", "segment", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (end.value.code, found["counted"], found["pictures"]) == (0, "pixels", 4)
    assert found["counts"]["train"]["cat"] == 10 * 16 - 6 * 2

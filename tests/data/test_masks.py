"""Readers of segmentation data; damaged data gets one line."""

import shutil

import numpy as np
import pytest
from PIL import Image

from underone import settings
from underone.data import open_mask_splits, open_masks
from underone.errors import BadFile, BadValue
from underone.spec import VOC_CLASSES

MASK = np.array([[0, 1, 1], [2, 3, 255]], np.uint8)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def picture(path, height=2, width=3):
    save(path, np.zeros((height, width, 3), np.uint8))


@pytest.fixture
def folder(tmp_path):
    picture(tmp_path / "images" / "a.png")
    save(tmp_path / "masks" / "a.png", MASK)
    (tmp_path / "classes.txt").write_text("sky\nroad\nvoid\ncar\n")
    return tmp_path


def test_folder_of_index_masks_leaves_void_out(folder):
    found = open_masks(folder)
    assert found.classes == ("sky", "road", "car")
    assert found.mask(0, (2, 3)).tolist() == [[0, 1, 1], [255, 2, 255]]
    assert found.name(0).endswith("images/a.png")
    assert found.read(0).startswith(b"\x89PNG")


def test_folder_of_colour_masks(folder):
    (folder / "classes.txt").write_text("128 64 128 road\n0 0 0 void\n70 70 70 the building\n")
    colors = np.array([[[128, 64, 128], [0, 0, 0], [70, 70, 70]]] * 2, np.uint8)
    save(folder / "masks" / "a.png", colors)
    found = open_masks(folder)
    assert found.classes == ("road", "the building")
    assert found.mask(0, (2, 3)).tolist() == [[0, 255, 1]] * 2
    colors[1, 2] = 9
    save(folder / "masks" / "a.png", colors)
    with pytest.raises(BadFile, match=r"a\.png: #090909 at x 2, y 1 stands for none of the 2 classes"):
        open_masks(folder).mask(0, (2, 3))


def test_list_of_pairs_and_its_parts(folder):
    for part in ("train", "val", "test"):
        (folder / f"{part}.txt").write_text("images/a.png masks/a.png\n")
    splits = open_mask_splits(folder)
    assert [len(part) for part in splits] == [1, 1, 1]
    assert splits.train.mask(0, (2, 3)).shape == (2, 3)


def test_folders_for_each_part(tmp_path):
    for part in ("train", "val", "test"):
        picture(tmp_path / part / "images" / "a.png")
        save(tmp_path / part / "masks" / "a.png", MASK)
    (tmp_path / "classes.txt").write_text("a\nb\nc\nd\n")
    splits = open_mask_splits(tmp_path)
    assert [len(part) for part in splits] == [1, 1, 1]
    assert len(splits.train.classes) == 4
    shutil.rmtree(tmp_path / "test")
    assert open_mask_splits(tmp_path).test is None


def test_vocs_lists(tmp_path):
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("2007_1\n")
    (lists / "train.txt").write_text("2007_1\n")
    (lists / "trainaug.txt").write_text("2007_1\n2007_2\n")
    picture(tmp_path / "JPEGImages" / "2007_1.jpg")
    mask = Image.fromarray(MASK).convert("P")
    (tmp_path / "SegmentationClass").mkdir()
    mask.save(tmp_path / "SegmentationClass" / "2007_1.png")
    splits = open_mask_splits(tmp_path)
    assert (len(splits.train), len(splits.validation)) == (2, 1)
    assert splits.validation.classes == VOC_CLASSES
    assert splits.validation.mask(0, (2, 3)).tolist() == MASK.tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: picture(p / "images" / "b.png"), "1 names stand in images/ or masks/ only, first 'b'"),
        (lambda p: (p / "classes.txt").unlink(), r"no classes\.txt there or one folder up"),
        (lambda p: (p / "classes.txt").write_text("a\n"), "1 classes; 2 to 254 are required"),
        (lambda p: (p / "classes.txt").write_text("1 2 3 a\nb\n"), "line 2 has no colour; 'R G B name'"),
        (lambda p: (p / "classes.txt").write_bytes(b"\xff"), "is no text in UTF-8: byte 0"),
        (lambda p: [f.unlink() for n in ("images", "masks") for f in (p / n).glob("*")], "lists no picture"),
    ],
)
def test_damaged_folder_is_refused(folder, change, message):
    change(folder)
    with pytest.raises(BadFile, match=message):
        open_masks(folder)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 3), np.uint8), r"^[^ ]*a\.png is 3 x 3; its picture is 3 x 2$"),
        (np.full((2, 3), 9, np.uint8), "9 at x 0, y 0 stands for none of the 3 classes"),
        (np.zeros((2, 3, 3), np.uint8), r"has colours \(RGB\); one value for each pixel is required"),
    ],
)
def test_damaged_mask_is_refused(folder, array, message):
    save(folder / "masks" / "a.png", array)
    with pytest.raises(BadFile, match=message):
        open_masks(folder).mask(0, (2, 3))


def test_broken_files_and_lists_are_refused(folder):
    (folder / "masks" / "a.png").write_bytes(b"nothing")
    with pytest.raises(BadFile, match=r"a\.png cannot be read as a mask"):
        open_masks(folder).mask(0, (2, 3))
    (folder / "train.txt").write_text("images/a.png\n")
    with pytest.raises(BadFile, match="entry 1 has 1 words; a picture and its mask are required"):
        open_masks(folder / "train.txt")
    (folder / "train.txt").write_text("../a.png masks/a.png\n")
    with pytest.raises(BadFile, match="is not below its folder"):
        open_masks(folder / "train.txt")
    (folder / "train.txt").write_text("images/a.png masks/a.png\n")
    with pytest.raises(
        BadFile, match=r"has no part val or valid or validation with masks; lists of pairs \(PART\.txt\), fold.*COCO"
    ):
        open_mask_splits(folder)


@pytest.fixture
def ade20k(tmp_path):
    for part in ("training", "validation"):
        picture(tmp_path / "images" / part / "a.jpg")
        save(tmp_path / "annotations" / part / "a.png", np.array([[0, 1, 1], [2, 3, 3]], np.uint8))
    rows = [
        "Idx\tRatio\tTrain\tVal\tName",
        "1\t0.1\t9\t1\twall",
        "2 \t0.1\t9\t1\tbuilding, edifice",
        "3\t.1\t1\t1\tbed ",
    ]
    (tmp_path / "objectInfo150.txt").write_text("\n".join(rows))
    return tmp_path


def test_ade20ks_own_folders(ade20k):
    splits = open_mask_splits(ade20k)
    assert splits.train.classes == ("wall", "building", "bed")
    assert splits.validation.mask(0, (2, 3)).tolist() == [[255, 0, 0], [1, 2, 2]]
    assert splits.test is None


def test_damaged_ade20k_is_refused(ade20k):
    (ade20k / "objectInfo150.txt").write_text("Idx\tName\n1\twall\n3\tbed\n")
    with pytest.raises(
        BadFile, match=r"row 2 is \['3', 'bed'\]; its number, tabs and the names of the class are required"
    ):
        open_mask_splits(ade20k)
    picture(ade20k / "images" / "training" / "b.jpg")
    with pytest.raises(BadFile, match=r"b\.jpg has no mask; .*b\.png is required"):
        open_mask_splits(ade20k)


@pytest.fixture
def cityscapes(tmp_path):
    for part in ("train", "val", "test"):
        picture(tmp_path / "leftImg8bit" / part / "ulm" / "ulm_1_leftImg8bit.png")
        mask = np.array([[0, 7, 33], [-1, 26, 29]]).astype(np.uint8)
        save(tmp_path / "gtFine" / part / "ulm" / "ulm_1_gtFine_labelIds.png", mask)
    return tmp_path


def test_cityscapes_own_folders_without_the_secret_part(cityscapes):
    splits = open_mask_splits(cityscapes)
    assert (len(splits.train.classes), splits.train.classes[0], splits.train.classes[-1]) == (19, "road", "bicycle")
    assert splits.train.mask(0, (2, 3)).tolist() == [
        [255, 0, 18],
        [255, 13, 255],
    ]  # 13: the published train id of a car
    assert splits.test is None


def test_cityscapes_without_a_mask_is_refused(cityscapes):
    picture(cityscapes / "leftImg8bit" / "val" / "ulm" / "ulm_2_leftImg8bit.png")
    with pytest.raises(BadFile, match=r"ulm_2_leftImg8bit\.png has no mask; .*ulm_2_gtFine_labelIds\.png is required"):
        open_mask_splits(cityscapes)


def test_other_classes_than_asked_for_are_refused(folder):
    with pytest.raises(BadValue, match="has 3 classes, 2 are asked for, first 'road' where 'car' is"):
        open_masks(folder, ("sky", "car"))


def test_camvid_has_the_published_shares():
    folder = settings.assets_dir()
    if folder is None or not (folder / "camvid").is_dir():
        pytest.skip("UNDERONE_ASSETS names no folder with camvid")
    splits = open_mask_splits(folder / "camvid")
    assert [len(part) for part in splits] == [367, 101, 233]
    counts = sum(np.bincount(splits.validation.mask(i, (360, 480)).ravel(), minlength=256) for i in range(101))
    shares = dict(zip((*splits.train.classes, "void"), 100 * counts[[*range(11), 255]] / counts.sum(), strict=True))
    assert shares["road"] == pytest.approx(29.0, abs=0.06)
    assert shares["bicyclist"] == pytest.approx(2.2, abs=0.06)
    assert shares["void"] == pytest.approx(1.7, abs=0.06)

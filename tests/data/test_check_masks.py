"""check_masks: every fault is found, and sound data has none."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from underone.cli import main
from underone.data.check_masks import check_masks, has_masks
from underone.errors import BadFile
from underone.settings import assets_dir


@pytest.fixture
def data(tmp_path) -> Path:
    """Three training pictures, two others, no two alike; of each picture one row is ignored."""
    random = np.random.default_rng(0)
    (tmp_path / "classes.txt").write_text("sky\nroad\nvoid\n")
    for part, count in (("train", 3), ("val", 2)):
        for kind in ("images", "masks"):
            (tmp_path / part / kind).mkdir(parents=True)
        for number in range(count):
            save(tmp_path / part / "images" / f"{number}.png", random.integers(0, 255, (40, 60, 3), np.uint8))
            mask = random.integers(0, 2, (40, 60), np.uint8)
            mask[:1] = 2
            save(tmp_path / part / "masks" / f"{number}.png", mask)
    return tmp_path


def save(path: Path, array: np.ndarray) -> None:
    Image.fromarray(array).save(path)


def mask_of(data: Path) -> tuple[Path, np.ndarray]:
    path = data / "train" / "masks" / "0.png"
    return path, np.array(Image.open(path))


def test_sound_data_has_no_findings(data):
    seen: list[tuple[int, int]] = []
    report = check_masks(data, lambda done, total: seen.append((done, total)), data / "s.jpg")
    assert report.findings == ()
    assert (report.pictures, report.counted) == (5, "pixels")
    assert {name: sum(counts.values()) for name, counts in report.counts.items()} == {
        "train": 3 * 39 * 60, "val": 2 * 39 * 60,
    }  # fmt: skip
    road = np.mean([np.asarray(Image.open(data / "train" / "masks" / f"{i}.png")) == 1 for i in range(3)])
    assert report.counts["train"]["road"] == pytest.approx(road * 3 * 40 * 60)
    assert seen[-1] == (5, 5)
    assert not (data / "s.jpg").exists()


def another_size(data):
    save(mask_of(data)[0], np.zeros((40, 59), np.uint8))


def unknown_value(data):
    path, mask = mask_of(data)
    mask[5, 7] = 9
    save(path, mask)


def no_picture(data):
    mask_of(data)[0].write_bytes(b"nothing")


def all_ignored(data):
    save(mask_of(data)[0], np.full((40, 60), 2, np.uint8))


def broken_picture(data):
    (data / "train" / "images" / "0.png").write_bytes(b"nothing")


def in_two_parts(data):
    shutil.copy(data / "train" / "images" / "1.png", data / "val" / "images" / "1.png")


def twice(data):
    shutil.copy(data / "train" / "images" / "1.png", data / "train" / "images" / "2.png")


def without_a_class(data):
    for number in range(2):
        save(data / "val" / "masks" / f"{number}.png", np.zeros((40, 60), np.uint8))


def without_validation(data):
    shutil.rmtree(data / "val")


@pytest.mark.parametrize(
    ("change", "level", "kind", "text"),
    [
        (another_size, "error", "mask", "0.png is 59 x 40; its picture is 60 x 40"),
        (unknown_value, "error", "mask", "0.png: 9 at x 7, y 5 stands for none of the 2 classes"),
        (no_picture, "error", "mask", "0.png cannot be read as a mask"),
        (all_ignored, "warning", "all ignored", "0.png: all of its mask is ignored; nothing is learnt from it"),
        (broken_picture, "error", "unreadable", "0.png: "),
        (in_two_parts, "error", "in two parts", "are the same picture, in train and val"),
        (twice, "warning", "twice", "are the same picture"),
        (without_a_class, "warning", "empty class", "no pixel of the class 'road' in val"),
        (without_validation, "error", "part", "has no part val or valid or validation"),
    ],
)
def test_wrong_data_is_named(data, change, level, kind, text):
    change(data)
    report = check_masks(data)
    assert [(f.level, f.kind) for f in report.findings] == [(level, kind)]
    assert text in report.findings[0].text


def test_wrong_masks_are_shown_beside_their_pictures(data):
    another_size(data)
    check_masks(data, page=data / "s.jpg")
    with Image.open(data / "s.jpg") as page:
        assert page.size == (640, 262)
        right = np.asarray(page)[105:135, 325:375]
    assert right.std(axis=(0, 1)).max() < 4  # one class, one colour; the picture at its left is noise


def test_other_classes_of_a_part_are_an_error(data):
    (data / "val" / "classes.txt").write_text("sky\nwater\n")
    report = check_masks(data)
    assert "has 2 classes, 2 are asked for, first 'water' where 'road' is" in report.findings[0].text


def test_folders_without_masks_are_refused(tmp_path):
    assert not has_masks(tmp_path)
    with pytest.raises(
        BadFile, match=r"has no part with masks; lists of pairs .* VOC .* ADE20K .* Cityscapes .* and COCO"
    ):
        check_masks(tmp_path)


def test_the_command_checks_masks(data, capsys):
    unknown_value(data)
    with pytest.raises(SystemExit) as end:
        main(["data", "check", str(data), "--sheet", str(data / "s.jpg"), "--json"])
    assert end.value.code == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["counted"], [finding["kind"] for finding in found["findings"]]) == ("pixels", ["mask"])
    assert (data / "s.jpg").is_file()


def test_lists_of_other_things_are_no_lists_of_pairs(data):
    for part in ("train", "val"):
        (data / f"{part}.txt").write_text("0\n1\n")
    assert has_masks(data)
    assert check_masks(data).findings == ()
    shutil.rmtree(data / "train")
    shutil.rmtree(data / "val")
    assert not has_masks(data)


def test_data_with_boxes_and_masks_are_checked_for_the_task_that_is_named(data, capsys):
    for part in ("train", "val"):
        rows = [f"{part}/images/{n}.png,car,1,1,9,9" for n in range(2)]
        (data / f"{part}.csv").write_text("\n".join(["file,label,x1,y1,x2,y2", *rows]))
    for words, counted in (((), "boxes"), (("--task", "segment"), "pixels"), (("--task", "detect"), "boxes")):
        with pytest.raises(SystemExit) as end:
            main(["data", "check", str(data), "--json", *words])
        assert (end.value.code, json.loads(capsys.readouterr().out)["counted"]) == (0, counted)


def test_camvid_has_no_errors():
    folder = assets_dir()
    if folder is None or not (folder / "camvid").is_dir():
        pytest.skip("UNDERONE_ASSETS names no folder with camvid")
    report = check_masks(folder / "camvid")
    assert (report.errors, report.pictures) == (0, 701)

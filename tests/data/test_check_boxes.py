"""check_boxes: every fault is found, and sound data has none."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from underone.cli import main
from underone.data.check_boxes import check_boxes, has_boxes
from underone.errors import BadFile, BadValue
from underone.image.frames import draw_frames
from underone.settings import assets_dir

HEADER = "file,label,x1,y1,x2,y2\n"


def write(root: Path, train: str, val: str = "c.png,cat,1,1,9,9\nd.png,dog,1,1,9,9\n") -> Path:
    """Write tables, and noise for every picture that they name."""
    for part, rows in (("train", train), ("val", val)):
        (root / f"{part}.csv").write_text(HEADER + rows)
        for name in {row.split(",")[0] for row in rows.splitlines()}:
            if not (root / name).exists():
                pixels = np.random.default_rng(sum(name.encode())).integers(0, 255, (60, 80, 3), np.uint8)
                Image.fromarray(pixels).save(root / name)
    return root


GOOD = "a.png,cat,1,1,20,20\nb.png,dog,30,30,80,60\nb.png,dog,28,5,75,50\n"


def test_sound_data_has_no_findings(tmp_path):
    seen: list[tuple[int, int]] = []
    report = check_boxes(write(tmp_path, GOOD), lambda done, total: seen.append((done, total)), tmp_path / "s.jpg")
    assert report.findings == ()
    assert (report.pictures, report.counted) == (4, "boxes")
    assert report.counts == {"train": {"cat": 1, "dog": 2}, "val": {"cat": 1, "dog": 1}}
    assert seen[-1] == (4, 4)
    assert not (tmp_path / "s.jpg").exists()


@pytest.mark.parametrize(
    ("row", "level", "kind", "text"),
    [
        ("a.png,cat,5,5,5,9\n", "error", "no area", r"a\.png: the box \[5, 5, 5, 9\] of the class 'cat' has no area"),
        ("a.png,cat,9,9,5,5\n", "error", "no area", "has no area; it is left out of training"),
        ("a.png,cat,81,5,95,9\n", "error", "outside", r"\[81, 5, 95, 9\] of the class 'cat' is outside 80 x 60"),
        ("a.png,cat,70,5,95,9\n", "warning", "beyond the border", "stands out of 80 x 60"),
        ("a.png,cat,1,1,20,20.4\n", "warning", "double", r"lies on another of the class: \[1, 1, 20, 20\]"),
        ("e.png,,,,,\n", "warning", "no boxes", "e.png has no boxes; all of it is learnt as background"),
    ],
)
def test_wrong_boxes_are_named(tmp_path, row, level, kind, text):
    report = check_boxes(write(tmp_path, GOOD + row))
    assert [(f.level, f.kind) for f in report.findings] == [(level, kind)]
    assert re.search(text, report.findings[0].text)


def test_a_box_of_another_class_at_the_same_place_is_none_too_many(tmp_path):
    assert check_boxes(write(tmp_path, GOOD + "a.png,dog,1,1,20,20\n")).findings == ()


def test_the_same_picture_twice_or_in_two_parts_is_named(tmp_path):
    root = write(tmp_path, GOOD)
    (root / "c.png").write_bytes((root / "a.png").read_bytes())
    (root / "b.png").write_bytes((root / "a.png").read_bytes())
    assert [(f.level, f.kind) for f in check_boxes(root).findings] == [("warning", "twice"), ("error", "in two parts")]


def test_unreadable_pictures_missing_parts_and_unknown_classes_are_named(tmp_path):
    root = write(tmp_path, GOOD, "c.png,bird,1,1,9,9\n")
    (root / "a.png").write_bytes(b"no picture")
    kinds = {f.kind: f.text for f in check_boxes(root).findings}
    assert "['bird'], which are not among the 2" in kinds["part"]
    assert "a.png" in kinds["unreadable"]
    (root / "val.csv").unlink()
    assert any("has no part val or valid" in f.text for f in check_boxes(root).findings)


def test_a_class_without_boxes_in_a_part_is_named(tmp_path):
    findings = check_boxes(write(tmp_path, GOOD, "c.png,cat,1,1,9,9\n")).findings
    assert [(f.kind, f.where) for f in findings] == [("empty class", "val/dog")]


def test_a_folder_without_boxes_is_refused(tmp_path):
    assert not has_boxes(tmp_path)
    with pytest.raises(BadFile, match="has no part with boxes"):
        check_boxes(tmp_path)


def test_command_prints_and_draws(tmp_path, capsys):
    root = write(tmp_path, GOOD + "a.png,cat,5,5,5,9\n")
    with pytest.raises(SystemExit) as stopped:
        main(["data", "check", str(root), "--sheet", str(tmp_path / "sheet.jpg")])
    assert stopped.value.code == 1
    printed = capsys.readouterr().out
    assert "error: no area (1)" in printed
    assert "1 errors, 0 warnings in 4 pictures" in printed
    with Image.open(tmp_path / "sheet.jpg") as image:
        assert image.size == (320, 262)
    with pytest.raises(SystemExit):
        main(["data", "check", str(root), "--json"])
    assert json.loads(capsys.readouterr().out)["counted"] == "boxes"


def test_the_sheet_says_which_box_is_wrong(tmp_path, monkeypatch):
    drawn = []

    def frames(pixels, corners, class_ids, texts):
        drawn.append(dict(zip(map(tuple, corners.tolist()), texts, strict=True)))
        return draw_frames(pixels, corners, class_ids, texts)

    monkeypatch.setattr("underone.data.check_boxes.draw_frames", frames)
    root = write(tmp_path, GOOD + "a.png,cat,5,5,5,9\na.png,cat,900,900,950,950\n")
    check_boxes(root, page=tmp_path / "sheet.jpg")
    (boxes,) = drawn
    assert (boxes.pop((5, 5, 5, 9)), boxes.pop((900, 900, 950, 950))) == ("no area", "outside")
    assert len(boxes) >= 1
    assert set(boxes.values()) == {""}


def test_a_sheet_without_boxes_is_refused(tmp_path):
    from underone.cli.data import check_folder

    with pytest.raises(BadValue, match=r"--sheet shows wrong boxes and masks, and .* is checked for neither"):
        check_folder(tmp_path, tmp_path / "s.jpg", None)


def test_bccd_has_the_two_boxes_without_area_that_its_readme_names():
    assets = assets_dir()
    if assets is None or not (assets / "bccd").is_dir():
        pytest.skip("UNDERONE_ASSETS names no folder with bccd/")
    report = check_boxes(assets / "bccd")
    flat = [finding.text for finding in report.findings if finding.kind == "no area"]
    assert {Path(text.split(":")[0]).stem for text in flat} == {"BloodImage_00338", "BloodImage_00343"}

"""Every kind of fault that is planted in a data set is found, and nothing is found in a good one."""

import shutil

import numpy as np
import pytest
from PIL import Image

from underone.data.check import check_data
from underone.errors import BadFile


@pytest.fixture
def good(tmp_path):
    """Two classes in three parts, all pictures unlike."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 3), ("validation", 2), ("test", 1)):
        for label in ("cat", "dog"):
            folder = tmp_path / "set" / part / label
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(generator.integers(0, 256, (40, 50, 3), np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "set"


def _found(root):
    return {(f.level, f.kind): f.text.replace(str(root), "SET") for f in check_data(root).findings}


def test_good_data_have_no_findings(good):
    steps = []
    report = check_data(good, lambda done, total: steps.append((done, total)))
    assert report.findings == ()
    assert report.errors == 0
    assert report.counts == {
        "train": {"cat": 3, "dog": 3}, "val": {"cat": 2, "dog": 2}, "test": {"cat": 1, "dog": 1},
    }  # fmt: skip
    assert steps == [(n, 12) for n in range(1, 13)]


def _cut_short(root):
    path = root / "train" / "cat" / "0.png"
    path.write_bytes(path.read_bytes()[:500])


def _empty(root):
    shutil.rmtree(root / "train" / "cat")
    (root / "train" / "cat").mkdir()


def _one(root):
    for number in (1, 2):
        (root / "train" / "cat" / f"{number}.png").unlink()


def _absent(root):
    shutil.rmtree(root / "test" / "dog")


def _leaked(root):
    shutil.copy(root / "train" / "cat" / "0.png", root / "test" / "cat" / "9.png")


def _two_classes(root):
    shutil.copy(root / "train" / "cat" / "0.png", root / "train" / "dog" / "9.png")


def _twice(root):
    shutil.copy(root / "train" / "cat" / "0.png", root / "train" / "cat" / "9.png")


def _tiny(root):
    Image.new("RGB", (31, 400)).save(root / "train" / "cat" / "9.png")


def _no_part(root):
    shutil.rmtree(root / "validation")


def _strange_class(root):
    shutil.copytree(root / "test" / "dog", root / "validation" / "bird")


def _one_class(root):
    for part in ("train", "validation", "test"):
        shutil.rmtree(root / part / "dog")


FAULTS = [
    (_cut_short, "error", "unreadable", "SET/train/cat/0.png: the picture is damaged"),
    (_empty, "error", "part", "SET/train/cat: the class 'cat' has no picture; remove the folder or fill it"),
    (_one, "warning", "one picture", "the class 'cat' has one training picture"),
    (_absent, "warning", "empty class", "no picture of the class 'dog' in test"),
    (
        _leaked,
        "error",
        "in two parts",
        "SET/train/cat/0.png and SET/test/cat/9.png are the same file, in train and test",
    ),
    (_two_classes, "error", "two classes", "SET/train/dog/9.png are the same file, as 'cat' and 'dog'"),
    (_twice, "warning", "twice", "SET/train/cat/0.png and SET/train/cat/9.png are the same file"),
    (_tiny, "warning", "tiny", "SET/train/cat/9.png has 31 x 400 pixels; 32 or more are sensible"),
    (_no_part, "error", "part", "SET has no part val or valid or validation"),
    (_strange_class, "error", "part", "SET/validation has the classes ['bird'], which are not among the 2"),
    (_one_class, "error", "classes", "the training set has 1 class; 2 or more are required"),
]


@pytest.mark.parametrize(("plant", "level", "kind", "text"), FAULTS, ids=[row[0].__name__ for row in FAULTS])
def test_planted_fault_is_found_and_no_other(good, plant, level, kind, text):
    plant(good)
    found = _found(good)
    assert text in found[level, kind]
    assert len(found) == 1
    assert check_data(good).errors == (level == "error")


def test_folder_that_is_missing_is_refused(tmp_path):
    with pytest.raises(BadFile, match=r"nothing is no folder; one with train, validation and perhaps test is required"):
        check_data(tmp_path / "nothing")

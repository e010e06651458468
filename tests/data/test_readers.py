"""Every reader lists what another library lists, or what was written."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from underone.data import open_pictures, open_splits
from underone.errors import BadFile, BadValue


def _listed(pictures):
    return [(pictures.name(i), int(pictures.targets[i])) for i in range(len(pictures))]


def test_folder_lists_what_torchvision_lists(class_folder):
    from torchvision.datasets import ImageFolder

    oracle = ImageFolder(class_folder)
    found = open_pictures(class_folder)
    assert list(found.classes) == oracle.classes == ["a", "b"]
    visible = [(path, target) for path, target in oracle.samples if not Path(path).name.startswith(".")]
    assert sorted(_listed(found)) == sorted(visible)
    assert found.read(0) == Path(found.name(0)).read_bytes()


@pytest.mark.parametrize("empty", ["class", "root"])
def test_folder_without_pictures_is_refused(tmp_path, class_folder, empty):
    if empty == "class":
        (class_folder / "c").mkdir()
        with pytest.raises(BadFile, match=r"the class 'c' has no picture; remove the folder or fill it"):
            open_pictures(class_folder)
    else:
        (tmp_path / "none").mkdir()
        with pytest.raises(BadFile, match=r"has no class folders; ROOT/CLASS/picture\.jpg is required"):
            open_pictures(tmp_path / "none")


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(BadFile, match=r"is no folder; a folder with one folder for each class is required"):
        open_pictures(tmp_path / "nowhere")


def test_folder_with_a_strange_class_is_refused(class_folder):
    with pytest.raises(BadValue, match=r"has the classes \['b'\], which are not among the 1: \['a'\]"):
        open_pictures(class_folder, ["a"])


def test_table_lists_its_rows_in_order(class_folder):
    table = class_folder / "train.csv"
    table.write_text("image,label\nb/0.png,two\na/0.png,one/half\nb/2.png,two\n")
    found = open_pictures(table)
    assert found.classes == ("one/half", "two")
    assert found.targets.tolist() == [1, 0, 1]
    assert found.read(1) == (class_folder / "a" / "0.png").read_bytes()


def test_labels_that_are_numbers_are_sorted_as_numbers(class_folder):
    table = class_folder / "train.csv"
    table.write_text("file,target\n" + "".join(f"a/0.png,{n}\n" for n in range(11)))
    assert open_pictures(table).classes == tuple(map(str, range(11)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\n../x.png,a\n", r"row 2: '\.\./x\.png' is not below the folder of the table"),
        ("file,label\n/etc/x.png,a\n", r"row 2: '/etc/x\.png' is not below"),
        ("file,label\na.png,\n", r"row 2: the file is 'a\.png' and the label ''; both are required"),
        ("file,label\n", r"has no rows; one for each picture is required"),
        ("name,label\na,b\n", r"has the columns \['name', 'label'\]; one of file, filename, path, image is required"),
        ('file,label\n"' + "x" * 70_000 + '",a\n', r"is no table that can be read: field larger than field limit"),
    ],
)
def test_table_that_is_wrong_is_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(BadFile, match=message):
        open_pictures(tmp_path / "t.csv")


def test_table_with_a_strange_label_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("file,label\na.png,cat\n")
    with pytest.raises(BadValue, match=r"has the labels \['cat'\], which are not among the 1: \['dog'\]"):
        open_pictures(tmp_path / "t.csv", ["dog"])


def _shard(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("form", ["cls", "txt", "json"])
def test_shards_give_every_picture_its_label(tmp_path, form):
    def label(name):
        return json.dumps({"label": name}).encode() if form == "json" else name.encode()

    _shard(
        tmp_path / "s-0.tar",
        [("x/1.jpg", b"one"), (f"x/1.{form}", label("dog")), ("x/2.png", b"second"), (f"x/2.{form}", label("cat"))],
    )
    _shard(tmp_path / "s-1.tar", [(f"3.{form}", label("dog")), ("3.jpg", b"third!")])
    found = open_pictures(tmp_path / "s-*.tar")
    assert found.classes == ("cat", "dog")
    assert found.targets.tolist() == [1, 0, 1]
    assert [found.read(i) for i in (2, 0, 1)] == [b"third!", b"one", b"second"]
    assert found.name(2) == f"{tmp_path / 's-1.tar'}!3.jpg"
    assert len(open_pictures(tmp_path)) == 3


def test_shard_labels_that_are_numbers_are_indexes(tmp_path):
    shard = _shard(tmp_path / "s.tar", [("1.jpg", b"one"), ("1.cls", b"3\n")])
    assert open_pictures(shard).classes == ("0", "1", "2", "3")
    assert open_pictures(shard, ["a", "b", "c", "d"]).targets.tolist() == [3]
    with pytest.raises(BadValue, match=r"the label '3' is not among the 2 classes"):
        open_pictures(shard, ["a", "b"])


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("1.jpg", b"x")], r"'1\.jpg' has no label beside it; 1\.cls, \.txt or \.json is required"),
        ([("1.jpg", b"x"), ("1.cls", b"  ")], r"the label '1\.cls' is empty"),
        (
            [("1.jpg", b"x"), ("1.json", b"[1]")],
            r"cannot be read: an object with 'label', 'cls' or 'class' is required",
        ),
        ([("1.jpg", b"x"), ("1.json", b"[" * 60_000)], r"the label '1\.json' cannot be read"),
        ([("1.jpg", b"x"), ("1.cls", b"\xff\xfe")], r"the label '1\.cls' cannot be read"),
        ([("1.jpg", b"x"), ("1.cls", b"y" * 70_000)], r"has 70000 bytes; at most 65536 are read"),
        ([("1.cls", b"y")], r"no picture in 1 shards"),
    ],
)
def test_shard_that_is_wrong_is_refused(tmp_path, members, message):
    with pytest.raises(BadFile, match=message):
        open_pictures(_shard(tmp_path / "s.tar", members))


def test_shard_cut_anywhere_never_gives_another_error(tmp_path):
    whole = _shard(tmp_path / "s.tar", [("1.jpg", b"x" * 600), ("1.cls", b"a"), ("2.jpg", b"y" * 600), ("2.cls", b"b")])
    content = whole.read_bytes()
    for length in range(0, len(content), 100):
        whole.write_bytes(content[:length])
        try:
            found = open_pictures(whole)
        except BadFile:
            continue
        for index in range(len(found)):
            try:
                assert len(found.read(index)) == 600
            except BadFile as error:
                assert "ends at byte" in str(error)  # noqa: PT017


def test_shard_pattern_without_a_file_is_refused(tmp_path):
    with pytest.raises(BadFile, match=r"there is no such file"):
        open_pictures(tmp_path / "s-*.tar")


def test_hugging_face_set_gives_the_same_bytes(tmp_path, class_folder):
    datasets = pytest.importorskip("datasets", reason="the package datasets is not installed")
    plain = open_pictures(class_folder)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    rows = {"image": [{"bytes": plain.read(i), "path": None} for i in range(5)], "label": plain.targets.tolist()}
    table = datasets.Dataset.from_dict(rows, features=features)
    table.save_to_disk(tmp_path / "saved")
    for source in (table, tmp_path / "saved"):
        found = open_pictures(source)
        assert found.classes == plain.classes
        assert np.array_equal(found.targets, plain.targets)
        assert [found.read(i) for i in range(5)] == [plain.read(i) for i in range(5)]
    with pytest.raises(BadValue, match=r"the image columns \[\] and the class columns \['label'\]"):
        open_pictures(table.remove_columns("image"))


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"dataset_info.json": "{}"}, "neither a `Dataset` directory"),
        ({"dataset_info.json": "{", "state.json": "{}"}, "Expecting property name"),
        ({"dataset_info.json": "{}", "state.json": "{}"}, "_data_files"),
        ({"dataset_info.json": "[]", "state.json": "{}"}, ""),
        ({"dataset_info.json": '{"features": 4}', "state.json": "{}"}, ""),
        ({"dataset_info.json": "{}", "state.json": '{"_data_files": 3}'}, ""),
    ],
)
def test_damaged_hugging_face_folder_is_refused(tmp_path, members, reason):
    pytest.importorskip("datasets", reason="the package datasets is not installed")
    folder = tmp_path / "saved"
    folder.mkdir()
    for name, text in members.items():
        (folder / name).write_text(text)
    with pytest.raises(BadFile, match=rf"saved is no saved data set: .*{reason}"):
        open_pictures(folder)


def test_splits_are_found_under_their_usual_names(tmp_path, class_folder):
    root = tmp_path / "all"
    root.mkdir()
    class_folder.rename(root / "train")
    with pytest.raises(BadFile, match=r"has no part val or valid or validation"):
        open_splits(root)
    (root / "val.csv").write_text("file,label\ntrain/a/0.png,a\n")
    splits = open_splits(root)
    assert (len(splits.train), len(splits.validation), splits.test) == (5, 1, None)
    (root / "test.csv").write_text("file,label\ntrain/a/0.png,c\n")
    with pytest.raises(BadValue, match=r"has the labels \['c'\]"):
        open_splits(root)


def test_picture_that_vanished_is_named(class_folder):
    found = open_pictures(class_folder)
    Path(found.name(0)).unlink()
    with pytest.raises(BadFile, match=r"0\.png cannot be read: No such file"):
        found.read(0)


def test_picture_larger_than_any_is_refused(class_folder, monkeypatch):
    monkeypatch.setattr("underone.data.pictures.LARGEST", 10)
    found = open_pictures(class_folder)
    with pytest.raises(BadFile, match=r"bytes; at most 10 are read as a picture"):
        found.read(0)

"""find_format: which reader a file is given to."""

from pathlib import Path

import pytest

from underone.errors import BadFile
from underone.foreign.read import find_format, read_foreign


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("any", b"\x1c\0\0\0TFL3", "TFLite"),
        ("any", b"\x89HDF\r\n\x1a\n", "Keras"),
        ("net.KERAS", b"PK\x03\x04", "Keras"),
        ("net.caffemodel", b"", "Caffe"),
        ("deploy.prototxt.txt", b"", "Caffe"),
        ("net.pb", b"", "TensorFlow frozen graph"),
        ("saved_model.pb", b"", "TensorFlow SavedModel"),
        ("net.pth", b"PK\x03\x04", None),
    ],
)
def test_format_is_told_by_content_first_then_by_suffix(
    tmp_path: Path, name: str, head: bytes, expected: str | None
) -> None:
    (tmp_path / name).write_bytes(head + bytes(64))
    found = find_format(tmp_path / name)
    assert (found.name if found else None) == expected


def test_content_goes_before_the_suffix(tmp_path: Path) -> None:
    (tmp_path / "net.pb").write_bytes(b"\x1c\0\0\0TFL3")
    found = find_format(tmp_path / "net.pb")
    assert found is not None
    assert found.name == "TFLite"


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("net.h5", "no HDF5 file: its signature is missing"),
        ("net.keras", "no HDF5 file: its signature is missing"),
        ("net.tflite", "is not the mark of a TFLite file"),
        ("net.caffemodel", "wire type"),
        ("net.pb", "wire type"),
    ],
)
def test_a_file_of_other_content_than_its_suffix_says_is_refused_by_that_reader(
    tmp_path: Path, name: str, fault: str
) -> None:
    (tmp_path / name).write_text("this is a text, and no network")
    with pytest.raises(BadFile, match=fault):
        read_foreign(tmp_path / name)


@pytest.mark.parametrize("name", ["net.h5", "net.keras", "net.tflite", "net.caffemodel", "net.pb"])
def test_a_missing_file_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadFile, match="cannot be read: No such file"):
        read_foreign(tmp_path / name)


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.pb").touch()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BadFile, match=r"net\.pb cannot be read: Permission denied"):
        find_format(tmp_path / "net.pb")

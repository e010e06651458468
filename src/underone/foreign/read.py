"""Read a file of another framework: the reader is chosen by content first, then by suffix."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import Unsupported
from .foreign_file import ForeignFile

_HEAD = 64  # bytes at the start of a file that tell what it is


@dataclass(frozen=True)
class Format:
    """One row of the table of readers.

    Attributes:
        name: of the format.
        matches: whether a file is one, from its first 64 bytes and its path.
        read: the reader.
    """

    name: str
    matches: Callable[[bytes, Path], bool]
    read: Callable[[Path], ForeignFile]


def _suffix(*suffixes: str) -> Callable[[bytes, Path], bool]:
    return lambda _, path: path.suffix.lower() in suffixes


def _tflite(path: Path) -> ForeignFile:
    from .from_tflite import read_tflite

    return read_tflite(path)


def _keras(path: Path) -> ForeignFile:
    from .from_keras import read_keras

    return read_keras(path)


def _caffe(path: Path) -> ForeignFile:
    from .from_caffe import read_caffe

    return read_caffe(path)


def _is_keras(head: bytes, path: Path) -> bool:
    return head.startswith(b"\x89HDF\r\n\x1a\n") or (head.startswith(b"PK") and path.suffix.lower() == ".keras")


FORMATS: tuple[Format, ...] = (
    Format("TFLite", lambda head, _: head[4:8] == b"TFL3", _tflite),
    Format("Keras", _is_keras, _keras),
    Format("Caffe", lambda _, path: path.suffix.lower() == ".caffemodel" or ".prototxt" in path.name, _caffe),
)


def read_foreign(path: Path | str) -> ForeignFile:
    """Read a file of TensorFlow, Keras, Caffe or TFLite, without that framework.

    Args:
        path: of a file; of a folder for a SavedModel; the prefix or the index for a TensorFlow checkpoint.

    Raises:
        BadFile: it cannot be read, or is damaged; the file and the offset are named.
        Unsupported: no reader knows it.
    """
    path = Path(path)
    found = find_format(path)
    if found is None:
        raise Unsupported(f"{path} is no file of {', '.join(f.name for f in FORMATS)}")
    return found.read(path)


def find_format(path: Path) -> Format | None:
    """Give the row of the table that knows a file, or None."""
    head = b""
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(_HEAD)
    return next((f for f in FORMATS if f.matches(head, path)), None)

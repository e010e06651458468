"""Read a file of another framework: the reader is chosen by content first, then by suffix."""

import glob
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadFile, Unsupported
from .foreign_file import ForeignFile

_HEAD = 64  # bytes at the start of a file that tell what it is
_TABLE_END = bytes.fromhex("57fb808b247547db")  # of a sorted string table


@dataclass(frozen=True)
class Format:
    """One row of the table of readers.

    Attributes:
        name: of the format.
        matches: whether a file is one, from its first 64 bytes and its path.
        suffixes: of files whose content tells nothing; the reader then says what is wrong with them.
        read: the reader.
    """

    name: str
    matches: Callable[[bytes, Path], bool]
    suffixes: tuple[str, ...]
    read: Callable[[Path], ForeignFile]


def _tflite(path: Path) -> ForeignFile:
    from .from_tflite import read_tflite

    return read_tflite(path)


def _keras(path: Path) -> ForeignFile:
    from .from_keras import read_keras

    return read_keras(path)


def _caffe(path: Path) -> ForeignFile:
    from .from_caffe import read_caffe

    return read_caffe(path)


def _frozen_graph(path: Path) -> ForeignFile:
    from .from_tensorflow import read_frozen_graph

    return read_frozen_graph(path)


def _saved_model(path: Path) -> ForeignFile:
    from .from_tensorflow import read_saved_model

    return read_saved_model(path)


def _checkpoint(path: Path) -> ForeignFile:
    from .from_tensorflow import read_checkpoint

    return read_checkpoint(path)


def _coreml(path: Path) -> ForeignFile:
    from .from_coreml import read_coreml

    return read_coreml(path)


def _is_saved_model(_: bytes, path: Path) -> bool:
    return path.name == "saved_model.pb" or (path / "saved_model.pb").is_file()


def _is_checkpoint(_: bytes, path: Path) -> bool:
    """Whether a path is a checkpoint, part of one, what the names of its parts begin with, or a folder with one."""
    if path.is_file():
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - len(_TABLE_END), 0))
            return path.suffix in (".index", ".meta") or ".data-" in path.name or file.read() == _TABLE_END
    parts = path.parent.glob(f"{glob.escape(path.name)}-?????-of-?????") if path.name else ()
    return (path.parent / f"{path.name}.index").is_file() or any(parts) or any(path.glob("*.index"))


def _is_keras(head: bytes, path: Path) -> bool:
    return head.startswith(b"\x89HDF\r\n\x1a\n") or (head.startswith(b"PK") and path.suffix.lower() == ".keras")


FORMATS: tuple[Format, ...] = (
    Format("TFLite", lambda head, _: head[4:8] == b"TFL3", (".tflite",), _tflite),
    Format("Keras", _is_keras, (".h5", ".hdf5", ".keras"), _keras),
    Format("Caffe", lambda _, path: ".prototxt" in path.name, (".caffemodel",), _caffe),
    Format("Core ML", lambda _, path: (path / "Manifest.json").is_file(), (".mlpackage", ".mlmodel"), _coreml),
    Format("TensorFlow SavedModel", _is_saved_model, (), _saved_model),
    Format("TensorFlow checkpoint", _is_checkpoint, (), _checkpoint),
    Format("TensorFlow frozen graph", lambda *_: False, (".pb",), _frozen_graph),  # nothing marks one
)


def read_foreign(path: Path | str) -> ForeignFile:
    """Read a file of TensorFlow, Keras, Caffe, TFLite or Core ML, without that framework.

    Args:
        path: of a file; of a folder for a SavedModel or a .mlpackage; the prefix or the index for a TensorFlow
            checkpoint.

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
    """Give the row of the table that knows a file, or None.

    Raises:
        BadFile: the file is there but cannot be read.
    """
    head = b""
    try:
        if path.is_file():
            with path.open("rb") as file:
                head = file.read(_HEAD)
        by_content = next((f for f in FORMATS if f.matches(head, path)), None)
    except OSError as error:
        raise BadFile(f"{path} cannot be read: {error.strerror or error}") from error
    return by_content or next((f for f in FORMATS if path.suffix.lower() in f.suffixes), None)

"""Checkpoints of TensorFlow: named arrays in a table (V1), or in shards of data beside a table (V2)."""

import glob
import re
from pathlib import Path

from ...errors import BadFile
from ..bounded import open_file
from ..foreign_file import ForeignFile
from .bundle import read_bundle
from .saved_slices import read_slices
from .sorted_table import is_table

_MOST_FILES = 1 << 10
_LONGEST_NOTE = 1 << 16  # bytes
# what stands behind the beginning that the files of a checkpoint share; .meta is the graph that it was saved from
_PART = re.compile(r"(\.index|\.meta|(\.data)?-\d{5}-of-\d{5})$")
_NOTED = re.compile(rb'^model_checkpoint_path: *"([^"]+)"', re.MULTILINE)


def read_checkpoint(path: Path | str) -> ForeignFile:
    """Read a checkpoint of version 1 or 2.

    `tensors` holds every array of numbers by the variable's name: where the file tells the names that layers gave
    their variables (TensorFlow 2 stores paths of attributes), by those.

    Args:
        path: of one of its files, what their names begin with, or a folder: with one checkpoint, or with the file
            `checkpoint` in which TensorFlow notes the last one.

    Raises:
        BadFile: there is no checkpoint, or it is damaged.
        Unsupported: it was written on a machine of the other byte order.
    """
    path = Path(path)
    beginning = _in_folder(path) if path.is_dir() else path.parent / _PART.sub("", path.name)
    index = Path(f"{beginning}.index")
    if index.is_file():
        found = read_bundle(index)
        return ForeignFile(str(path), "TensorFlow checkpoint", found.tensors, notes=found.notes)
    tables = [open_file(p) for p in _tables(beginning)]
    if not tables or not all(map(is_table, tables)):
        without = "; a .meta holds the graph without its weights" * (path.suffix == ".meta")
        raise BadFile(
            f"{path} is no checkpoint of TensorFlow; a .index with its .data files, or a table is required{without}"
        )
    tensors, notes = read_slices(tables)
    return ForeignFile(str(path), "TensorFlow checkpoint (version 1)", tensors, notes=notes)


def _in_folder(folder: Path) -> Path:
    """Give what the files of a folder's checkpoint begin with: the only one, or the one that TensorFlow noted last."""
    found = sorted(p.with_suffix("") for p in folder.glob("*.index"))[:_MOST_FILES]
    note = folder / "checkpoint"
    if note.is_file() and note.stat().st_size <= _LONGEST_NOTE:
        last = _NOTED.search(note.read_bytes())
        found = [p for p in found if last and p.name == Path(last[1].decode(errors="replace")).name] or found
    if len(found) > 1:
        raise BadFile(f"{folder} holds {len(found)} checkpoints: {[p.name for p in found[:8]]}; name one of them")
    return found[0] if found else folder / "model.ckpt"


def _tables(beginning: Path) -> list[Path]:
    """Give the tables of version 1: one file, or shards NAME-00000-of-00002."""
    if beginning.is_file():
        return [beginning]
    return sorted(beginning.parent.glob(f"{glob.escape(beginning.name)}-?????-of-?????"))[:_MOST_FILES]

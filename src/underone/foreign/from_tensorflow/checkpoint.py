"""Checkpoints of TensorFlow: named arrays in a table (V1), or in shards of data beside a table (V2)."""

import glob
from pathlib import Path

from ...errors import BadFile
from ..bounded import open_file
from ..foreign_file import ForeignFile
from .bundle import read_bundle
from .saved_slices import read_slices
from .sorted_table import is_table

_MOST_FILES = 1 << 10


def read_checkpoint(path: Path | str) -> ForeignFile:
    """Read a checkpoint of version 1 or 2.

    `tensors` holds every array of numbers by the variable's name: where the file tells the names that layers gave
    their variables (TensorFlow 2 stores paths of attributes), by those.

    Args:
        path: of the table (`NAME.index`, or `NAME` of version 1), of one of its shards of data, their common beginning
            NAME, or a folder with one checkpoint.

    Raises:
        BadFile: there is no checkpoint, or it is damaged.
        Unsupported: it was written on a machine of the other byte order.
    """
    path = Path(path)
    index = _index(path)
    if index is not None:
        found = read_bundle(index)
        return ForeignFile(str(path), "TensorFlow checkpoint", found.tensors, notes=found.notes)
    tables = [open_file(p) for p in _tables(path)]
    if not tables or not all(map(is_table, tables)):
        raise BadFile(f"{path} is no checkpoint of TensorFlow; a .index with its .data files, or a table is required")
    tensors, notes = read_slices(tables)
    return ForeignFile(str(path), "TensorFlow checkpoint (version 1)", tensors, notes=notes)


def _index(path: Path) -> Path | None:
    """Give the table of a checkpoint of version 2; None where there is none."""
    if path.is_dir():
        found = sorted(path.glob("*.index"))[:_MOST_FILES]
        if len(found) > 1:
            raise BadFile(f"{path} holds {len(found)} checkpoints: {[f.stem for f in found[:8]]}; name one of them")
        return found[0] if found else None
    name = path.name.partition(".data-")[0] if ".data-" in path.name else path.name.removesuffix(".index")
    index = path.parent / f"{name}.index"
    return index if index.is_file() else None


def _tables(path: Path) -> list[Path]:
    """Give the tables of version 1: one file, or shards NAME-00000-of-00002."""
    if path.is_file():
        return [path]
    return sorted(path.parent.glob(f"{glob.escape(path.name)}-?????-of-?????"))[:_MOST_FILES] if path.name else []

"""Data by its path: which reader it is for, and which part is for what."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from ..errors import BadFile
from .from_csv import from_csv
from .from_folder import from_folder
from .from_hugging_face import from_hugging_face
from .from_tar import from_tar
from .pictures import Listed, Pictures

TRAIN, VALIDATION, TEST = ("train", "training"), ("val", "valid", "validation"), ("test",)

P = TypeVar("P", bound=Listed)


class Splits(NamedTuple, Generic[P]):
    """The parts of a data set: to learn from, to choose by, to state a figure on."""

    train: P
    validation: P
    test: P | None


def open_pictures(source: Any, classes: Sequence[str] | None = None) -> Pictures:
    """List pictures with their classes.

    Args:
        source: a folder of class folders, a .csv table, a .tar shard, a folder or shell pattern of shards, a
            `datasets.Dataset`, or a folder that its `save_to_disk` wrote.
        classes: names by class index; None: as the data has them.

    Raises:
        BadFile: there is no such data, or it is damaged or empty.
        BadValue: it has other classes.
    """
    if not isinstance(source, str | PathLike):
        return from_hugging_face(source)
    path = Path(source)
    if path.suffix == ".csv":
        return from_csv(path, classes)
    if path.suffix == ".tar" or any(mark in path.name for mark in "*?["):
        shards = sorted(path.parent.glob(path.name))
        if not shards:
            raise BadFile(f"{path}: there is no such file")
        return from_tar(shards, classes)
    if (path / "dataset_info.json").is_file():
        return from_hugging_face(path)
    shards = sorted(path.glob("*.tar")) if path.is_dir() else []
    return from_tar(shards, classes) if shards else from_folder(path, classes)


def open_splits(root: str | PathLike[str]) -> Splits[Pictures]:
    """List the parts of ``root/train``, ``root/validation`` (or val) and, where there is one, ``root/test``.

    Each part is a folder of classes or of shards, or a table ``train.csv`` and so on. The classes are those of the
    training part.

    Raises:
        BadFile: a part is missing, damaged or empty.
        BadValue: a part has a class that the training part has not.
    """
    root = Path(root)
    train = open_pictures(required_part(root, TRAIN))
    validation = open_pictures(required_part(root, VALIDATION), train.classes)
    test = find_part(root, TEST)
    return Splits(train, validation, open_pictures(test, train.classes) if test else None)


def required_part(root: Path, names: Sequence[str]) -> Path:
    """Return where a part lies, by its first name that exists.

    Raises:
        BadFile: there is none.
    """
    found = find_part(root, names)
    if found is None:
        raise BadFile(
            f"{root} has no part {' or '.join(names)}; {root / names[0]} (a folder) or {names[0]}.csv is required"
        )
    return found


def find_part(root: Path, names: Sequence[str]) -> Path | None:
    """Return the first folder or table of these names that exists."""
    places = [place for name in names for place in (root / name, root / f"{name}.csv")]
    return next((place for place in places if place.exists()), None)

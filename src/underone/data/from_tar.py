"""Tar shards in WebDataset's layout: members of one key stand side by side, ``key.jpg`` and ``key.cls``."""

import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from ..errors import BadFile, BadValue
from .pictures import ShardPictures, columns

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm")
_LARGEST_LABEL = 1 << 16  # bytes of a .cls, .txt or .json member


class Member(NamedTuple):
    """One picture in a shard and the label beside it."""

    name: str
    offset: int
    size: int
    label: str


def from_tar(shards: Sequence[Path], classes: Sequence[str] | None = None) -> ShardPictures:
    """List the pictures of uncompressed tar files.

    Args:
        shards: tar files; each picture ``key.jpg`` (or .png, .webp …) has its label beside it: ``key.cls`` or
            ``key.txt`` (the label alone), or ``key.json`` (an object with ``label``, ``cls`` or ``class``).
        classes: names by class index; None: the labels, sorted. Labels that are whole numbers are class indexes.

    Raises:
        BadFile: not a tar file, damaged, compressed, or a picture without a label.
        BadValue: a label outside `classes`.
    """
    rows = [(number, member) for number, path in enumerate(shards) for member in _members(path)]
    if not rows:
        raise BadFile(f"no picture in {len(shards)} shards, the first of them {shards[0] if shards else 'none'}")
    names = tuple(_classes([m.label for _, m in rows]) if classes is None else classes)
    index = _index(names, {m.label for _, m in rows}, shards[0])
    member_names, targets = columns([(m.name, index[m.label]) for _, m in rows])
    shard, offset, size = (np.array(v, np.int64) for v in zip(*((n, m.offset, m.size) for n, m in rows), strict=True))
    return ShardPictures(tuple(shards), member_names, shard, offset, size, targets, names)


def _members(path: Path) -> Iterator[Member]:
    """Walk one shard; labels are read, pictures only located."""
    pictures: dict[str, tarfile.TarInfo] = {}
    labels: dict[str, str] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for info in tar:
                key, suffix = _split(info.name)
                if not info.isfile():
                    continue
                if suffix in PICTURES:
                    pictures[key] = info
                elif suffix in (".cls", ".txt", ".json"):
                    labels[key] = _label(tar, info, path, suffix)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise BadFile(f"{path} is no uncompressed tar file that can be read: {error}") from error
    for key, info in pictures.items():
        if key not in labels:
            raise BadFile(f"{path}: {info.name!r} has no label beside it; {key}.cls, .txt or .json is required")
        yield Member(info.name, info.offset_data, info.size, labels[key])


def _split(name: str) -> tuple[str, str]:
    """Take a member's name apart at the first dot of its last part, as WebDataset does."""
    folder, base = os.path.split(name)
    key, _, suffix = base.partition(".")
    return str(PurePosixPath(folder, key)), f".{suffix.lower()}"


def _label(tar: tarfile.TarFile, info: tarfile.TarInfo, path: Path, suffix: str) -> str:
    if info.size > _LARGEST_LABEL:
        raise BadFile(f"{path}: the label {info.name!r} has {info.size} bytes; at most {_LARGEST_LABEL} are read")
    file = tar.extractfile(info)
    try:
        text = (file.read() if file else b"").decode().strip()
        found = text if suffix != ".json" else _from_json(json.loads(text))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise BadFile(f"{path}: the label {info.name!r} cannot be read: {error}") from error
    if not found:
        raise BadFile(f"{path}: the label {info.name!r} is empty")
    return found


def _from_json(value: object) -> str:
    if isinstance(value, dict):
        for key in ("label", "cls", "class"):
            if isinstance(value.get(key), str | int):
                return str(value[key])
    raise ValueError("an object with 'label', 'cls' or 'class' is required")


def _classes(labels: Sequence[str]) -> list[str]:
    if all(label.isdecimal() for label in labels):
        return [str(i) for i in range(max(map(int, labels)) + 1)]
    return sorted(set(labels))


def _index(names: Sequence[str], labels: set[str], where: Path) -> dict[str, int]:
    known = {name: i for i, name in enumerate(names)}
    found = {}
    for label in labels:
        at = known.get(label, int(label) if label.isdecimal() else -1)
        if not 0 <= at < len(names):
            raise BadValue(f"{where}: the label {label!r} is not among the {len(names)} classes {list(names)[:5]}…")
        found[label] = at
    return found

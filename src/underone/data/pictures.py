"""What every reader of data gives: pictures with their answers, listed but not read."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import BadFile

LARGEST = 1 << 28  # bytes of one picture's file


class Listed(Protocol):
    """A list of pictures, whatever is known of them."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names by class index."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Say which picture it is, for a person."""

    def read(self, index: int) -> bytes:
        """Return the bytes of the picture's file.

        Raises:
            BadFile: it cannot be read.
        """


class Pictures(Listed, Protocol):
    """A list of pictures with one class each."""

    @property
    def targets(self) -> NDArray[np.int64]:
        """The class index of each picture, (n,)."""


@dataclass(frozen=True, eq=False)
class FilePictures:
    """Pictures that are files of their own.

    Names are one array, not a list of objects: processes that share it do not copy it page by page.

    Attributes:
        root: folder.
        names: (n,) bytes, paths below it in UTF-8.
        targets: (n,) class indexes.
        classes: names by class index.
    """

    root: Path
    names: NDArray[np.bytes_]
    targets: NDArray[np.int64]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.targets)

    def name(self, index: int) -> str:
        """Return the path."""
        return str(self.root / os.fsdecode(self.names[index]))

    def read(self, index: int) -> bytes:
        """Return the file's bytes."""
        return read_part(Path(self.name(index)))


@dataclass(frozen=True, eq=False)
class ShardPictures:
    """Pictures that lie in tar files; each is read where it lies, so that any order costs the same.

    Attributes:
        shards: the tar files.
        names: (n,) bytes, member names.
        shard: (n,) index of the tar file.
        offset: (n,) first byte of the member's data.
        size: (n,) its bytes.
        targets: (n,) class indexes.
        classes: names by class index.
    """

    shards: tuple[Path, ...]
    names: NDArray[np.bytes_]
    shard: NDArray[np.int64]
    offset: NDArray[np.int64]
    size: NDArray[np.int64]
    targets: NDArray[np.int64]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.targets)

    def name(self, index: int) -> str:
        """Return tar file and member."""
        return f"{self.shards[self.shard[index]]}!{os.fsdecode(self.names[index])}"

    def read(self, index: int) -> bytes:
        """Return the member's bytes."""
        return read_part(self.shards[self.shard[index]], int(self.offset[index]), int(self.size[index]))


def columns(rows: Sequence[tuple[str, int]]) -> tuple[NDArray[np.bytes_], NDArray[np.int64]]:
    """Turn (name, class index) rows into two arrays."""
    names: NDArray[Any] = np.array([os.fsencode(name) for name, _ in rows], np.bytes_)
    return names, np.array([target for _, target in rows], np.int64)


def read_part(path: Path, offset: int = 0, size: int | None = None) -> bytes:
    """Read a file or a part of it.

    Raises:
        BadFile: missing, cut short, or larger than any picture.
    """
    try:
        length = path.stat().st_size - offset if size is None else size
        if length > LARGEST:
            raise BadFile(f"{path} has {length} bytes; at most {LARGEST} are read as a picture")
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(length)
    except OSError as error:
        raise BadFile(f"{path} cannot be read: {error.strerror}") from error
    if len(content) < length:
        raise BadFile(f"{path} ends at byte {offset + len(content)}; a picture up to {offset + length} is required")
    return content

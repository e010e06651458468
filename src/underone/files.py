"""Files that must not be lost or trusted blindly: atomic writes, sha256, the cache, pinned downloads."""

import hashlib
import logging
import mmap
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from . import settings
from .errors import BadFile, FetchFailed

log = logging.getLogger("underone")


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it there when the block ends well, remove it otherwise.

    The old file stays whole through a full disk, an exception or Ctrl-C. The temporary name keeps the suffix.

    Raises:
        BadFile: the folder does not exist or cannot be written, `path` is a folder itself, or the disk is full.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise BadFile(f"{path}: the folder {path.parent} does not exist; create it first")
    try:
        if path.is_dir():
            raise BadFile(f"{path} cannot be written: it is a folder; name a file")
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    except OSError as error:
        raise BadFile(f"{path} cannot be written: {error.strerror}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _flush(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise BadFile(f"{path} was not written, the old file is untouched: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give the path of a folder to be made beside `path`; move it there when the block ends well, else remove it.

    What stands at `path` is moved aside just before and removed afterwards. The temporary name keeps the suffix.

    Raises:
        BadFile: the folder above does not exist or cannot be written, or the disk is full.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise BadFile(f"{path}: the folder {path.parent} does not exist; create it first")
    try:
        around = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.stem}-"))
    except OSError as error:
        raise BadFile(f"{path} cannot be written: {error.strerror}") from error
    new, old = around / path.name, around / f"old-{path.name}"
    try:
        yield new
        if path.exists():
            path.replace(old)
        new.replace(path)
    except OSError as error:
        if old.exists() and not path.exists():
            old.replace(path)
        raise BadFile(f"{path} was not written, what was there is untouched: {error.strerror or error}") from error
    finally:
        shutil.rmtree(around, ignore_errors=True)


@contextmanager
def atomic_pair(path: Path, beside: Path) -> Iterator[tuple[Path, Path]]:
    """Give paths of the same names in a new folder; move both files to their places when the block ends well.

    Raises:
        BadFile: as `atomic_write`, or one of the two was not written.
    """
    with atomic_write(beside) as second, atomic_write(path) as first, tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / path.name, Path(folder) / beside.name
        yield new
        for made, temporary in zip(new, (first, second), strict=True):
            shutil.copyfile(made, temporary)


def make_folder(path: Path) -> Path:
    """Make a folder and its parents if need be; return it.

    Raises:
        BadFile: it cannot be made, for example because a file of that name stands there.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadFile(f"the folder {path} cannot be made: {error.strerror}") from error
    return path


@dataclass(frozen=True)
class MappedFile:
    """The bytes of a file without a copy: pages are read when they are looked at, and shared between processes.

    Attributes:
        path: where it is.
        content: its bytes.
        state: inode, size and time of the last write when it was mapped.
    """

    path: Path
    content: memoryview
    state: tuple[int, int, int]

    def check(self) -> None:
        """Look whether the bytes are still those that were mapped. A file that was replaced or removed does no harm.

        Raises:
            BadFile: somebody has written into the file.
        """
        try:
            now = _state(self.path.stat())
        except OSError:
            return
        if now[0] == self.state[0] and now != self.state:
            raise BadFile(f"{self.path} was written into while it was in use; load it again")

    @property
    def pages(self) -> memoryview | None:
        """Give the bytes whose pages may be given back one by one; None where that cannot be done."""
        return self.content if isinstance(self.content.obj, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") else None

    def release(self) -> None:
        """Give the pages that were looked at back; they are read again when they are needed."""
        if self.pages is not None:
            self.pages.obj.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def _state(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


def map_file(path: Path, largest: int) -> MappedFile:
    """Map a file into memory.

    Raises:
        BadFile: it cannot be read, or has more than `largest` bytes.
    """
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if found.st_size > largest:
                raise BadFile(f"{path} has {found.st_size:,} bytes; at most {largest:,} are read")
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if found.st_size else b""
    except (OSError, ValueError) as error:  # ValueError: no ordinary file
        raise BadFile(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return MappedFile(path, memoryview(content), _state(found))


def read_file(path: Path, largest: int, where: str | None = None) -> bytes:
    """Read a whole file.

    Args:
        path: of the file.
        largest: bytes that it may have.
        where: what messages call it; None: its path.

    Raises:
        BadFile: it cannot be read, or has more than `largest` bytes.
    """
    where = where or str(path)
    try:
        size = path.stat().st_size
        if size > largest:
            raise BadFile(f"{where} has {size:,} bytes; at most {largest:,} are read")
        return path.read_bytes()
    except OSError as error:
        raise BadFile(f"{where} cannot be read: {error.strerror or error}") from error


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Source(Protocol):
    """A place where a pinned file may be had."""

    @property
    def network(self) -> bool:
        """Whether getting it may touch the network."""

    def __str__(self) -> str: ...

    def get(self, into: Path) -> None:
        """Write the file to `into`; raise OSError or ValueError when that fails."""


@dataclass(frozen=True)
class PinnedFile:
    """A file that is fetched only if it is exactly this one.

    Attributes:
        name: file name in the cache.
        size_bytes: its size.
        sha256: its digest in hex, computed by us.
        sources: places, tried in this order after the cache.
    """

    name: str
    size_bytes: int
    sha256: str
    sources: tuple[Source, ...]


def fetch(pinned: PinnedFile, progress: Callable[[str], None] = log.info) -> Path:
    """Return the path of a pinned file: from the cache, or from its first source that works.

    Args:
        pinned: which file.
        progress: told in a sentence what is fetched from where, before it is fetched.

    Raises:
        FetchFailed: no source gave the file, or what came has another sha256; each source's reason is listed.
        BadFile: the cache folder cannot be made.
    """
    cached = settings.cache_dir() / pinned.sha256[:16] / pinned.name
    if cached.is_file() and sha256_of(cached) == pinned.sha256:
        return cached
    make_folder(cached.parent)
    reasons = []
    for source in pinned.sources:
        try:
            if source.network and settings.offline():
                raise OSError("UNDERONE_OFFLINE is set")
            if source.network:
                progress(f"fetching {pinned.name} ({pinned.size_bytes / 1e6:.1f} MB) from {source}")
            with atomic_write(cached) as temporary:
                _get(source, temporary)
                _check(pinned, temporary)
            return cached
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, subprocess.SubprocessError) as error:
            reasons.append(f"{source}: {error}")
    raise FetchFailed(f"{pinned.name} could not be fetched; tried " + "; ".join(reasons))


def _get(source: Source, into: Path) -> None:
    try:
        source.get(into)
    except OSError as error:
        raise ValueError(str(error)) from error  # the source's own reason; the file could have been written


def _check(pinned: PinnedFile, path: Path) -> None:
    size, digest = path.stat().st_size, sha256_of(path)
    if size != pinned.size_bytes or digest != pinned.sha256:
        raise ValueError(
            f"got {size} bytes with sha256 {digest[:12]}…; "
            f"{pinned.size_bytes} bytes with sha256 {pinned.sha256[:12]}… are required"
        )


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

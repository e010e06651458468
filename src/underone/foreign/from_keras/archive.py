"""The .keras archive: a zip whose few members are read to a limit."""

import struct
import zipfile
import zlib
from pathlib import Path

from ...errors import BadFile
from ..bounded import LARGEST_FILE

_END = b"PK\x05\x06"  # of the record behind a zip's directory
_LARGEST_DIRECTORY = 1 << 18  # bytes; Keras writes three members
_MOST_TIMES, _ALWAYS = 2, 16 << 20  # a member unpacks to at most twice the file and 16 MiB
_DAMAGE = (OSError, ValueError, RuntimeError, EOFError, struct.error, zlib.error, zipfile.BadZipFile, OverflowError)


def read_member(path: Path, member: str) -> bytes | None:
    """Unpack one member; None where the archive has none of that name.

    Raises:
        BadFile: the archive is damaged, or the member unpacks to far more than the file.
    """
    _check_directory(path)
    limit = _MOST_TIMES * path.stat().st_size + _ALWAYS
    try:
        with zipfile.ZipFile(path) as archive:
            if member not in archive.namelist():
                return None
            with archive.open(member) as file:
                data = file.read(limit + 1)
    except (*_DAMAGE, NotImplementedError) as error:
        raise BadFile(f"{path}: {member} cannot be unpacked: {error}") from error
    if len(data) > limit:
        raise BadFile(f"{path}: {member} unpacks to more than {limit} bytes; the file has {path.stat().st_size}")
    return data


def _check_directory(path: Path) -> None:
    """Refuse a directory that would fill the memory before its members are looked at."""
    with path.open("rb") as file:
        size = path.stat().st_size
        file.seek(max(size - 65557, 0))  # the record is followed by a comment of at most 65,535 bytes
        tail = file.read(65557)
    at = tail.rfind(_END)
    if size > LARGEST_FILE or at < 0 or len(tail) < at + 22:
        raise BadFile(f"{path}, byte {size}: the archive does not end with its directory")
    length = int.from_bytes(tail[at + 12 : at + 16], "little")
    if length > _LARGEST_DIRECTORY:
        raise BadFile(f"{path}, byte {size - len(tail) + at}: a directory of {length} bytes; "
                      f"at most {_LARGEST_DIRECTORY} are read")  # fmt: skip

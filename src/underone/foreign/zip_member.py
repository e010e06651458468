"""One member of a zip archive, read to a limit; Keras files are archives, TFLite files have one behind the network."""

import struct
import zipfile
import zlib
from typing import BinaryIO

from ..errors import BadFile
from .bounded import LARGEST_FILE

_END = b"PK\x05\x06"  # of the record behind a zip's directory
_END_SIZE, _LONGEST_COMMENT = 22, 65535  # bytes; the comment follows the record
_LARGEST_DIRECTORY = 1 << 18  # bytes; what we read has a handful of members
_DAMAGE = (
    OSError, ValueError, RuntimeError, NotImplementedError, EOFError, OverflowError, struct.error, zlib.error,
    zipfile.BadZipFile,
)  # fmt: skip


def read_member(file: BinaryIO, where: str, member: str, limit: int) -> bytes | None:
    """Unpack one member; None where the archive has none of that name.

    Args:
        file: the archive, or something that ends with one.
        where: its name, for messages.
        member: name inside.
        limit: the most bytes that it may unpack to.

    Raises:
        BadFile: there is no archive, it is damaged, or the member unpacks to more.
    """
    _check_directory(file, where)
    try:
        with zipfile.ZipFile(file) as archive:
            if member not in archive.namelist():
                return None
            with archive.open(member) as packed:
                data = packed.read(limit + 1)
    except _DAMAGE as error:
        raise BadFile(f"{where}: {member} cannot be unpacked: {error or type(error).__name__}") from error
    if len(data) > limit:
        raise BadFile(f"{where}: {member} unpacks to more than {limit} bytes")
    return data


def _check_directory(file: BinaryIO, where: str) -> None:
    """Refuse a directory that would fill the memory before its members are looked at."""
    size = file.seek(0, 2)
    file.seek(max(size - _END_SIZE - _LONGEST_COMMENT, 0))
    tail = file.read()
    at = tail.rfind(_END)
    if size > LARGEST_FILE or at < 0 or len(tail) < at + _END_SIZE:
        raise BadFile(f"{where}, byte {size}: the archive does not end with its directory")
    length = int.from_bytes(tail[at + 12 : at + 16], "little")
    if length > _LARGEST_DIRECTORY:
        raise BadFile(f"{where}, byte {size - len(tail) + at}: a directory of {length} bytes; "
                      f"at most {_LARGEST_DIRECTORY} are read")  # fmt: skip

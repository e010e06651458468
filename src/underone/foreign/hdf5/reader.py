"""The bytes of an HDF5 file: little-endian numbers, and a limit to what decoding it may make."""

from dataclasses import dataclass, field

from ...errors import Unsupported
from ..bounded import Reader

_MOST_TIMES, _ALWAYS = 3, 64 << 20  # decoded data: 3 times the file and 64 MiB; weights hardly shrink when deflated


@dataclass(frozen=True)
class Hdf5Reader(Reader):
    """A whole file whose addresses and sizes have 8 bytes."""

    spent: list[int] = field(default_factory=lambda: [0])

    def view(self, at: int, size: int) -> memoryview:
        """Give `size` bytes.

        Raises:
            BadFile: they are not all in the file.
        """
        return self.take(at, size, "a structure of HDF5")

    def unsigned(self, at: int, size: int) -> int:
        """Give a number of `size` bytes.

        Raises:
            BadFile: it is not in the file.
        """
        return int.from_bytes(self.view(at, size), "little")

    def has(self, at: int, signature: bytes) -> bool:
        """Say whether `signature` stands at `at`.

        Raises:
            BadFile: the place is not in the file.
        """
        return bytes(self.view(at, len(signature))) == signature

    def unsupported(self, at: int, what: str) -> Unsupported:
        """Give the error for something at `at` that is valid but not read."""
        return Unsupported(f"{self.where}, byte {at}: {what}")

    def spend(self, at: int, size: int) -> None:
        """Count `size` bytes that are about to be made from the file.

        Raises:
            BadFile: together with those before they are more than a file of this size may hold.
        """
        self.spent[0] += size
        limit = _MOST_TIMES * len(self.data) + _ALWAYS
        if self.spent[0] > limit:
            raise self.bad(at, f"the data unpacks to more than {limit} bytes; the file has {len(self.data)}")

"""A file as groups and datasets: what is asked for is read, nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ...errors import BadFile
from ...graph import Array
from ..bounded import Reader
from .attributes import Attribute, read_attributes
from .header import DATASPACE, DATATYPE, FILTERS, LAYOUT, Message, messages
from .links import read_links
from .reader import Hdf5Reader
from .storage import read_data
from .types import shape_at, type_at

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_DEEPEST = 64  # groups inside groups; layers nested in models need about 8
_MOST_OBJECTS = 1 << 17


@dataclass(frozen=True)
class _Object:
    reader: Hdf5Reader
    path: str
    at: int

    @cached_property
    def header(self) -> list[Message]:
        """The messages of the object's header."""
        return messages(self.reader, self.at)

    @cached_property
    def attributes(self) -> dict[str, Attribute]:
        """Attributes by name: texts as str, lists of texts flat, numbers as arrays."""
        return read_attributes(self.reader, self.header)

    def find(self, kind: int) -> Message | None:
        """Give the message of that kind, if there is one."""
        return next((m for m in self.header if m.kind == kind), None)


@dataclass(frozen=True)
class Dataset(_Object):
    """An array in the file."""

    def read(self) -> Array:
        """Give the array; a view of the file where it lies in one run.

        Raises:
            BadFile: it is damaged or not in the file.
            Unsupported: it is stored in a way that is not read, or is no array of numbers.
        """
        layout, space, kind = (self._required(k) for k in (LAYOUT, DATASPACE, DATATYPE))
        if kind.shared:
            raise self.reader.unsupported(kind.at, f"dataset {self.path!r} has a committed type")
        shape, stored = shape_at(self.reader, space.at), type_at(self.reader, kind.at)
        if stored.text:
            raise self.reader.unsupported(kind.at, f"dataset {self.path!r} holds texts; numbers are read")
        return read_data(self.reader, layout, self.find(FILTERS), stored.dtype, (0,) if shape is None else shape)

    def _required(self, kind: int) -> Message:
        found = self.find(kind)
        if found is None:
            raise self.reader.bad(self.at, f"dataset {self.path!r} has no message {kind}")
        return found


@dataclass(frozen=True)
class Group(_Object):
    """A folder in the file."""

    @cached_property
    def addresses(self) -> dict[str, int]:
        """Where the members' headers lie, by name."""
        return read_links(self.reader, self.at, self.header)

    @cached_property
    def _opened(self) -> "dict[str, Group | Dataset]":
        return {}

    def __contains__(self, path: str) -> bool:
        """Say whether there is something at `path`, names with slashes between them."""
        return self._member(path) is not None

    def group(self, path: str) -> "Group":
        """Give the group at `path`.

        Raises:
            BadFile: there is none.
        """
        found = self._member(path)
        if not isinstance(found, Group):
            raise BadFile(f"{self.reader.where}: {self.path}{path} is no group in the file")
        return found

    def dataset(self, path: str) -> Dataset:
        """Give the dataset at `path`.

        Raises:
            BadFile: there is none.
        """
        found = self._member(path)
        if not isinstance(found, Dataset):
            raise BadFile(f"{self.reader.where}: {self.path}{path} is no dataset in the file")
        return found

    def datasets(self) -> Iterator[Dataset]:
        """Give every dataset below, whatever its depth, each object once.

        Raises:
            BadFile: there are far too many objects or levels.
        """
        todo: list[tuple[Group, int]] = [(self, 0)]
        seen = {self.at}
        while todo:
            group, depth = todo.pop()
            if depth > _DEEPEST or len(seen) > _MOST_OBJECTS:
                raise self.reader.bad(group.at, f"more than {_DEEPEST} levels or {_MOST_OBJECTS} objects")
            below = []
            for name, at in group.addresses.items():
                if at in seen:
                    continue  # a second name of the same object
                seen.add(at)
                member = group.open(name)
                if isinstance(member, Group):
                    below.append((member, depth + 1))
                else:
                    yield member
            todo += reversed(below)

    def open(self, name: str) -> "Group | Dataset":
        """Give the member of that name: a dataset if it says how its data lies, else a group.

        Raises:
            BadFile: there is none, or it is damaged.
        """
        if name not in self.addresses:
            raise BadFile(f"{self.reader.where}: {self.path}{name} is not in the file")
        if name not in self._opened:
            member = Group(self.reader, f"{self.path}{name}/", self.addresses[name])
            is_group = member.find(LAYOUT) is None
            self._opened[name] = member if is_group else Dataset(self.reader, f"{self.path}{name}", member.at)
        return self._opened[name]

    def _member(self, path: str) -> "Group | Dataset | None":
        found: Group | Dataset = self
        for name in filter(None, path.split("/")):
            if not isinstance(found, Group) or name not in found.addresses:
                return None
            found = found.open(name)
        return found


def read_hdf5(file: Reader) -> Group:
    """Open a file and give its root group.

    Raises:
        BadFile: it is no HDF5 file.
        Unsupported: its form is none that h5py writes.
    """
    reader = Hdf5Reader(file.data, file.where, file.start)
    if bytes(reader.data[:8]) != SIGNATURE:
        raise reader.bad(0, "no HDF5 file: its signature is missing")
    version = reader.unsigned(8, 1)
    if version > 3:
        raise reader.unsupported(8, f"HDF5 superblock of version {version}; 0 to 3 are read")
    widths, base = ((13, 14), 24 + 4 * (version == 1)) if version < 2 else ((9, 10), 12)
    if any(reader.unsigned(at, 1) != 8 for at in widths) or reader.unsigned(base, 8) != 0:
        raise reader.unsupported(8, "HDF5 with addresses of other than 8 bytes, or behind other data")
    end, root = (reader.unsigned(base + at, 8) for at in ((16, 40) if version < 2 else (16, 24)))
    if end > len(reader.data):
        raise reader.bad(len(reader.data), f"the file ends here; its header says {end} bytes")
    return Group(reader, "/", root)

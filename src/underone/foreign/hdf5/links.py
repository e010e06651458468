"""Links: the members of a group, by name."""

from collections.abc import Iterator, Sequence

from .attributes import NOWHERE
from .btree import leaves, records
from .header import LINK, LINK_INFO, SYMBOL_TABLE, Message
from .heaps import FractalHeap, local_name, text
from .reader import Hdf5Reader

_MOST_MEMBERS = 1 << 17
_SOFT_ENTRY = 2  # cache type of an entry of an old group
_HARD = 0  # kind of a link
_KIND, _ORDERED, _CHARSET = 0x08, 0x04, 0x10  # flags


def read_links(reader: Hdf5Reader, at: int, header: Sequence[Message]) -> dict[str, int]:
    """Give where the header of each member lies, by name in order, of the group whose own header lies at `at`.

    Raises:
        BadFile: the group is damaged, has a name twice or far too many members.
        Unsupported: a soft or external link.
    """
    found: dict[str, int] = {}
    for name, address in _links(reader, header):
        if name in found or len(found) >= _MOST_MEMBERS:
            raise reader.bad(at, f"a group with the member {name!r} twice, or more than {_MOST_MEMBERS} members")
        found[name] = address
    return dict(sorted(found.items()))


def _links(reader: Hdf5Reader, header: Sequence[Message]) -> Iterator[tuple[str, int]]:
    for message in header:
        if message.kind == SYMBOL_TABLE:
            yield from _old_links(reader, *(reader.unsigned(message.at + o, 8) for o in (0, 8)))
        elif message.kind == LINK:
            yield _link(reader, message.at)
        elif message.kind == LINK_INFO:
            first = message.at + (10 if reader.unsigned(message.at + 1, 1) & 1 else 2)
            heap, index = reader.unsigned(first, 8), reader.unsigned(first + 8, 8)
            if heap != NOWHERE:
                objects = FractalHeap(reader, heap)
                yield from (_link(reader, objects.object(record + 4)[0]) for record in records(reader, index))


def _old_links(reader: Hdf5Reader, tree: int, heap: int) -> Iterator[tuple[str, int]]:
    for slot in leaves(reader, tree, kind=0, key_size=8):
        node = slot.child
        if not reader.has(node, b"SNOD"):
            raise reader.bad(node, "a node of a symbol table was expected here")
        for i in range(reader.unsigned(node + 6, 2)):
            entry = node + 8 + 40 * i
            if reader.unsigned(entry + 16, 4) == _SOFT_ENTRY:
                raise reader.unsupported(entry, "a soft link")
            yield local_name(reader, heap, reader.unsigned(entry, 8)), reader.unsigned(entry + 8, 8)


def _link(reader: Hdf5Reader, at: int) -> tuple[str, int]:
    version, flags = reader.unsigned(at, 1), reader.unsigned(at + 1, 1)
    if version != 1:
        raise reader.bad(at, f"a link was expected here, not version {version}")
    kind = reader.unsigned(at + 2, 1) if flags & _KIND else _HARD
    place = at + 2 + sum(size for flag, size in ((_KIND, 1), (_ORDERED, 8), (_CHARSET, 1)) if flags & flag)
    width = 1 << (flags & 3)
    length = reader.unsigned(place, width)
    name = text(reader, place + width, bytes(reader.view(place + width, min(length, 4097))))
    if length > 4096:
        raise reader.bad(at, f"a name of {length} bytes")
    if kind != _HARD:
        raise reader.unsupported(at, f"member {name!r} is a soft or external link")
    return name, reader.unsigned(place + width + length, 8)

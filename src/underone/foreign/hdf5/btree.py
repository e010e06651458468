"""B-trees and what they index: members of old groups, links and attributes of new ones, chunks of datasets.

Depths only fall and no node is read twice, so a circle ends with an error.
"""

from collections.abc import Iterator
from typing import NamedTuple

from .reader import Hdf5Reader

_MOST_NODES = 1 << 17
_KINDS = {0: "group", 1: "chunks"}
_DEEPEST = 16


class Slot(NamedTuple):
    """An entry of a leaf of an old B-tree: where its key lies in the file, and the address that it names."""

    key_at: int
    child: int


def leaves(reader: Hdf5Reader, root: int, kind: int, key_size: int) -> Iterator[Slot]:
    """Give the entries of all leaves of a B-tree of version 1.

    Args:
        reader: the file.
        root: address of the root node.
        kind: 0 for groups, 1 for chunks.
        key_size: bytes of a key.

    Raises:
        BadFile: no such tree lies there, or its nodes form a circle.
    """
    todo, seen = [(root, _DEEPEST)], {root}
    while todo:
        at, above = todo.pop()
        if not reader.has(at, b"TREE") or reader.unsigned(at + 4, 1) != kind:
            raise reader.bad(at, f"a B-tree node ({_KINDS[kind]}) was expected here")
        level, count = reader.unsigned(at + 5, 1), reader.unsigned(at + 6, 2)
        if level >= above:
            raise reader.bad(at, f"a B-tree node of level {level} below level {above}")
        slots = [at + 24 + i * (key_size + 8) for i in range(count)]
        entries = [Slot(slot, reader.unsigned(slot + key_size, 8)) for slot in slots]
        if level == 0:
            yield from entries
            continue
        for entry in reversed(entries):
            if entry.child in seen or len(seen) > _MOST_NODES:
                raise reader.bad(at, "the nodes of a B-tree form a circle")
            seen.add(entry.child)
            todo.append((entry.child, level))


class Level(NamedTuple):
    """Sizes of the pointers in a node of a new B-tree, by the level of the node that they point to."""

    most_records: int
    most_below: int  # records in the node and in all below it
    total_width: int  # bytes of the number of those


def records(reader: Hdf5Reader, header: int) -> Iterator[int]:
    """Give where each record of a B-tree of version 2 lies.

    Raises:
        BadFile: no such tree lies there, or its nodes form a circle.
    """
    if not reader.has(header, b"BTHD"):
        raise reader.bad(header, "a B-tree of version 2 was expected here")
    node_size, size, depth = (reader.unsigned(header + at, n) for at, n in ((6, 4), (10, 2), (12, 2)))
    root, count = reader.unsigned(header + 16, 8), reader.unsigned(header + 24, 2)
    if not size or depth >= _DEEPEST or node_size < 10 + size:
        raise reader.bad(header, f"a B-tree of depth {depth} with records of {size} bytes in nodes of {node_size}")
    levels = _levels(node_size, size, depth)
    todo, seen = ([(root, count, depth)] if count else []), {root}
    while todo:
        at, count, level = todo.pop()
        if not reader.has(at, b"BTIN" if level else b"BTLF") or 6 + count * size > node_size:
            raise reader.bad(at, f"a node of a B-tree with {count} records was expected here")
        yield from range(at + 6, at + 6 + count * size, size)
        for child, below in _children(reader, at + 6 + count * size, count + 1, levels, level):
            if child in seen or len(seen) > _MOST_NODES:
                raise reader.bad(at, "the nodes of a B-tree form a circle")
            seen.add(child)
            todo.append((child, below, level - 1))


def _children(reader: Hdf5Reader, at: int, count: int, levels: list[Level], level: int) -> Iterator[tuple[int, int]]:
    """Give address and number of records of each child of a node; a leaf has none."""
    if not level:
        return
    width = bytes_for(levels[0].most_records)
    step = 8 + width + levels[level - 1].total_width
    for i in range(count):
        yield reader.unsigned(at + i * step, 8), reader.unsigned(at + i * step + 8, width)


def _levels(node_size: int, record: int, depth: int) -> list[Level]:
    """Say how wide pointers are: as wide as the largest number that may stand there."""
    most = (node_size - 10) // record
    levels, width = [Level(most, most, 0)], bytes_for(most)
    for _ in range(depth):
        below = levels[-1]
        pointer = 8 + width + below.total_width
        most = max(node_size - 10 - pointer, 0) // (record + pointer)
        total = (most + 1) * below.most_below + most
        levels.append(Level(most, total, bytes_for(total)))
    return levels


def bytes_for(largest: int) -> int:
    """Say how many bytes hold the numbers from 0 to `largest`."""
    return max(-(-largest.bit_length() // 8), 1)

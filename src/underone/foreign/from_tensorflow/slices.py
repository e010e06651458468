"""Parts of a variable that was stored in pieces: which part of which axis, and how the pieces become one array.

Source: tensorflow/core/framework/tensor_slice.proto.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...graph import Array
from ..protobuf import Message

Extent = tuple[int, int]  # where a piece begins along an axis, and its length; (0, -1): all of it


def read_extents(message: Message) -> tuple[Extent, ...]:
    """Read a TensorSliceProto."""
    return tuple((e.integer(1), e.integer(2) if e.has(2) else -1) for e in message.messages(1))


def lengths(extents: Sequence[Extent], shape: Sequence[int], message: Message) -> tuple[int, ...]:
    """Give the shape of a piece.

    Raises:
        BadFile: it does not lie inside the variable.
    """
    if len(extents) != len(shape):
        raise message.bad(0, f"a piece of {len(extents)} axes of a variable of shape {tuple(shape)}")
    sizes = tuple(size if length == -1 else length for (_, length), size in zip(extents, shape, strict=True))
    for (begin, _), length, size in zip(extents, sizes, shape, strict=True):
        if begin < 0 or length < 0 or begin + length > size:
            raise message.bad(0, f"a piece {tuple(extents)} does not lie in a variable of shape {tuple(shape)}")
    return sizes


@dataclass(frozen=True)
class Piece:
    """Part of a variable."""

    extents: tuple[Extent, ...]
    values: Array


def joined(pieces: Sequence[Piece], shape: tuple[int, ...], message: Message) -> Array:
    """Give a variable from its pieces, which are not changed.

    Raises:
        BadFile: the pieces overlap, or leave a part out.
    """
    if len(pieces) == 1 and pieces[0].values.shape == shape:
        return pieces[0].values
    count = sum(p.values.size for p in pieces)
    if count != int(np.prod(shape, dtype=object)):  # before anything of that shape is made
        raise message.bad(0, f"the pieces of a variable of shape {shape} have {count} numbers together")
    whole = np.empty(shape, pieces[0].values.dtype)
    filled = np.zeros(shape, bool)
    for piece in pieces:
        place = tuple(slice(begin, None if length == -1 else begin + length) for begin, length in piece.extents)
        whole[place] = piece.values
        filled[place] = True
    if not filled.all():
        raise message.bad(0, f"the pieces of a variable of shape {shape} overlap and leave a part out")
    return whole

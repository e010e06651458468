"""Checkpoints of version 1: tables of SavedTensorSlices, each value a piece of a variable.

Source: tensorflow/core/util/saved_tensor_slice.proto, tensor_slice_writer.cc.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from ...graph import Array
from ..bounded import Reader
from ..protobuf import Message
from .slices import Piece, joined, lengths, read_extents
from .sorted_table import read_table
from .tensor_proto import DTYPES, fixed_shape, listed_numbers


class _Variable(NamedTuple):
    """What the table says about a variable; `message` is where."""

    shape: tuple[int, ...]
    dtype: int
    message: Message


def read_slices(tables: Sequence[Reader]) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Read all variables of the shards of a checkpoint.

    Returns:
        (arrays by name, sentences about what was left out)

    Raises:
        BadFile: a table is damaged, or the pieces do not make up the variables.
    """
    variables: dict[str, _Variable] = {}
    pieces: dict[str, list[Piece]] = {}
    notes: list[str] = []
    for table in tables:
        for name, value in read_table(table):
            message = Message(value.data, value.where, value.start)
            if name == b"":
                variables |= {m.text(1): _Variable(fixed_shape(m.message(2)), m.integer(3), m) for m in _metas(message)}
                continue
            saved = message.message(2)
            variable = variables.get(saved.text(1))
            if variable is None:
                raise saved.bad(0, f"a piece of {saved.text(1)!r}, which the table does not list")
            if variable.dtype in DTYPES:
                pieces.setdefault(saved.text(1), []).append(_piece(saved, variable))
    for text, variable in variables.items():
        if variable.dtype not in DTYPES:
            notes.append(f"variable {text!r} holds no numbers")
        elif text not in pieces:
            raise variable.message.bad(0, f"variable {text!r} is listed, but its numbers are not there")
    return {n: joined(p, variables[n].shape, variables[n].message) for n, p in pieces.items()}, tuple(notes)


def _metas(message: Message) -> Sequence[Message]:
    return list(message.message(1).messages(1))


def _piece(saved: Message, variable: _Variable) -> Piece:
    extents = read_extents(saved.message(2)) or ((0, -1),) * len(variable.shape)
    shape = lengths(extents, variable.shape, saved)
    values = listed_numbers(saved.message(3), variable.dtype)
    if values.size != math.prod(shape):
        raise saved.bad(0, f"a piece of shape {shape} of {saved.text(1)!r} holds {values.size} numbers")
    return Piece(extents, values.reshape(shape))

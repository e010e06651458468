"""The contents of a TFLite file: its tensors, operators and metadata, as written."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import Unsupported
from ...graph import Array
from ..bounded import Budget, Reader, checked_elements
from ..flatbuffer import Table, root_table
from .schema import CUSTOM, DTYPE_WORDS, DTYPES, OPERATORS
from .sparse import densified

_MOST_TENSORS = 1 << 16
_MAGIC = b"TFL3"


@dataclass(frozen=True)
class Quantisation:
    """real = (stored - zero) * scale; one pair for the tensor, or one for each index of `axis`."""

    scale: Array
    zero: Array
    axis: int = 0


@dataclass(frozen=True)
class Tensor:
    """One tensor.

    Attributes:
        name: the source's, or "tensor" and its number.
        shape: sizes; -1 where the file says that any is taken.
        dtype: numpy's notation; "" where it is none that is read.
        quantisation: None for real numbers.
        value: the stored array of a constant, a view of the file; None for any other.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    quantisation: Quantisation | None
    value: Array | None

    @property
    def scaled(self) -> Quantisation | None:
        """How whole numbers stand for real values; None where the tensor holds real values itself."""
        return self.quantisation if self.dtype and np.dtype(self.dtype).kind in "iu" else None


@dataclass(frozen=True)
class Operator:
    """One operator: its name in the schema, tensors by number (-1: left out), options by slot.

    Custom ones have a name of their own, and settings in bytes of their own.
    """

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None
    custom: str = ""
    settings: Reader | None = None

    def option(self, slot: int, form: str, default: Any = 0) -> Any:
        """Give a number of the options."""
        return default if self.options is None else self.options.number(slot, form, default)

    def option_numbers(self, slot: int, dtype: str) -> list[int]:
        """Give a list of numbers of the options."""
        return [] if self.options is None else [int(v) for v in self.options.numbers(slot, dtype)]


@dataclass(frozen=True)
class TFLiteFile:
    """The first network of a file.

    Attributes:
        where: the file's name.
        tensors: by number.
        operators: in execution order.
        inputs: tensors by number.
        outputs: tensors by number.
        metadata: buffers by name.
        networks: how many the file holds.
    """

    where: str
    tensors: Sequence[Tensor]
    operators: Sequence[Operator]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    metadata: Mapping[str, Reader]
    networks: int


def parse(reader: Reader) -> TFLiteFile:
    """Read the structure of a file; nothing is computed and no weight is copied, but for sparse ones.

    Raises:
        BadFile: it is no TFLite file, or an offset, a number or a size in it is impossible.
        Unsupported: the file keeps its weights elsewhere.
    """
    if bytes(reader.take(4, 4, "the header")) != _MAGIC:
        raise reader.bad(4, f"{bytes(reader.data[4:8])!r} is not the mark of a TFLite file, {_MAGIC!r}")
    model = root_table(reader)
    version = model.number(0, "<I")
    if version != 3:
        raise reader.bad(model.at, f"schema version {version}; 3 is read")
    networks = model.tables(2)
    if not networks:
        raise reader.bad(model.at, "the file holds no network")
    buffers = [_Buffer(reader, t) for t in model.tables(4)]
    metadata = {t.text(0): _numbered(reader, buffers, t.number(1, "<I"), t.at).reader() for t in model.tables(6)}
    first = networks[0]
    tensors = _tensors(reader, first, buffers)
    codes = [_code(table) for table in model.tables(1)]
    operators = [_operator(reader, table, codes, len(tensors)) for table in first.tables(3)]
    inputs, outputs = (_numbers(reader, first, slot, len(tensors)) for slot in (1, 2))
    return TFLiteFile(reader.where, tensors, operators, inputs, outputs, metadata, len(networks))


class _Buffer:
    """The bytes of one constant, opened when they are asked for."""

    def __init__(self, reader: Reader, table: Table) -> None:
        self.whole, self.table = reader, table

    def reader(self) -> Reader:
        offset, size = self.table.number(1, "<Q"), self.table.number(2, "<Q")
        if offset > 1:  # behind the flatbuffer, in files above 2 GiB
            return self.whole.part(offset, size, "a buffer")
        data = self.table.numbers(0, "|u1")
        at = self.table.where(0)
        start = at + self.whole.number(at, "<I", "an offset") + 4 if at else self.table.at
        return Reader(data.data, self.whole.where, self.whole.start + start)


def _numbered(reader: Reader, buffers: Sequence[_Buffer], number: int, at: int) -> _Buffer:
    if number >= len(buffers):
        raise reader.bad(at, f"buffer {number} of {len(buffers)}")
    return buffers[number]


def _tensors(reader: Reader, network: Table, buffers: Sequence[_Buffer]) -> list[Tensor]:
    tables = network.tables(0)
    if len(tables) > _MOST_TENSORS:
        raise reader.bad(network.at, f"{len(tables)} tensors; at most {_MOST_TENSORS} are read")
    names: set[str] = set()
    budget = Budget(reader)
    return [_tensor(table, i, buffers, names, budget) for i, table in enumerate(tables)]


def _tensor(table: Table, number: int, buffers: Sequence[_Buffer], names: set[str], budget: Budget) -> Tensor:
    name = table.text(3) or f"tensor{number}"
    name = name if name not in names else f"{name};{number}"
    names.add(name)
    signature = tuple(int(d) for d in table.numbers(7, "<i4"))
    shape = tuple(int(d) for d in table.numbers(0, "<i4"))
    checked_elements(table.reader, table.at, shape, f"tensor {name!r}")
    open_sizes = len(signature) == len(shape) and all(s in (-1, d) for s, d in zip(signature, shape, strict=True))
    dtype = DTYPES.get(table.number(1, "<b"), "")
    value = _value(table, name, shape, dtype, buffers, budget)
    free = signature if open_sizes and value is None else shape
    return Tensor(name, free, dtype, _quantisation(table, name, shape), value)


def _value(
    table: Table, name: str, shape: tuple[int, ...], dtype: str, buffers: Sequence[_Buffer], budget: Budget
) -> Array | None:
    """Give the array of a constant; one without bytes is computed by an operator."""
    reader, number = table.reader, table.number(2, "<I")
    if table.number(10, "<I"):
        raise Unsupported(f"{reader.where}: tensor {name!r} is kept in another file; join the files first")
    if number == 0:
        return None
    data = _numbered(reader, buffers, number, table.at).reader()
    if not len(data):
        return None
    if not dtype:
        word = DTYPE_WORDS.get(table.number(1, "<b"), str(table.number(1, "<b")))
        if word == "STRING":
            return None
        raise Unsupported(f"{reader.where}: constant {name!r} is {word}, which is not read")
    sparsity = table.table(6)
    if sparsity is not None:
        budget.spend(math.prod(shape) * np.dtype(dtype).itemsize, f"sparse constant {name!r}")
        return densified(data, sparsity, shape, dtype, name)
    return data.array(0, dtype, shape, f"constant {name!r}")


def _quantisation(table: Table, name: str, shape: tuple[int, ...]) -> Quantisation | None:
    written = table.table(4)
    if written is None or not len(scale := written.numbers(2, "<f4")):
        return None
    zero, axis = written.numbers(3, "<i8"), written.number(6, "<i")
    zero = zero if len(zero) else np.zeros(len(scale), np.int64)
    fits = len(scale) == len(zero) and np.isfinite(scale).all() and (scale > 0).all()
    channels = shape[axis] if 0 <= axis < len(shape) else 0
    if not fits or len(scale) not in (1, channels) or np.abs(zero).max() > 1 << 20:
        raise table.reader.bad(
            written.at,
            f"tensor {name!r} has {len(scale)} scales and {len(zero)} zero points for axis {axis} of {shape}; "
            "one for the tensor or one for each index are valid, scales above 0",
        )
    return Quantisation(scale, zero, axis)


def _code(table: Table) -> tuple[str, str]:
    """Give (name of the operator, name of a custom one)."""
    number = max(table.number(0, "<b"), table.number(3, "<i"))
    if number == CUSTOM:
        return "CUSTOM", table.text(1)
    return (OPERATORS[number] if 0 <= number < len(OPERATORS) else f"operator {number}"), ""


def _operator(reader: Reader, table: Table, codes: Sequence[tuple[str, str]], tensors: int) -> Operator:
    number = table.number(0, "<I")
    if number >= len(codes):
        raise reader.bad(table.at, f"operator code {number} of {len(codes)}")
    inputs, outputs = (_numbers(reader, table, slot, tensors) for slot in (1, 2))
    return Operator(codes[number][0], inputs, outputs, table.table(4), codes[number][1], _settings(reader, table))


def _settings(reader: Reader, table: Table) -> Reader | None:
    """Give the settings of a custom operator; None where there are none."""
    data, at = table.numbers(5, "|u1"), table.where(5)
    if not len(data):
        return None
    return Reader(data.data, reader.where, reader.start + at + reader.number(at, "<I", "an offset") + 4)


def _numbers(reader: Reader, table: Table, slot: int, tensors: int) -> tuple[int, ...]:
    found = tuple(int(n) for n in table.numbers(slot, "<i4"))
    wrong = [n for n in found if not -1 <= n < tensors]
    if wrong:
        raise reader.bad(table.at, f"tensor {wrong[0]} of {tensors}")
    return found

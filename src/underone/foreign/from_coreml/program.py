"""The operations of an ML Program, as written.

Source: MIL.proto of coremltools 9.0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...errors import BadFile, Unsupported
from ..bounded import Budget
from ..protobuf import Message
from .package import Package
from .values import Type, Value, read_type, read_value

_MOST_OPERATIONS = 1 << 16


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        kind: for example ``conv``.
        inputs: by parameter; each is a list of names of variables, or of values.
        outputs: names and types.
        attributes: values; of a constant ``val``, of an old constexpr its parameters.
    """

    kind: str
    inputs: Mapping[str, Sequence[str | Value]]
    outputs: Sequence[tuple[str, Type]]
    attributes: Mapping[str, Value]

    @property
    def name(self) -> str:
        """The first output's name, else the kind."""
        return self.outputs[0][0] if self.outputs else self.kind


@dataclass(frozen=True)
class Program:
    """The main function.

    Attributes:
        opset: the target that it is written for, for example ``CoreML5`` (iOS 15).
        inputs: names and types.
        outputs: names.
        operations: in execution order.
    """

    opset: str
    inputs: Sequence[tuple[str, Type]]
    outputs: Sequence[str]
    operations: Sequence[Operation]


def read_program(message: Message, package: Package, budget: Budget) -> Program:
    """Read the main function of a program.

    Raises:
        BadFile: there is none, or it is damaged.
        Unsupported: it branches or loops.
    """
    functions = {entry.text(1): entry.message(2) for entry in message.messages(2)}
    if not functions:
        raise BadFile(f"{package.where}: the program has no function")
    function = functions.get("main") or next(iter(functions.values()))
    opset = function.text(2)
    blocks = {entry.text(1): entry.message(2) for entry in function.messages(3)}
    if not blocks:
        raise BadFile(f"{package.where}: the program's function has no block")
    block = blocks.get(opset) or next(iter(blocks.values()))
    operations = list[Operation]()
    for entry in block.messages(3):
        if len(operations) >= _MOST_OPERATIONS:
            raise BadFile(f"{package.where}: more than {_MOST_OPERATIONS} operations")
        operations.append(_operation(entry, package, budget))
    return Program(opset, _named(function, 1), block.texts(2), operations)


def _operation(message: Message, package: Package, budget: Budget) -> Operation:
    kind = message.text(1)
    if message.has(4):
        raise Unsupported(f"{package.where}: operation {kind!r} holds other operations; branches are not read")
    inputs: dict[str, Sequence[str | Value]] = {}
    for entry in message.messages(2):
        bindings = entry.message(2).messages(1)
        inputs[entry.text(1)] = [b.text(1) if b.has(1) else read_value(b.message(2), package, budget) for b in bindings]
    attributes = {e.text(1): read_value(e.message(2), package, budget) for e in message.messages(5)}
    return Operation(kind, inputs, _named(message, 3), attributes)


def _named(message: Message, number: int) -> list[tuple[str, Type]]:
    return [(value.text(1), read_type(value.message(2))) for value in message.messages(number)]

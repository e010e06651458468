"""One operator of a TFLite network while it is translated, and the row of the table that translates it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import BadFile, Unsupported
from ...graph import Array
from ..builder import Builder
from .model_file import Operator, Tensor
from .real_values import real_values
from .translation import Translation

Made = str | list[str]  # the names of an operator's results


@dataclass(frozen=True)
class Call:
    """One operator while it is translated: its operands by position."""

    translation: Translation
    operator: Operator

    @property
    def builder(self) -> Builder:
        """What takes the nodes."""
        return self.translation.builder

    @property
    def result(self) -> Tensor:
        """The tensor that the operator gives, the first of several."""
        return self.translation.file.tensors[self.operator.outputs[0]]

    @property
    def name(self) -> str:
        """A name for what is made on the way to the result."""
        return self.result.name

    def has(self, position: int) -> bool:
        """Whether an operand is given."""
        return position < len(self.operator.inputs) and self.operator.inputs[position] >= 0

    def number(self, position: int) -> int:
        """Give the number of an operand's tensor."""
        if not self.has(position):
            raise BadFile(f"{self.builder.where}: {self.operator.op} {self.name!r} lacks operand {position}")
        return self.operator.inputs[position]

    def x(self, position: int = 0) -> str:
        """Give an operand in real values."""
        return self.translation.real(self.number(position))

    def xs(self) -> list[str]:
        """Give all operands in real values."""
        return [self.x(i) for i in range(len(self.operator.inputs))]

    def weight(self, position: int, perm: Sequence[int]) -> str:
        """Give an operand of weights, its axes reordered."""
        return self.translation.weight(self.number(position), perm)

    def optional(self, position: int) -> str | None:
        """Give an operand in real values, or None where it is left out."""
        return self.x(position) if self.has(position) else None

    def fixed(self, position: int) -> list[int]:
        """Give the whole numbers of an operand that must be constant."""
        found = self.builder.fixed_value(self.x(position), f"operand {position} of {self.operator.op} {self.name!r}")
        if found.dtype.kind not in "iu" or found.size > 64:
            raise BadFile(
                f"{self.builder.where}: operand {position} of {self.operator.op} {self.name!r} is {found.dtype}"
            )
        return [int(v) for v in found.ravel()]

    def real(self, position: int) -> Array:
        """Give the real values of an operand that must be constant."""
        tensor = self.translation.file.tensors[self.number(position)]
        if tensor.value is not None and tensor.scaled is not None:
            self.translation.budget.spend(4 * tensor.value.size, f"constant {tensor.name!r}")
            return real_values(tensor.value, tensor.scaled)
        return self.builder.fixed_value(self.x(position), f"operand {position} of {self.operator.op} {self.name!r}")

    def option(self, slot: int, form: str = "<i", default: Any = 0) -> Any:
        """Give a number of the operator's options."""
        return self.operator.option(slot, form, default)

    def unsupported(self, what: str) -> Unsupported:
        """Give (not raise) the error that says which form of the operator is not implemented."""
        return Unsupported(f"{self.builder.where}: {self.operator.op} {self.name!r}: {what} is not implemented")


@dataclass(frozen=True)
class Row:
    """How one operator is translated.

    Attributes:
        make: gives the result before its fused activation, or a list of results.
        activation: slot of the fused activation in the options; None: there is none.
        moves: the values are only moved, so that they need no rounding where the quantisation stays the same.
        free: the values cannot leave the quantised range, but by rounding.
    """

    make: Callable[[Call], Made]
    activation: int | None = None
    moves: bool = False
    free: bool = False

"""One operation of a program while it is translated: its parameters by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import BadFile, Unsupported
from ...graph import Array
from ..builder import Builder
from .program import Operation
from .values import Value

_MOST_SETTINGS = 64  # numbers of a parameter that is no tensor


@dataclass(frozen=True)
class Call:
    """One operation while it is translated.

    Attributes:
        builder: takes the nodes.
        operation: what is translated.
        names: tensors of the builder by the program's names.
        values: constants by the program's names.
    """

    builder: Builder
    operation: Operation
    names: dict[str, str]
    values: Mapping[str, Value]

    @property
    def name(self) -> str:
        """A name for what is made."""
        return self.operation.name

    def has(self, parameter: str) -> bool:
        """Whether a parameter is given."""
        return bool(self.operation.inputs.get(parameter))

    def x(self, parameter: str = "x") -> str:
        """Give a tensor."""
        return self.xs(parameter)[0]

    def xs(self, parameter: str) -> list[str]:
        """Give the tensors of a parameter that takes several."""
        given = self.operation.inputs.get(parameter)
        if not given:
            raise BadFile(f"{self.builder.where}: {self.operation.kind} {self.name!r} lacks {parameter!r}")
        return [self._tensor(operand, f"{self.name}/{parameter}") for operand in given]

    def optional(self, parameter: str) -> list[str]:
        """Give a tensor, or nothing where it is left out."""
        return [self.x(parameter)] if self.has(parameter) else []

    def array(self, parameter: str) -> Array:
        """Give the value of a constant of any size."""
        found = self._value(parameter)
        if not isinstance(found, np.ndarray):
            raise BadFile(f"{self.builder.where}: {self.operation.kind} {self.name!r}: {parameter} is {found!r}")
        return found

    def numbers(self, parameter: str, default: Any = ()) -> list[Any]:
        """Give the few numbers of a setting."""
        if not self.has(parameter):
            return list(default)
        found = self.array(parameter)
        if found.size > _MOST_SETTINGS:
            raise BadFile(f"{self.builder.where}: {self.operation.kind} {self.name!r}: {parameter} of {found.size}")
        return list(found.ravel().tolist())

    def number(self, parameter: str, default: Any) -> Any:
        """Give the one number of a setting."""
        found = self.numbers(parameter, (default,))
        if len(found) != 1:
            raise BadFile(f"{self.builder.where}: {self.operation.kind} {self.name!r}: {parameter} is {found}")
        return found[0]

    def text(self, parameter: str, default: str = "") -> str:
        """Give the text of a setting."""
        found = self._value(parameter) if self.has(parameter) else (default,)
        if isinstance(found, np.ndarray) or len(found) != 1:
            raise BadFile(f"{self.builder.where}: {self.operation.kind} {self.name!r}: {parameter} is no text")
        return found[0]

    def add(self, op: str, inputs: list[str], part: str = "", **attrs: Any) -> str:
        """Add a node; `part` names one on the way to the result."""
        return self.builder.add(op, inputs, f"{self.name}/{part}" if part else self.name, **attrs)

    def constant(self, value: Any, like: str) -> str:
        """Add a number in the dtype of another tensor."""
        return self.builder.constant(f"{self.name}/number", np.asarray(value, self.builder.dtype(like)))

    def unsupported(self, what: str) -> Unsupported:
        """Give (not raise) the error that says which form of the operation is not read."""
        return Unsupported(f"{self.builder.where}: {self.operation.kind} {self.name!r}: {what} is not read")

    def _value(self, parameter: str) -> Value:
        given = self.operation.inputs.get(parameter)
        if not given:
            raise BadFile(f"{self.builder.where}: {self.operation.kind} {self.name!r} lacks {parameter!r}")
        found = given[0]
        if not isinstance(found, str):
            return found
        if found in self.values:
            return self.values[found]
        return self.builder.fixed_value(self._tensor(found, found), f"{parameter} of {self.name!r}")

    def _tensor(self, operand: str | Value, name: str) -> str:
        """Give a tensor of the builder; constants are added when they are first read."""
        known = operand if isinstance(operand, str) else ""
        if known in self.names:
            return self.names[known]
        value = self.values.get(known) if known else operand
        if not isinstance(value, np.ndarray):
            raise BadFile(f"{self.builder.where}: {self.operation.kind} {self.name!r} reads {known or 'a text'!r}, "
                          "which nothing gives")  # fmt: skip
        native = np.asarray(value, value.dtype.newbyteorder("="))
        made = self.builder.constant(known or name, native)
        if known:
            self.names[known] = made
        return made

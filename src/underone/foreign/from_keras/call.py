"""One call of a layer: what a rule of the table of layers is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import BadFile, Unsupported
from ...graph import Array
from ..builder import Builder
from .settings import Settings


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes:
        builder: takes the nodes.
        name: of the layer, with the names of the models around it.
        settings: its configuration.
        weights: its arrays by kind.
        inputs: tensors and numbers that it is given, in order.
        keras: major version of Keras that wrote the file; 2 and 3 differ in a few rules.
    """

    builder: Builder
    name: str
    settings: Settings
    weights: Mapping[str, Array]
    inputs: Sequence[str | float]
    keras: int

    @property
    def x(self) -> str:
        """The first tensor, the only one of most layers.

        Raises:
            BadFile: the layer is given none.
        """
        return self.tensors(1)[0]

    def tensors(self, least: int) -> list[str]:
        """Give the tensors, without the numbers.

        Raises:
            BadFile: there are fewer than `least`.
        """
        found = [i for i in self.inputs if isinstance(i, str)]
        if len(found) < least:
            raise self.bad(f"is given {len(found)} tensors; at least {least} are required")
        return found

    def operands(self) -> list[str]:
        """Give tensors and numbers, the numbers as constants of the first tensor's dtype."""
        dtype = self.builder.dtype(self.x)
        return [
            i if isinstance(i, str) else self.builder.constant(f"{self.name}/number", np.asarray(i, dtype))
            for i in self.inputs
        ]

    def weight(self, kind: str, shape: Sequence[int | None]) -> Array:
        """Give an array as float32.

        Raises:
            BadFile: it is not there, no float, or of another shape; None in `shape` is any size.
        """
        found = self.weights.get(kind)
        if found is None:
            raise self.bad(f"has no weight {kind!r}; it has {', '.join(self.weights) or 'none'}")
        fits = found.ndim == len(shape) and all(w in (None, d) for w, d in zip(shape, found.shape, strict=True))
        if not fits or found.dtype.kind != "f":
            wanted = tuple("any" if d is None else d for d in shape)
            raise self.bad(
                f"has the weight {kind!r} of {found.dtype} {found.shape}; floats of shape {wanted} are required"
            )
        return np.asarray(found, np.float32)

    def constant(self, kind: str, value: Array) -> str:
        """Add a constant named after this layer; its bytes lie in one run."""
        return self.builder.constant(f"{self.name}/{kind}", np.ascontiguousarray(value))

    def add(self, op: str, inputs: Sequence[str], part: str = "", **attrs: object) -> str:
        """Add a node; its output has the layer's name, with `part` behind it when more follow."""
        part = part.strip("/")
        return self.builder.add(op, inputs, f"{self.name}/{part}" if part else self.name, **attrs)

    def bad(self, what: str) -> BadFile:
        """Give the error for this layer."""
        return BadFile(f"{self.settings.owner} {what}")

    def unsupported(self, what: str) -> Unsupported:
        """Give the error for something that is valid but not read."""
        return Unsupported(f"{self.settings.owner} {what}")

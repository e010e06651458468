"""One layer with the tensors that it reads: what a rule of the table of layers is given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ...errors import BadFile, Unsupported
from ...graph import Array
from ...spec import AnchorGrid
from ..builder import Builder
from .fields import Fields

Pair = tuple[int, int]


class Prior(NamedTuple):
    """The prior boxes of one map.

    Attributes:
        grid: where they lie.
        clip: whether they are cut at the border of the picture.
        variances: factors of the codes, in the order x, y, w, h.
    """

    grid: AnchorGrid
    clip: bool
    variances: tuple[float, ...]


@dataclass(frozen=True)
class Call:
    """One layer.

    Attributes:
        builder: takes the nodes; tensors are (N, C, H, W) as in Caffe.
        name: of the layer.
        kind: its class.
        param: the settings of its class.
        arrays: its own, in Caffe's order.
        inputs: tensors that it reads.
        tops: how many tensors it writes.
        arrays_after: arrays of the Scale behind a BatchNorm, which is computed with it.
        priors: takes what a PriorBox says, by the tensor that it writes.
    """

    builder: Builder
    name: str
    kind: str
    param: Fields
    arrays: Sequence[Array]
    inputs: Sequence[str]
    tops: int
    arrays_after: Sequence[Array] = ()
    priors: dict[str, Prior] = field(default_factory=dict)

    @property
    def x(self) -> str:
        """The first tensor.

        Raises:
            BadFile: the layer reads none.
        """
        if not self.inputs:
            raise self.bad("reads nothing; at least one blob is required")
        return self.inputs[0]

    def array(self, index: int, size: int | None = None) -> Array:
        """Give one of the layer's arrays.

        Raises:
            BadFile: it is not there, or has another number of elements than `size`.
        """
        if index >= len(self.arrays):
            raise self.bad(f"has {len(self.arrays)} arrays; number {index} is required")
        found = self.arrays[index]
        if size is not None and found.size != size:
            raise self.bad(f"has an array of shape {found.shape}; {size} numbers are required")
        return found

    def bias(self, index: int, size: int, default: bool = True) -> list[str]:
        """Add the bias as a constant; nothing when the settings say that there is none."""
        if not self.param.flag("bias_term", default):
            return []
        return [self.constant("bias", self.array(index, size).reshape(size))]

    def axis(self, default: int = 1, name: str = "axis") -> int:
        """Give an axis of the first tensor, counted from the front."""
        rank, axis = self.builder.rank(self.x), self.param.integer(name, default)
        if not -rank <= axis < rank:
            raise self.bad(f"works along axis {axis} of a blob with {rank} axes")
        return axis % rank

    def pair(self, name: str, short: str, default: int) -> Pair:
        """Give (height, width) from `short`_h and `short`_w, or from `name` once or twice."""
        if f"{short}_h" in self.param or f"{short}_w" in self.param:
            return self.param.integer(f"{short}_h", default), self.param.integer(f"{short}_w", default)
        values = self.param.integers(name) or [default]
        if len(values) > 2:
            raise self.bad(f"has {name} {values[:4]}; one or two numbers are required")
        return values[0], values[-1]

    def constant(self, part: str, value: Array) -> str:
        """Add a constant named after this layer."""
        return self.builder.constant(f"{self.name}/{part}", np.ascontiguousarray(value))

    def number(self, part: str, value: float) -> str:
        """Add a number as a constant."""
        return self.constant(part, np.asarray(value, np.float32))

    def add(self, op: str, inputs: Sequence[str], part: str = "", **attrs: object) -> str:
        """Add a node; its output has the layer's name, with `part` behind it when more follow."""
        return self.builder.add(op, inputs, f"{self.name}/{part}" if part else self.name, **attrs)

    def bad(self, what: str) -> BadFile:
        """Give the error for this layer."""
        return BadFile(f"{self.builder.where}: layer {self.name!r} ({self.kind}) {what}")

    def unsupported(self, what: str) -> Unsupported:
        """Give the error for something that is valid but not read."""
        return Unsupported(f"{self.builder.where}: layer {self.name!r} ({self.kind}) {what}")

"""Program: what a plan is made of. Tensors are known by their number."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..graph import Array, TensorType

PLAIN = -1  # `pad` of a tensor that is no map


@dataclass(frozen=True)
class Step:
    """One step: an operator of the graph on plain tensors, or one of the engine's own (``cells.…``) on maps.

    Attributes:
        op: its name.
        label: what it is called in an error or a profile.
        attrs: numbers, words and lists of numbers.
        inputs: numbers of tensors; -1: left out.
        outputs: numbers of tensors.
        nodes: names of the graph's nodes that it computes.
        macs: multiply-accumulates of these nodes.
        bytes_moved: weights, maps and tensors that it reads and writes, as the graph has them: float32, or bytes.
    """

    op: str
    label: str
    attrs: Mapping[str, Any]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    nodes: tuple[str, ...] = ()
    macs: int = 0
    bytes_moved: int = 0


@dataclass
class Program:
    """Steps in execution order and the tensors they work on.

    Attributes:
        types: shape and dtype of every tensor.
        pads: border of every map, or PLAIN.
        constants: arrays by number.
        steps: in execution order.
        inputs: numbers of the graph's inputs.
        outputs: numbers of the graph's outputs.
    """

    types: list[TensorType] = field(default_factory=list)
    pads: list[int] = field(default_factory=list)
    constants: dict[int, Array] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def tensor(self, kind: TensorType, pad: int = PLAIN) -> int:
        """Add a tensor and give its number."""
        self.types.append(kind)
        self.pads.append(pad)
        return len(self.types) - 1

    def constant(self, array: Array) -> int:
        """Add a constant and give its number."""
        number = self.tensor(TensorType(tuple(array.shape), array.dtype.name))
        self.constants[number] = array
        return number

    def arguments(self) -> tuple[Any, ...]:
        """Give what `_native.Plan` takes."""
        tensors = [(t.dtype, list(t.shape), pad) for t, pad in zip(self.types, self.pads, strict=True)]
        steps = [(s.op, s.label, dict(s.attrs), list(s.inputs), list(s.outputs)) for s in self.steps]
        return tensors, self.constants, steps, self.inputs, self.outputs

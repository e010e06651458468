"""Graph: a network as nodes in execution order. The waist between torch, ONNX files, engines and exporters.

Operators carry ONNX's names. Tensors flow through `inputs` and `outputs`; everything that is fixed when the network is
written (strides, target shapes, clip bounds, axes) is an attribute, also where ONNX passes it as an operand. So one
operator has one form, whatever opset the file had.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from ..spec import ModelSpec, Shape

Array = NDArray[Any]


@dataclass(frozen=True)
class Node:
    """One operation; an absent optional operand is the empty name."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True)
class Value:
    """A tensor at the border of the graph; None in `shape` is any size (only the batch, in files of ours)."""

    name: str
    shape: Shape
    dtype: str = "float32"


@dataclass(frozen=True)
class Graph:
    """A network.

    Attributes:
        nodes: in execution order; every name is written once.
        inputs: what `run` takes.
        outputs: what `run` gives.
        constants: weights by name.
        spec: what the network is.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    constants: Mapping[str, Array]
    spec: ModelSpec = field(default_factory=ModelSpec)

    @property
    def params(self) -> int:
        """Number of elements of all floating-point constants."""
        return sum(int(c.size) for c in self.constants.values() if c.dtype.kind == "f")

    def names(self) -> set[str]:
        """Give the names of all tensors: of inputs, constants and what nodes make. A new one needs another."""
        return {*self.constants, *(v.name for v in self.inputs), *(o for node in self.nodes for o in node.outputs)}


def unused_name(wanted: str, taken: Container[str]) -> str:
    """Give `wanted`, or with a number behind it when that name is taken."""
    name, number = wanted, 1
    while name in taken:
        name, number = f"{wanted}.{number}", number + 1
    return name

"""One node that is about to be written, with what a model knows of its tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from ..errors import Unsupported
from ..graph import Node
from ..graph.shape_rules import Dims
from ..graph.shapes import TensorType


class Typed(Protocol):
    """A model in the making that knows the types of the graph's tensors."""

    @property
    def types(self) -> Mapping[str, TensorType]:
        """By name."""


M = TypeVar("M", bound=Typed)


@dataclass(frozen=True)
class NodeCall(Generic[M]):
    """One node that is about to be added to a model, its attributes complete."""

    title: ClassVar[str]  # of the format, for errors
    model: M
    node: Node

    def __getitem__(self, attr: str) -> Any:
        return self.node.attrs[attr]

    @property
    def name(self) -> str:
        """The first result."""
        return self.node.outputs[0]

    @property
    def shape(self) -> Dims:
        """Of the first operand, as the graph has it."""
        return self.model.types[self.node.inputs[0]].shape

    @property
    def result(self) -> Dims:
        """Shape of the first result, as the graph has it."""
        return self.model.types[self.name].shape

    def unsupported(self, what: str) -> Unsupported:
        """Give the error for something that the format cannot say."""
        return Unsupported(f"node {self.node.name!r} ({self.node.op}): {what} cannot be written for {self.title}")

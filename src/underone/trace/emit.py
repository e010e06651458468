"""The Graph while it is being written: operands with their shapes, nodes, constants, names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx

from ..errors import Unsupported
from ..graph.graph import Array, Node
from ..spec import Shape

Number = int | float
Translation = Callable[..., Any]  # (emitter, the operation's arguments) -> Ref or list of Ref


@dataclass(frozen=True)
class Ref:
    """An operand.

    Attributes:
        name: of the tensor in the Graph.
        shape: None where the size depends on the input.
        value: the tensor itself, if it depends on no input; it enters the Graph when an operation reads it.
    """

    name: str
    shape: Shape
    value: torch.Tensor | None = None


def shape_of(tensor: torch.Tensor) -> Shape:
    """Return the shape of a traced tensor, None for every size that depends on the input."""
    return tuple(size if isinstance(size, int) else None for size in tensor.shape)


def fixed(shape: Shape) -> tuple[int, ...]:
    """Return a shape, or a part of one, that must not depend on the input."""
    if None in shape:
        raise Unsupported(f"the sizes {shape} depend on the batch or the picture; fixed ones are required")
    return tuple(size for size in shape if size is not None)


def axes_of(dims: Sequence[int], rank: int) -> tuple[int, ...]:
    """Return axes counted from the front, in order."""
    return tuple(sorted(dim % rank for dim in dims))


def target(shape: Shape) -> tuple[int, ...]:
    """Write a shape for Reshape: -1 for the one size that depends on the input."""
    if shape.count(None) > 1:
        raise Unsupported(f"a reshape to {shape}: two sizes depend on the batch or the picture; only one may")
    return tuple(-1 if size is None else size for size in shape)


class Emitter:
    """Collects nodes and constants; `node` is the torch operation that is being translated.

    A constant keeps the dotted name of its parameter. A tensor with two owners is stored once.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}
        self.node: fx.Node
        self._taken: set[str] = set()
        self._taken_by_nodes: set[str] = set()
        self._stored: dict[int, str] = {}  # id of a tensor → its name among the constants
        self._alive: list[torch.Tensor] = []  # so that no id is given twice

    @property
    def shape(self) -> Shape:
        """The shape that the current torch operation gives."""
        return shape_of(self.node.meta["val"])

    @property
    def shapes(self) -> list[Shape]:
        """The shapes that the current torch operation gives, if it gives several tensors."""
        return [shape_of(value) for value in self.node.meta["val"]]

    def emit(self, op: str, *inputs: Ref | None, gives: Shape | None = None, **attrs: Any) -> Ref:
        """Append a node with one output; `gives` is its shape, where it is not the torch operation's."""
        return self.emit_many(op, inputs, [self.shape if gives is None else gives], attrs)[0]

    def emit_many(
        self, op: str, inputs: Sequence[Ref | None], shapes: Sequence[Shape], attrs: dict[str, Any]
    ) -> list[Ref]:
        """Append a node with one output per shape."""
        operands = [self.operand(ref) for ref in inputs]
        while operands and not operands[-1]:  # absent operands at the end are left out
            operands.pop()
        outputs = [Ref(_free(self.node.name, self._taken), shape) for shape in shapes]
        name = _free(module_path(self.node) or self.node.name, self._taken_by_nodes)
        self.nodes.append(Node(op, tuple(operands), tuple(ref.name for ref in outputs), attrs, name))
        return outputs

    def reserve(self, name: str) -> str:
        """Return `name`, or a name like it that no tensor has yet."""
        return _free(name, self._taken)

    def operand(self, ref: Ref | None) -> str:
        """Return the tensor name of an operand; a weight enters the Graph by that."""
        if ref is None:
            return ""
        return ref.name if ref.value is None else self._store(ref.name, ref.value)

    def constant(self, name: str, value: torch.Tensor | Array | float) -> Ref:
        """Make an operand of a number in the torch program, or of a tensor computed from weights."""
        tensor = value if isinstance(value, torch.Tensor) else torch.as_tensor(np.asarray(value, np.float32))
        return Ref(f"{self.node.name}.{name}", tuple(tensor.shape), tensor)

    def known(self, ref: Ref, what: str) -> torch.Tensor:
        """Return the value of an operand that must not depend on the input."""
        if ref.value is None:
            raise Unsupported(f"{self.node.name}: the {what} depends on the input; only fixed ones are implemented")
        return ref.value

    def _store(self, name: str, value: torch.Tensor) -> str:
        if id(value) not in self._stored:
            self._alive.append(value)
            self._stored[id(value)] = _free(name, self._taken)
            array = value.detach().cpu().numpy()
            self.constants[self._stored[id(value)]] = np.array(array, order="C", copy=True)  # untied from the model
        return self._stored[id(value)]


def module_path(node: fx.Node) -> str:
    """Return the dotted path of the module that an operation came from, empty for the root."""
    stack = node.meta.get("nn_module_stack") or {}
    paths = [path for path, _ in stack.values()]
    return str(paths[-1]) if paths else ""


def _free(name: str, taken: set[str]) -> str:
    free, n = name, 1
    while free in taken:
        n += 1
        free = f"{name}.{n}"
    taken.add(free)
    return free

"""Translation: walks the operations of a TensorFlow graph and gives their nodes to a Builder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...errors import Unsupported
from ...graph import Array
from ..builder import Builder
from .fixed_numbers import FOLDS, MOST_ELEMENTS, Fixed, fold
from .graph_def import TfNode, split_tensor

PASSED = frozenset((
    "CheckNumerics", "EnsureShape", "Identity", "IdentityN", "PlaceholderWithDefault", "PreventGradient",
    "ReadVariableOp", "Snapshot", "StopGradient",
))  # fmt: skip
VARIABLES = frozenset(("VarHandleOp", "Variable", "VariableV2"))
FIX = "state the shape of the input, as in 'NAME[1,224,224,3]'"
NUMBERS_OF_SHAPE = frozenset(("Shape", "ShapeN", "Rank", "Size"))


@dataclass
class Translation:
    """What the operations of one graph become.

    Attributes:
        builder: takes nodes and constants.
        nodes: of the graph, by name.
        rules: by TensorFlow's name of an operation.
        most_bytes: that numbers which follow from shapes and constants may take together.
        variables: their values by the names of their nodes.
        kept: whether what rounds to whole numbers still does.
        values: of each tensor by TensorFlow's name: the Builder's name of it, or its numbers where they are known.
    """

    builder: Builder
    nodes: Mapping[str, TfNode]
    rules: "Mapping[str, Rule]"
    most_bytes: int
    variables: Mapping[str, Array] = field(default_factory=dict)
    kept: bool = False
    values: dict[str, str | Fixed] = field(default_factory=dict)
    spent: int = 0

    def take(self, node: TfNode) -> None:
        """Translate one operation; those it reads are translated already.

        Raises:
            BadFile: its operands do not fit.
            Unsupported: it, or this form of it, is not implemented.
        """
        made = self._made(node)
        for i, value in enumerate(made):
            self.values[f"{node.name}:{i}" if i else node.name] = value

    def unsupported(self, node: TfNode, what: str) -> Unsupported:
        """Give the error about an operation that is valid and not read."""
        return Unsupported(f"{self.builder.where}: node {node.name!r} ({node.op}) {what}")

    def follows(self, node: TfNode, what: str) -> Unsupported:
        """Give the error about numbers that would have to follow an open size."""
        return self.unsupported(node, f"{what}, by the size of the input; {FIX}")

    def value(self, tensor: str) -> str | Fixed:
        """Give what a tensor is by TensorFlow's name.

        Raises:
            Unsupported: it is an output of its node that is not implemented.
        """
        if tensor not in self.values:
            node, number = split_tensor(tensor)
            raise Unsupported(f"{self.builder.where}: output {number} of {node!r} is not implemented")
        return self.values[tensor]

    def operand(self, node: TfNode, number: int) -> str:
        """Give the Builder's name of an operand; one that is fixed becomes a constant.

        Raises:
            BadFile: there is none.
            Unsupported: it is fixed, but its numbers follow an open size of the inputs.
        """
        return self.tensor(self._input(node, number))

    def tensor(self, tensor: str) -> str:
        """Give the Builder's name of a tensor; one that is fixed becomes a constant.

        Raises:
            Unsupported: it is fixed, but its numbers follow an open size of the inputs.
        """
        value = self.value(tensor)
        if isinstance(value, str):
            return value
        if not value.is_one:
            raise Unsupported(f"{self.builder.where}: tensor {tensor!r} follows the size of the input; {FIX}")
        self.values[tensor] = name = self.builder.constant(tensor, value.first)
        return name

    def operands(self, node: TfNode) -> list[str]:
        """Give the Builder's names of all operands."""
        return [self.operand(node, i) for i in range(len(node.inputs))]

    def fixed(self, node: TfNode, number: int) -> Fixed:
        """Give the numbers of an operand.

        Raises:
            Unsupported: they follow from what an input holds.
        """
        tensor = self._input(node, number)
        value = self.value(tensor)
        if isinstance(value, Fixed):
            return value
        found = self.builder.value(value)
        if found is None:
            raise self.unsupported(
                node, f"reads {tensor!r}, which is computed from what the input holds; only fixed numbers are read"
            )
        return Fixed(found, found)

    def array(self, node: TfNode, number: int) -> Array:
        """Give the numbers of an operand that do not follow an open size either.

        Raises:
            Unsupported: they do.
        """
        value = self.fixed(node, number)
        if not value.is_one:
            raise self.follows(
                node, f"reads {self._input(node, number)!r}: {_short(value.first)} or {_short(value.second)}"
            )
        return value.first

    def integers(self, node: TfNode, number: int) -> tuple[int, ...]:
        """Give an operand that is a list of whole numbers, or one."""
        found = self.array(node, number)
        if found.dtype.kind not in "iu" or found.size > MOST_ELEMENTS:
            raise node.bad(f"has {found.size} numbers of {found.dtype} as operand {number}; whole numbers are required")
        return tuple(found.ravel().tolist())

    def integer(self, node: TfNode, number: int) -> int:
        """Give an operand that is one whole number."""
        found = self.integers(node, number)
        if len(found) != 1:
            raise node.bad(f"has {len(found)} numbers as operand {number}; one is required")
        return found[0]

    def axis(self, node: TfNode, axis: int, rank: int) -> int:
        """Give an axis counted from the front.

        Raises:
            BadFile: there is no such axis.
        """
        if not -rank <= axis < rank:
            raise node.bad(f"has axis {axis}; the tensor has {rank} axes")
        return axis % rank

    def _input(self, node: TfNode, number: int) -> str:
        if not -len(node.inputs) <= number < len(node.inputs):
            raise node.bad(f"has {len(node.inputs)} operands; one more is required")
        return node.inputs[number]

    def _made(self, node: TfNode) -> Sequence[str | Fixed]:
        if node.op in PASSED:
            self._input(node, 0)
            return [self.value(tensor) for tensor in node.inputs]
        if node.op == "Const":
            value = node.tensor()
            return [Fixed(value, value)]
        if node.op in VARIABLES:
            return [self._variable(node)]
        if node.op in NUMBERS_OF_SHAPE:
            return [self._about_shape(node, tensor) for tensor in node.inputs]
        known = [self.values.get(tensor) for tensor in node.inputs]
        folded = fold(node, [k for k in known if isinstance(k, Fixed)]) if known and all_fixed(known) else None
        if folded is not None:
            self._spend(node, folded)
            return folded
        if node.op in FOLDS and node.op not in self.rules:
            raise self.unsupported(
                node,
                f"is computed from what the input holds, or gives more than {MOST_ELEMENTS} numbers; "
                "only fixed numbers of shapes are read",
            )
        if node.op not in self.rules:
            raise self.unsupported(node, "is not implemented")
        made = self.rules[node.op](self, node)
        return made if isinstance(made, list) else [made]

    def _spend(self, node: TfNode, made: Sequence[Fixed]) -> None:
        self.spent += sum(value.first.nbytes + value.second.nbytes for value in made)
        if self.spent > self.most_bytes:
            raise node.bad(f"brings the fixed numbers to {self.spent} bytes; at most {self.most_bytes} are kept")

    def _variable(self, node: TfNode) -> Fixed:
        if node.name not in self.variables:
            raise Unsupported(
                f"{self.builder.where}: variable {node.name!r} has no value in the file; freeze the graph, or keep its "
                "checkpoint in the folder variables beside it"
            )
        return Fixed(self.variables[node.name], self.variables[node.name])

    def _about_shape(self, node: TfNode, tensor: str) -> Fixed:
        value = self.value(tensor)
        shapes = (value.first.shape, value.second.shape) if isinstance(value, Fixed) else self.builder.shapes(value)
        first, second = (_about(node, shape) for shape in shapes)
        return Fixed(first, first if np.array_equal(first, second) else second)


Rule = Callable[[Translation, TfNode], "str | list[str]"]


def all_fixed(values: Sequence[str | Fixed | None]) -> bool:
    """Whether all values are numbers."""
    return all(isinstance(v, Fixed) for v in values)


def _about(node: TfNode, shape: tuple[int, ...]) -> Array:
    dtype = node.dtype("out_type") or "int32"
    if node.op == "Rank":
        return np.array(len(shape), np.int32)
    return np.array(np.prod(shape, dtype=np.int64) if node.op == "Size" else shape, dtype)


def _short(value: Array) -> str:
    return str(value.ravel()[:8].tolist())

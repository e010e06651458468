"""Shapes and dtypes of every tensor of a graph, for one size of its inputs."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import BadValue, ShapeError
from .graph import Graph, Node
from .ops import attributes, op_of, typed
from .shape_rules import Dims, elements

# Two readings of a graph of open sizes: of the first axis, and of the others (multiples of 32, as strides want)
PROBES = ((2, 192), (3, 320))


class TensorType(NamedTuple):
    """What is known of a tensor before anything runs."""

    shape: Dims
    dtype: str

    @property
    def elements(self) -> int:
        """Number of elements."""
        return elements(self.shape)


def infer_shapes(
    graph: Graph, batch: int = 1, sizes: Mapping[str, Sequence[int]] | None = None
) -> dict[str, TensorType]:
    """Find the shape and dtype of every tensor, constants included.

    Args:
        graph: any graph.
        batch: replaces an open first size of the inputs.
        sizes: full shapes by input name, for graphs that leave more than the first size open.

    Raises:
        ShapeError: operands do not fit, with the node and the shapes; or an input leaves a size open.
        UnknownName: an operator is not in the table.
        BadValue: an attribute is missing, unknown or of another type; or a node has the wrong number of operands.
    """
    types = {name: TensorType(tuple(c.shape), c.dtype.name) for name, c in graph.constants.items()}
    types |= {v.name: TensorType(_input_shape(v.name, v.shape, batch, sizes or {}), v.dtype) for v in graph.inputs}
    for node in graph.nodes:
        operands = [types[name] for name in node.inputs if name]
        types |= zip(node.outputs, node_types(node, operands)[1], strict=True)
    return types


def node_types(node: Node, operands: Sequence[TensorType]) -> tuple[dict[str, Any], list[TensorType]]:
    """Give the complete attributes and the outputs' types of one node.

    Args:
        node: its operator must be in the table.
        operands: types of the operands that are present.

    Raises:
        ShapeError, BadValue, UnknownName: as `infer_shapes`; the message names the node.
    """
    try:
        return unnamed_types(node, operands)
    except (ShapeError, BadValue) as error:
        raise type(error)(f"{label(node)}: {error}") from error


def unnamed_types(node: Node, operands: Sequence[TensorType]) -> tuple[dict[str, Any], list[TensorType]]:
    """Do what `node_types` does; the errors do not name the node."""
    row, shapes = op_of(node), [o.shape for o in operands]
    fewest, most = row.operands
    if not fewest <= len(operands) <= most:
        raise BadValue(f"{len(operands)} operands; {fewest} to {most} are required")
    attrs = attributes(node.op, node.attrs, shapes)
    found = row.shape(shapes, attrs)
    if len(found) != len(node.outputs):
        raise ShapeError(f"{len(node.outputs)} outputs; {len(found)} are required")
    dtype = row.dtype([o.dtype for o in operands], attrs)
    return attrs, [TensorType(shape, dtype) for shape in found]


def infer_dtypes(graph: Graph) -> dict[str, str]:
    """Find the dtype of every tensor; no sizes are needed."""
    dtypes = {name: c.dtype.name for name, c in graph.constants.items()} | {v.name: v.dtype for v in graph.inputs}
    for node in graph.nodes:
        row = op_of(node)
        found = row.dtype([dtypes[name] for name in node.inputs if name], typed(node.op, node.attrs))
        dtypes |= dict.fromkeys(node.outputs, found)
    return dtypes


def label(node: Node) -> str:
    """Name a node in a message: its name, or its first output, with its operator."""
    return f"node {node.name or node.outputs[0]!r} ({node.op})"


def _input_shape(name: str, shape: tuple[int | None, ...], batch: int, sizes: Mapping[str, Sequence[int]]) -> Dims:
    given = tuple(sizes.get(name, (batch if i == 0 and d is None else d for i, d in enumerate(shape))))
    if len(given) != len(shape) or any(
        g is None or (d is not None and g != d) for g, d in zip(given, shape, strict=False)
    ):
        raise ShapeError(
            f"input {name!r} has shape {shape}, asked for is {given}; pass sizes={{{name!r}: (…)}} that fit"
        )
    return tuple(int(g) for g in given if g is not None)

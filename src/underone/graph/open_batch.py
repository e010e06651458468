"""Pass: a network that was written for one picture takes any number, where every operator keeps pictures apart."""

# ruff: noqa: ARG001 (one signature for a whole table)

from collections.abc import Callable, Mapping
from dataclasses import replace

from .graph import Graph, Node, Value
from .onnx_file import with_borders
from .ops import attributes
from .shape_rules import Attrs, Dims
from .shapes import TensorType, infer_shapes

_Rule = Callable[[Node, Attrs, Mapping[str, TensorType]], Node | None]


def open_batch(graph: Graph) -> Graph:
    """Leave the first size of every input and output open; the graph itself where that is not possible.

    Args:
        graph: of fixed sizes, its inputs with a first size of 1.

    Returns:
        A graph whose inputs and outputs have None first: each of its operators gives for a picture what it gives for
        that picture alone. Reshapes with a first size of 1 become such that keep the first size.
    """
    if any(not v.shape or v.shape[0] != 1 or None in v.shape for v in graph.inputs):
        return graph
    types = infer_shapes(graph)
    batched = {v.name for v in graph.inputs}
    nodes = []
    for node in graph.nodes:
        if not batched.intersection(node.inputs):
            nodes.append(node)
            continue
        opened = _opened(node, types, batched)
        if opened is None:
            return graph
        nodes.append(opened)
        batched.update(node.outputs)
    if any(v.name not in batched for v in graph.outputs):
        return graph
    inputs, outputs = (tuple(map(_opened_value, side)) for side in (graph.inputs, graph.outputs))
    spec = with_borders(graph.spec, inputs, outputs)
    return replace(graph, nodes=tuple(nodes), inputs=inputs, outputs=outputs, spec=spec)


def _opened_value(value: Value) -> Value:
    return replace(value, shape=(None, *value.shape[1:]))


def _opened(node: Node, types: Mapping[str, TensorType], batched: set[str]) -> Node | None:
    """Give the node for any number of pictures; None where it mixes them, or where that is not known."""
    shapes = [types[n].shape for n in node.inputs if n]
    results = [types[n].shape for n in node.outputs]
    rule = _RULES.get(node.op)
    if rule is None or any(not r or r[0] != 1 for r in results):
        return None
    attrs = attributes(node.op, node.attrs, shapes)
    return rule(node, attrs, types) if _fits(node, types, batched, len(results[0])) else None


def _fits(node: Node, types: Mapping[str, TensorType], batched: set[str], rank: int) -> bool:
    """Whether the operands that hold pictures have them along the axis that the result has them along."""
    if node.op in _BROADCAST:
        return all(
            len(types[n].shape) == rank if n in batched else len(types[n].shape) < rank or types[n].shape[0] == 1
            for n in node.inputs
        )
    if node.op == "Concat":
        return all(n in batched for n in node.inputs)
    return node.inputs[0] in batched and not batched.intersection(node.inputs[1:])


def _as_it_is(node: Node, attrs: Attrs, types: Mapping[str, TensorType]) -> Node | None:
    return node


def _not_along_the_first(node: Node, attrs: Attrs, types: Mapping[str, TensorType]) -> Node | None:
    """Along `axis` or `axes`; none given means all."""
    axes: Dims = (attrs["axis"],) if "axis" in attrs else attrs["axes"]
    return node if axes and 0 not in axes else None


def _reshape(node: Node, attrs: Attrs, types: Mapping[str, TensorType]) -> Node | None:
    shape = types[node.outputs[0]].shape
    return replace(node, attrs={**node.attrs, "shape": (0, *shape[1:])})


def _transpose(node: Node, attrs: Attrs, types: Mapping[str, TensorType]) -> Node | None:
    return node if attrs["perm"][0] == 0 else None


def _flatten(node: Node, attrs: Attrs, types: Mapping[str, TensorType]) -> Node | None:
    return node if attrs["axis"] == 1 else None


def _pad(node: Node, attrs: Attrs, types: Mapping[str, TensorType]) -> Node | None:
    pads = attrs["pads"]
    return node if pads[0] == pads[len(pads) // 2] == 0 else None


def _resize(node: Node, attrs: Attrs, types: Mapping[str, TensorType]) -> Node | None:
    if attrs["scales"]:
        return node if attrs["scales"][0] == 1 else None
    return replace(node, attrs={**node.attrs, "sizes": (0, *attrs["sizes"][1:])})


def _tile(node: Node, attrs: Attrs, types: Mapping[str, TensorType]) -> Node | None:
    return node if attrs["repeats"][0] == 1 else None


def _product(node: Node, attrs: Attrs, types: Mapping[str, TensorType]) -> Node | None:
    same_rank = len(types[node.inputs[0]].shape) == len(types[node.outputs[0]].shape)
    return node if same_rank and not attrs.get("transA") else None


def _slice(node: Node, attrs: Attrs, types: Mapping[str, TensorType]) -> Node | None:
    """A slice that takes all of the first axis does not name it."""
    parts = list(zip(attrs["axes"], attrs["starts"], attrs["ends"], attrs["steps"], strict=True))
    if any(axis == 0 and (start, step) != (0, 1) for axis, start, _, step in parts):
        return None
    names, left = ("axes", "starts", "ends", "steps"), [part for part in parts if part[0] != 0]
    return replace(node, attrs={k: tuple(part[i] for part in left) for i, k in enumerate(names)})


_JOINING = "Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Max Min Mod Mul Or PRelu Pow Sub Sum Where"
_BROADCAST = frozenset(_JOINING.split())
_UNARY = (
    "Abs Cast Ceil Clip Cos Elu Erf Exp Floor Gelu HardSigmoid HardSwish Identity LeakyRelu Log Mish Neg Not "
    "Reciprocal Relu Round Sigmoid Sign Sin Softplus Sqrt Tanh"
)
_WINDOWED = (
    "Conv ConvTranspose AveragePool MaxPool GlobalAveragePool GlobalMaxPool BatchNormalization InstanceNormalization "
    "DepthToSpace SpaceToDepth QLinearConv ConvInteger"
)
_ALONG = (
    "Softmax LogSoftmax Concat Split Squeeze Unsqueeze Gather ArgMax ArgMin ReduceL2 ReduceMax ReduceMean ReduceMin "
    "ReduceProd ReduceSum ReduceSumSquare LayerNormalization"
)

_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys([*_BROADCAST, *_UNARY.split(), *_WINDOWED.split()], _as_it_is),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), _as_it_is),
    **dict.fromkeys(_ALONG.split(), _not_along_the_first),
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Flatten": _flatten,
    "Pad": _pad,
    "Resize": _resize,
    "Tile": _tile,
    "Gemm": _product,
    "MatMul": _product,
    "Slice": _slice,
}

"""Graph → ONNX file: standard operators, the spec in the metadata, the same bytes for the same graph."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..errors import BadValue
from ..spec import Shape
from .graph import Array, Graph, Node, Value, unused_name
from .onnx_file import SPEC_KEY, with_borders
from .onnx_forms import SCALARS, fixed_operands
from .onnx_tensor import DTYPE_NAMES
from .ops import OPS, typed
from .shapes import infer_dtypes

_OLDEST = 17  # LayerNormalization; what every engine reads
_NEWER = {"Gelu": 20, "Mish": 18}
_BATCH = "batch"
_TYPE_NUMBERS = {dtype: number for number, dtype in DTYPE_NAMES.items()}


def to_onnx(graph: Graph, metadata: Mapping[str, str] | None = None) -> bytes:
    """Write a graph as the bytes of an ONNX file.

    The opset is 17, or the oldest that has all operators in the form they are used in. An open first size of an input
    is named "batch".

    Args:
        graph: any graph.
        metadata: further texts for the file's metadata; the spec is always there, with the names of inputs and outputs.

    Returns:
        Equal bytes for equal graphs.

    Raises:
        BadValue: the spec is given as metadata, or a dtype has no form in ONNX.
        UnknownName: an operator is not in the table.
    """
    if SPEC_KEY in (metadata or {}):
        raise BadValue(f"metadata {SPEC_KEY!r} is written from graph.spec; change it there")
    writing = _Writing(_opset(graph.nodes), infer_dtypes(graph))
    nodes = [proto for node in graph.nodes for proto in _protos(node, writing)]
    constants = {**graph.constants, **writing.added}
    spec = with_borders(graph.spec, graph.inputs, graph.outputs)
    proto = helper.make_graph(
        nodes,
        graph.spec.name,
        [_value_info(v) for v in graph.inputs],
        [_value_info(v) for v in graph.outputs],
        [numpy_helper.from_array(np.asarray(constants[n], order="C"), n) for n in sorted(constants)],
    )
    model = helper.make_model(
        proto,
        opset_imports=[helper.make_opsetid("", writing.opset)],
        producer_name="underone",
        ir_version=8 if writing.opset < 19 else 9,
    )
    helper.set_model_props(model, dict(sorted({**(metadata or {}), SPEC_KEY: spec.to_json()}.items())))
    return bytes(model.SerializeToString(deterministic=True))


def _opset(nodes: Iterable[Node]) -> int:
    return max([_OLDEST, *map(_needed_opset, nodes)])


def _needed_opset(node: Node) -> int:
    if node.op == "Resize" and 0 in node.attrs.get("sizes", ()):
        return 18  # sizes of some axes only
    if node.op == "AveragePool" and set(node.attrs.get("dilations", ())) - {1}:
        return 19
    return _NEWER.get(node.op, _OLDEST)


@dataclass
class _Writing:
    """What the nodes of one file share.

    Attributes:
        opset: the file's.
        dtypes: of every tensor of the graph.
        added: constants that ONNX wants where the graph has attributes.
        taken: names of further tensors.
    """

    opset: int
    dtypes: Mapping[str, str]
    added: dict[str, Array] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def name(self, wanted: str) -> str:
        """Give a tensor name that is still free."""
        found = unused_name(wanted, self.dtypes.keys() | self.taken)
        self.taken.add(found)
        return found

    def store(self, wanted: str, value: Array) -> str:
        """Add a constant and give its name."""
        name = self.name(wanted)
        self.added[name] = value
        return name


def _protos(node: Node, writing: _Writing) -> Iterator[onnx.NodeProto]:
    """Write one node, and before it those that compute its operands."""
    inputs, name = list(node.inputs), node.outputs[0]
    attrs = {k: v for k, v in typed(node.op, node.attrs).items() if not _is_default(node.op, k, v)}
    if node.op in _SPECIAL:
        attrs = _SPECIAL[node.op](attrs)
    dtype = writing.dtypes[inputs[0]] if inputs else attrs.pop("dtype", "float32")
    operands = []
    for attr in fixed_operands(node.op, writing.opset).names:
        value = _operand(attr, attrs.pop(attr, None), dtype)
        operands.append("" if value is None else writing.store(f"{name}/{attr}", value))
    if node.op == "Expand" and len(inputs) == 2:
        size, shape = writing.name(f"{name}/batch"), writing.name(f"{name}/sizes")
        yield helper.make_node("Shape", inputs[1:], [size], size, start=0, end=1)
        yield helper.make_node(
            "Where", [writing.store(f"{name}/open", _is_open(node)), size, *operands], [shape], shape
        )
        inputs, operands = inputs[:1], [shape]
    while operands and not operands[-1]:
        operands.pop()
    yield helper.make_node(node.op, inputs + operands, node.outputs, node.name, **dict(sorted(attrs.items())))


def _is_default(op: str, name: str, value: Any) -> bool:
    """Whether ONNX means the same when the attribute is left out."""
    row = OPS[op].attrs
    neutral = {"strides": {1}, "dilations": {1}, "pads": {0}, "output_padding": {0}}.get(name)
    return bool(value == row[name]) or ("strides" in row and neutral is not None and set(value) == neutral)


def _is_open(node: Node) -> Array:
    return np.array([size == -1 for size in node.attrs["shape"]])


def _operand(attr: str, value: Any, dtype: str) -> Array | None:
    """Give a fixed operand as a tensor; None when it is at its default."""
    if value is None:
        return None
    if attr in SCALARS:
        return _limited(value, np.dtype(dtype))
    return np.array(value, np.float32 if attr == "scales" else np.int64)


def _limited(value: float, dtype: np.dtype) -> Array | None:
    """Give a bound in the tensor's own dtype; none when it lies outside an integer dtype and so bounds nothing."""
    if dtype.kind not in "iu":
        return np.array(value, dtype)
    return np.array(int(value), dtype) if np.iinfo(dtype).min <= value <= np.iinfo(dtype).max else None


def _cast(attrs: dict[str, Any]) -> dict[str, Any]:
    if attrs["to"] not in _TYPE_NUMBERS:
        raise BadValue(f"cast to {attrs['to']!r}; one of {', '.join(_TYPE_NUMBERS)} is required")
    return {"to": _TYPE_NUMBERS[attrs["to"]]}


def _resize(attrs: dict[str, Any]) -> dict[str, Any]:
    sizes = attrs.get("sizes", ())
    if 0 not in sizes:
        return attrs
    axes = [i for i, s in enumerate(sizes) if s]
    return attrs | {"sizes": tuple(sizes[i] for i in axes), "axes": axes}


def _constant_of_shape(attrs: dict[str, Any]) -> dict[str, Any]:
    value = np.array([attrs.pop("value", 0.0)]).astype(attrs.pop("dtype", "float32"))
    return attrs | {"value": numpy_helper.from_array(value)}


_SPECIAL = {"Cast": _cast, "Resize": _resize, "ConstantOfShape": _constant_of_shape}


def _value_info(value: Value) -> onnx.ValueInfoProto:
    if value.dtype not in _TYPE_NUMBERS:
        raise BadValue(f"tensor {value.name!r} is {value.dtype}; one of {', '.join(_TYPE_NUMBERS)} is required")
    return helper.make_tensor_value_info(value.name, _TYPE_NUMBERS[value.dtype], _sizes(value.name, value.shape))


def _sizes(name: str, shape: Shape) -> Sequence[int | str]:
    return [(_BATCH if i == 0 else f"{name}_{i}") if d is None else d for i, d in enumerate(shape)]

"""Graph → ONNX file: standard operators, the spec in the metadata, the same bytes for the same graph."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..errors import BadValue
from ..spec import Shape
from .graph import Array, Graph, Node, Value
from .onnx_file import DTYPE_NAMES, SPEC_KEY
from .onnx_forms import SCALARS, fixed_operands
from .ops import op_of
from .shapes import infer_dtypes

_OLDEST = 17  # LayerNormalization; what every engine reads
_NEWER = {"Gelu": 20, "Mish": 18}
_BATCH = "batch"
_TYPE_NUMBERS = {dtype: number for number, dtype in DTYPE_NAMES.items()}


def to_onnx(graph: Graph, metadata: Mapping[str, str] | None = None) -> bytes:
    """Write a graph as the bytes of an ONNX file.

    The opset is 17, or the oldest that has all operators in the form they are used in. An open first size of an input is
    named "batch".

    Args:
        graph: any graph.
        metadata: further texts for the file's metadata; the spec is always there.

    Returns:
        Equal bytes for equal graphs.

    Raises:
        BadValue: the spec is given as metadata, or a dtype has no form in ONNX.
        UnknownName: an operator is not in the table.
    """
    if SPEC_KEY in (metadata or {}):
        raise BadValue(f"metadata {SPEC_KEY!r} is written from graph.spec; change it there")
    opset, dtypes = _opset(graph.nodes), infer_dtypes(graph)
    extra: dict[str, Array] = {}
    nodes = [proto for node in graph.nodes for proto in _protos(node, opset, dtypes, extra)]
    constants = {**graph.constants, **extra}
    proto = helper.make_graph(
        nodes,
        graph.spec.name,
        [_value_info(v) for v in graph.inputs],
        [_value_info(v) for v in graph.outputs],
        [numpy_helper.from_array(np.ascontiguousarray(constants[n]), n) for n in sorted(constants)],
    )
    model = helper.make_model(
        proto,
        opset_imports=[helper.make_opsetid("", opset)],
        producer_name="underone",
        ir_version=8 if opset < 19 else 9,
    )
    helper.set_model_props(model, dict(sorted({**(metadata or {}), SPEC_KEY: graph.spec.to_json()}.items())))
    return bytes(model.SerializeToString(deterministic=True))


def _opset(nodes: Iterable[Node]) -> int:
    return max([_OLDEST, *map(_needed_opset, nodes)])


def _needed_opset(node: Node) -> int:
    if node.op == "Resize" and 0 in node.attrs.get("sizes", ()):
        return 18  # sizes of some axes only
    if node.op == "AveragePool" and set(node.attrs.get("dilations", ())) - {1}:
        return 19
    return _NEWER.get(node.op, _OLDEST)


def _protos(node: Node, opset: int, dtypes: Mapping[str, str], extra: dict[str, Array]) -> Iterator[onnx.NodeProto]:
    """Write one node; operands that ONNX wants as tensors go to `extra` under the name of the output."""
    row, name = op_of(node), node.outputs[0]
    attrs = {k: v for k, v in node.attrs.items() if v != row.attrs.get(k)}
    inputs = list(node.inputs)
    if node.op == "Expand" and len(inputs) == 2:
        yield from _batch_shape(node, extra)
        yield helper.make_node("Expand", [inputs[0], f"{name}/shape"], node.outputs, node.name)
        return
    fixed = fixed_operands(node.op, opset)
    if node.op in _SPECIAL:
        attrs = _SPECIAL[node.op](attrs)
    stored = dtypes[inputs[0]] if inputs else attrs.pop("dtype", "float32")
    operands = [
        _stored(f"{name}/{attr}", attrs.pop(attr, None), attr, stored, extra) for attr in fixed.names
    ]  # fmt: skip
    while operands and not operands[-1]:
        operands.pop()
    yield helper.make_node(node.op, inputs + operands, node.outputs, node.name, **dict(sorted(attrs.items())))


def _stored(name: str, value: Any, attr: str, dtype: str, extra: dict[str, Array]) -> str:
    """Put a fixed operand among the constants; none when it is at its default."""
    if value is None:
        return ""
    if attr in SCALARS:
        array = _limited(value, np.dtype(dtype))
        if array is None:
            return ""
    else:
        array = np.array(value, np.float32 if attr == "scales" else np.int64)
    extra[name] = array
    return name


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


def _batch_shape(node: Node, extra: dict[str, Array]) -> Iterator[onnx.NodeProto]:
    """Compute the shape of an Expand whose -1 is the first size of its second operand."""
    name, parts = node.outputs[0], []
    yield helper.make_node("Shape", [node.inputs[1]], [f"{name}/batch"], f"{name}/batch", start=0, end=1)
    for i, size in enumerate(node.attrs["shape"]):
        if size != -1:
            extra[f"{name}/size{i}"] = np.array([size], np.int64)
        parts.append(f"{name}/batch" if size == -1 else f"{name}/size{i}")
    yield helper.make_node("Concat", parts, [f"{name}/shape"], f"{name}/shape", axis=0)


def _value_info(value: Value) -> onnx.ValueInfoProto:
    if value.dtype not in _TYPE_NUMBERS:
        raise BadValue(f"tensor {value.name!r} is {value.dtype}; one of {', '.join(_TYPE_NUMBERS)} is required")
    return helper.make_tensor_value_info(value.name, _TYPE_NUMBERS[value.dtype], _sizes(value.name, value.shape))


def _sizes(name: str, shape: Shape) -> Sequence[int | str]:
    return [(_BATCH if i == 0 else f"{name}_{i}") if d is None else d for i, d in enumerate(shape)]

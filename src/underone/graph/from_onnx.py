"""ONNX file → Graph: one form for all opsets, constants folded, shape arithmetic resolved.

Files compute shapes from their input (Shape → Gather → Concat → Reshape). Such chains are evaluated while reading, at
two sizes of everything that is open; what moves with the size becomes a -1 (the rest) or a 0 (the same as before).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ..errors import BadFile, BadValue, Unsupported
from ..spec import Shape
from .graph import Array, Graph, Node, Value
from .onnx_file import Content, OnnxFile, counted, open_onnx
from .onnx_forms import NORMAL, RENAMED, SCALARS, VANISHING, Attributes, Written, drop_neutral, fixed_operands
from .onnx_tensor import tensor_array
from .open_sizes import Reading, join
from .ops import OPS
from .reference import run_node
from .shapes import PROBES, TensorType, unnamed_types

_LARGEST_CONSTANT = 1 << 26  # elements of all constants that reading may compute
_MOST_MACS = 1 << 30  # for the same
_LONGEST_ATTRIBUTE = 1 << 10  # values of one operand that becomes an attribute


_SCALES = {"QuantizeLinear": (1,), "DequantizeLinear": (1,), "QLinearConv": (1, 4, 6), "QLinearMatMul": (1, 4, 6)}


def read_onnx(
    source: Path | str | Content, name: str | None = None, input_shapes: Mapping[str, Shape] | None = None
) -> Graph:
    """Read an ONNX file of ours or of anybody else, opset 7 and later.

    Args:
        source: a path, or the bytes of a file.
        name: what to call it in a message; the path by default.
        input_shapes: shapes to read it with, by input name, in place of the file's own; None: any size.

    Returns:
        A graph in which every attribute is written out, and nothing stands that the outputs do not need.

    Raises:
        BadFile: no ONNX file, a damaged one, or one whose shapes do not fit.
        Unsupported: operators that are not in the table (all at once), subgraphs, or a form of an operator that is not
            implemented.
        BadValue: `input_shapes` names no input, or has another number of axes.
    """
    file = open_onnx(Path(source) if isinstance(source, str) else source, name)
    nodes = _needed(file)
    _refuse_unknown(nodes, file.where)
    inputs = _inputs(file, input_shapes or {})
    is_open = any(d is None for v in inputs for d in v.shape)
    readings = [_resolve(file, nodes, inputs, probe) for probe in PROBES[: 2 if is_open else 1]]
    try:
        return join(file, inputs, readings[0], readings[-1])
    except Unsupported as error:
        raise Unsupported(f"{file.where}: {error}") from error


def _needed(file: OnnxFile) -> list[onnx.NodeProto]:
    wanted, kept = set(file.outputs), []
    for node in reversed(file.nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def _refuse_unknown(nodes: Sequence[onnx.NodeProto], where: str) -> None:
    read = {*OPS, *VANISHING, *RENAMED, "Constant"}
    unknown = Counter(
        f"{n.domain}.{n.op_type}" if n.domain not in ("", "ai.onnx") else n.op_type
        for n in nodes
        if n.domain not in ("", "ai.onnx") or n.op_type not in read
    )
    if unknown:
        raise Unsupported(f"{where} has operators that are not implemented: {counted(unknown)}")


def _inputs(file: OnnxFile, shapes: Mapping[str, Shape]) -> list[Value]:
    known = {v.name: len(v.shape) for v in file.inputs}
    wrong = {n: s for n, s in shapes.items() if known.get(n) != len(s) or any(d is not None and d < 1 for d in s)}
    if wrong:
        raise BadValue(
            f"{file.where}: input_shapes {wrong} do not fit; it has {[(v.name, v.shape) for v in file.inputs]}"
        )
    return [replace(v, shape=tuple(shapes.get(v.name, v.shape))) for v in file.inputs]


def _resolve(
    file: OnnxFile, nodes: Sequence[onnx.NodeProto], inputs: Sequence[Value], probe: tuple[int, int]
) -> Reading:
    """Read all nodes at one size of the inputs."""
    reading = Reading(file.opset, any(d is None for v in inputs for d in v.shape), {}, dict(file.constants))
    reading.types = {n: TensorType(c.shape, c.dtype.name) for n, c in file.constants.items()}
    for v in inputs:
        shape = tuple(probe[i > 0] if d is None else d for i, d in enumerate(v.shape))
        reading.types[v.name] = TensorType(shape, v.dtype)
    for proto in nodes:
        what = f"{file.where}: node {proto.name or next(iter(proto.output))!r} ({proto.op_type})"
        try:
            _read_node(reading, proto)
        except Unsupported as error:
            raise Unsupported(f"{what}: {error}") from error
        except (ValueError, IndexError, OverflowError, MemoryError, ZeroDivisionError, TypeError) as error:
            raise BadFile(f"{what}: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from error
    return reading


def _read_node(reading: Reading, proto: onnx.NodeProto) -> None:
    if proto.op_type in VANISHING:
        _refuse_training(reading, proto)
        reading.alias[proto.output[0]] = _tensor(reading, proto.input[0])
        return
    attrs = dict(_attributes(proto))
    if proto.op_type == "Constant":
        _learn(reading, proto.output[0], _constant(attrs))
        return
    node = _normal_form(reading, proto, attrs)
    _check_scales(reading, node)
    full, types = unnamed_types(node, [reading.types[n] for n in node.inputs])
    node = replace(node, attrs=full)
    reading.types |= zip(node.outputs, types, strict=True)
    results = _evaluated(reading, node, types)
    if results is None:
        reading.nodes.append(node)
    for name, result in zip(node.outputs, results or (), strict=False):
        _learn(reading, name, result)


def _check_scales(reading: Reading, node: Node) -> None:
    for i in _SCALES.get(node.op, ()):
        scale = reading.known.get(node.inputs[i]) if i < len(node.inputs) else None
        wrong = np.empty(0) if scale is None else scale[~(np.isfinite(scale) & (scale > 0))]
        if wrong.size:
            raise BadFile(f"it has a scale of {wrong.flat[0]}; scales are finite and greater than 0")


def _refuse_training(reading: Reading, proto: onnx.NodeProto) -> None:
    flag = proto.input[2] if len(proto.input) > 2 else ""
    if flag and (flag not in reading.known or reading.known[flag].any()):
        raise Unsupported("dropout in training mode; export the network in evaluation mode")


def _normal_form(reading: Reading, proto: onnx.NodeProto, attrs: Attributes) -> Node:
    """Turn fixed operands into attributes and bring the rest to the one form of the operator."""
    op, fixed = RENAMED.get(proto.op_type, proto.op_type), fixed_operands(proto.op_type, reading.opset)
    operands = [_tensor(reading, name) if name else "" for name in proto.input]
    for attr, operand in zip(fixed.names, operands[fixed.position :], strict=False):
        if operand:
            attrs[attr] = _fixed_value(reading, attr, operand)
    if op == "Range":
        attrs["dtype"] = reading.types[operands[0]].dtype
    tensors = _without_trailing(operands[: fixed.position])
    outputs = tuple(proto.output) if op == "Split" else tuple(proto.output)[:1]
    types = [reading.types[n] for n in tensors]
    if proto.op_type in NORMAL:
        attrs = NORMAL[proto.op_type](Written(attrs, types, reading.opset, len(outputs)))
    attrs = drop_neutral(proto.op_type, attrs, OPS[op].attrs, reading.opset)
    return Node(op, tuple(tensors), outputs, attrs, proto.name)


def _without_trailing(operands: list[str]) -> list[str]:
    while operands and not operands[-1]:
        operands = operands[:-1]
    if "" in operands:
        raise Unsupported("an optional operand is left out before one that is given")
    return operands


def _tensor(reading: Reading, name: str) -> str:
    name = reading.alias.get(name, name)
    if name not in reading.types:
        raise Unsupported(f"tensor {name!r} is a second output of its node, which is not implemented")
    return name


def _fixed_value(reading: Reading, attr: str, operand: str) -> Any:
    value = reading.known.get(operand)
    if value is None:
        raise Unsupported(f"its {attr} is computed from the input's values; only fixed ones are implemented")
    if value.size > _LONGEST_ATTRIBUTE or (attr in SCALARS and value.size != 1):
        raise BadFile(f"its {attr} has {value.size} values")
    return value.item() if attr in SCALARS else tuple(value.ravel().tolist())


def _attributes(proto: onnx.NodeProto) -> Iterator[tuple[str, Any]]:
    kinds, seen = onnx.AttributeProto, set()
    for a in proto.attribute:
        if a.name in seen or a.ref_attr_name:
            raise BadFile(f"attribute {a.name} is given twice or by reference")
        seen.add(a.name)
        if a.type == kinds.TENSOR:
            yield a.name, tensor_array(a.t, "in a node")
        elif a.type == kinds.STRING:
            yield a.name, a.s.decode()
        elif a.type in (kinds.INT, kinds.FLOAT):
            yield a.name, a.i if a.type == kinds.INT else a.f
        elif a.type in (kinds.INTS, kinds.FLOATS):
            yield a.name, tuple(a.ints if a.type == kinds.INTS else a.floats)
        else:
            raise Unsupported(f"attribute {a.name} is neither number, numbers, text nor tensor")


def _constant(attrs: Mapping[str, Any]) -> Array:
    numbers: Mapping[str, Any] = {
        "value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64
    }  # fmt: skip
    dtypes = {"value": None, **numbers}
    if len(attrs) != 1 or not set(attrs) <= set(dtypes):
        raise Unsupported(f"a constant given as {sorted(attrs)}; one of {sorted(dtypes)} is read")
    ((kind, value),) = attrs.items()
    return np.asarray(value, dtypes[kind])


def _learn(reading: Reading, name: str, value: Array) -> None:
    reading.known[name] = value
    reading.types[name] = TensorType(value.shape, value.dtype.name)


def _evaluated(reading: Reading, node: Node, types: Sequence[TensorType]) -> list[Array] | None:
    """Evaluate a node that follows from constants alone; sizes are looked at before anything is allocated."""
    if node.op == "Shape":
        return [np.array(reading.types[node.inputs[0]].shape[node.attrs["start"] : node.attrs["end"]], np.int64)]
    if node.op == "Size":
        return [np.array(reading.types[node.inputs[0]].elements, np.int64)]
    if not all(name in reading.known for name in node.inputs) or _stays(reading, node):
        return None
    shapes = [reading.types[n].shape for n in node.inputs]
    reading.elements += sum(t.elements for t in types)
    reading.macs += OPS[node.op].macs(shapes, types[0].shape, node.attrs)
    if reading.elements > _LARGEST_CONSTANT or reading.macs > _MOST_MACS:
        raise BadFile(f"it makes constants of {reading.elements} elements; at most {_LARGEST_CONSTANT} are computed")
    with np.errstate(all="ignore"):
        return run_node(node, [reading.known[name] for name in node.inputs])


def _stays(reading: Reading, node: Node) -> bool:
    """Whether a node is kept although it follows from constants.

    It unpacks weights that the file stores in a smaller type, or repeats a weight for each picture of a batch.
    """
    dtype = reading.types[node.inputs[0]].dtype if node.inputs else ""
    half = node.op == "Cast" and dtype == "float16"
    repeats = node.op == "Expand" and reading.is_open and np.dtype(dtype).kind == "f"
    return half or repeats or node.op == "DequantizeLinear"

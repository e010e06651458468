"""ONNX file → Graph: one form for all opsets, constants folded, shape arithmetic resolved.

Files compute shapes from their input (Shape → Gather → Concat → Reshape). Such chains are evaluated while reading, at two
sizes of everything that is open; what moves with the size becomes a -1 (the rest) or a 0 (the same as before).
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ..errors import BadFile, BadValue, Unsupported
from ..spec import InputSpec, ModelSpec, OutputSpec, Shape
from .graph import Array, Graph, Node, Value
from .onnx_file import OnnxFile, counted, open_onnx, spec_of, tensor_array
from .onnx_forms import NORMAL, RENAMED, SCALARS, VANISHING, Attributes, drop_neutral, fixed_operands
from .ops import OPS
from .reference import run_node
from .shape_rules import Dims
from .shapes import TensorType, label, node_types

# Values of open sizes in the two readings: of the first axis, and of the others (multiples of 32, as strides want)
_PROBES = ((2, 192), (3, 320))

_LARGEST_CONSTANT = 1 << 26  # elements of all constants that reading may compute
_MOST_MACS = 1 << 30  # for the same
_LONGEST_ATTRIBUTE = 1 << 10  # values of one operand that becomes an attribute

_THROUGH = (1 << 63) - 1  # an end of a slice: all that is left


@dataclass
class _Reading:
    """The network at one size of its inputs, as far as it is read."""

    opset: int
    types: dict[str, TensorType]
    known: dict[str, Array]
    alias: dict[str, str] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    elements: int = 0
    macs: int = 0


def read_onnx(
    source: Path | str | bytes, name: str | None = None, input_shapes: Mapping[str, Shape] | None = None
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
    readings = [_resolve(file, nodes, inputs, probe) for probe in _PROBES[: 2 if is_open else 1]]
    try:
        return _assemble(file, inputs, readings[0], readings[-1])
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
) -> _Reading:
    """Read all nodes at one size of the inputs."""
    reading = _Reading(file.opset, {}, dict(file.constants))
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


def _read_node(reading: _Reading, proto: onnx.NodeProto) -> None:
    if proto.op_type in VANISHING:
        reading.alias[proto.output[0]] = _tensor(reading, proto.input[0])
        return
    attrs = dict(_attributes(proto))
    if proto.op_type == "Constant":
        _learn(reading, proto.output[0], _constant(attrs))
        return
    node = _normal_form(reading, proto, attrs)
    attrs, types = node_types(node, [reading.types[n] for n in node.inputs])
    node = replace(node, attrs=attrs)
    reading.types |= zip(node.outputs, types, strict=True)
    results = _evaluated(reading, node, types)
    if results is None:
        reading.nodes.append(node)
    for name, result in zip(node.outputs, results or (), strict=False):
        _learn(reading, name, result)


def _normal_form(reading: _Reading, proto: onnx.NodeProto, attrs: Attributes) -> Node:
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
        attrs = NORMAL[proto.op_type](attrs, types, reading.opset, len(outputs))
    attrs = drop_neutral(proto.op_type, attrs, OPS[op].attrs, reading.opset)
    return Node(op, tuple(tensors), outputs, attrs, proto.name)


def _without_trailing(operands: list[str]) -> list[str]:
    while operands and not operands[-1]:
        operands = operands[:-1]
    if "" in operands:
        raise Unsupported("an optional operand is left out before one that is given")
    return operands


def _tensor(reading: _Reading, name: str) -> str:
    name = reading.alias.get(name, name)
    if name not in reading.types:
        raise Unsupported(f"tensor {name!r} is a second output of its node, which is not implemented")
    return name


def _fixed_value(reading: _Reading, attr: str, operand: str) -> Any:
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
    dtypes: Mapping[str, Any] = {
        "value": None, "value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64
    }  # fmt: skip
    if len(attrs) != 1 or not set(attrs) <= set(dtypes):
        raise Unsupported(f"a constant given as {sorted(attrs)}; one of {sorted(dtypes)} is read")
    ((kind, value),) = attrs.items()
    return np.asarray(value, dtypes[kind])


def _learn(reading: _Reading, name: str, value: Array) -> None:
    reading.known[name] = value
    reading.types[name] = TensorType(value.shape, value.dtype.name)


def _evaluated(reading: _Reading, node: Node, types: Sequence[TensorType]) -> list[Array] | None:
    """Evaluate a node that follows from constants alone; sizes are looked at before anything is allocated."""
    if node.op == "Shape":
        return [np.array(reading.types[node.inputs[0]].shape[node.attrs["start"] : node.attrs["end"]], np.int64)]
    if node.op == "Size":
        return [np.array(reading.types[node.inputs[0]].elements, np.int64)]
    if not all(name in reading.known for name in node.inputs) or _is_storage(reading, node):
        return None
    shapes = [reading.types[n].shape for n in node.inputs]
    reading.elements += sum(t.elements for t in types)
    reading.macs += OPS[node.op].macs(shapes, types[0].shape, node.attrs)
    if reading.elements > _LARGEST_CONSTANT or reading.macs > _MOST_MACS:
        raise BadFile(f"it makes constants of {reading.elements} elements; at most {_LARGEST_CONSTANT} are computed")
    with np.errstate(all="ignore"):
        return run_node(node, [reading.known[name] for name in node.inputs])


def _is_storage(reading: _Reading, node: Node) -> bool:
    """Whether a node unpacks weights that the file stores in a smaller type; the graph keeps them so."""
    half = node.op == "Cast" and reading.types[node.inputs[0]].dtype == "float16"
    return half or node.op == "DequantizeLinear"


def _assemble(file: OnnxFile, inputs: Sequence[Value], a: _Reading, b: _Reading) -> Graph:
    nodes = [_merged(file, inputs, x, y, a, b) for x, y in zip(a.nodes, b.nodes, strict=True)]
    nodes, names = _with_outputs(file, nodes, a)
    used = {name for node in nodes for name in node.inputs}
    constants = {n: c for n, c in a.known.items() if n in used}
    for name, value in constants.items():
        if value is not b.known[name] and not np.array_equal(value, b.known[name], equal_nan=value.dtype.kind == "f"):
            raise Unsupported(f"tensor {name!r} depends on the size of the input; fix it with input_shapes")
    outputs = [Value(o, _open(a.types[n].shape, b.types[n].shape), a.types[n].dtype) for o, n in names.items()]
    spec = _with_borders(spec_of(file, inputs, outputs), inputs, outputs)
    return Graph(tuple(nodes), tuple(inputs), tuple(outputs), constants, spec)


def _open(a: Dims, b: Dims) -> Shape:
    return tuple(x if x == y else None for x, y in zip(a, b, strict=True))


def _with_outputs(file: OnnxFile, nodes: list[Node], reading: _Reading) -> tuple[list[Node], dict[str, str]]:
    """Give the outputs their names in the file; what is no node's result gets an Identity."""
    sources = {o: reading.alias.get(o, o) for o in file.outputs}
    written = {name for node in nodes for name in node.outputs}
    renames, copies = {}, []
    for output, source in sources.items():
        if source == output and source in written:
            continue
        if source in written and source not in renames and source not in sources:
            renames[source] = output
        elif source == output:
            raise Unsupported(f"output {output!r} is an input or a constant under its own name")
        else:
            copies.append(Node("Identity", (renames.get(source, source),), (output,), {}, output))
    renamed = [
        replace(
            n, inputs=tuple(renames.get(i, i) for i in n.inputs), outputs=tuple(renames.get(o, o) for o in n.outputs)
        )
        for n in nodes
    ]
    return _live(renamed + copies, set(sources)), sources


def _live(nodes: list[Node], wanted: set[str]) -> list[Node]:
    kept, wanted = [], set(wanted)
    for node in reversed(nodes):
        if wanted.intersection(node.outputs):
            wanted.update(node.inputs)
            kept.append(node)
    return kept[::-1]


def _merged(file: OnnxFile, inputs: Sequence[Value], x: Node, y: Node, a: _Reading, b: _Reading) -> Node:
    """Join one node of two readings: what moves with the size of the inputs is left open."""
    moving = [k for k in x.attrs if x.attrs[k] != y.attrs[k] and not _both_nan(x.attrs[k], y.attrs[k])]
    for attr in moving:
        opener = _OPENERS.get((x.op, attr))
        opened = opener(x, y, a, b, inputs) if opener else None
        if opened is None:
            raise Unsupported(
                f"{label(x)}: {attr} depends on the size of the input ({x.attrs[attr]}, {y.attrs[attr]}); "
                "fix it with input_shapes"
            )
        x = opened
    return x


def _both_nan(x: Any, y: Any) -> bool:
    return isinstance(x, float) and isinstance(y, float) and math.isnan(x) and math.isnan(y)


def _open_reshape(x: Node, y: Node, a: _Reading, b: _Reading, inputs: Sequence[Value]) -> Node | None:
    before = a.types[x.inputs[0]].shape, b.types[y.inputs[0]].shape
    pairs = list(zip(x.attrs["shape"], y.attrs["shape"], strict=True))
    moving = [i for i, (p, q) in enumerate(pairs) if p != q]
    copied = [i for i in moving if i < len(before[0]) and (before[0][i], before[1][i]) == pairs[i]]
    rest = [i for i in moving if i not in copied]
    if len(moving) == 1 and -1 not in x.attrs["shape"]:
        copied, rest = [], moving
    if len(rest) + x.attrs["shape"].count(-1) > 1:
        return None
    shape = tuple(0 if i in copied else -1 if i in rest else p for i, (p, _) in enumerate(pairs))
    return replace(x, attrs={**x.attrs, "shape": shape})


def _open_sizes(x: Node, y: Node, a: _Reading, b: _Reading, inputs: Sequence[Value]) -> Node | None:
    before = zip(a.types[x.inputs[0]].shape, b.types[y.inputs[0]].shape, strict=True)
    pairs = list(zip(x.attrs["sizes"], y.attrs["sizes"], before, strict=True))
    if any(p != q and (p, q) != same for p, q, same in pairs):
        return None
    return replace(x, attrs={**x.attrs, "sizes": tuple(0 if p != q else p for p, q, _ in pairs)})


def _open_ends(x: Node, y: Node, a: _Reading, b: _Reading, inputs: Sequence[Value]) -> Node | None:
    ends = []
    for p, q, axis, step in zip(x.attrs["ends"], y.attrs["ends"], x.attrs["axes"], x.attrs["steps"], strict=True):
        size = (a.types[x.inputs[0]].shape[axis], b.types[y.inputs[0]].shape[axis])
        if p != q and ((p, q) != size or step < 0):
            return None
        ends.append(p if p == q else _THROUGH)
    return replace(x, attrs={**x.attrs, "ends": tuple(ends)})


def _open_expand(x: Node, y: Node, a: _Reading, b: _Reading, inputs: Sequence[Value]) -> Node | None:
    pairs = set(zip(x.attrs["shape"], y.attrs["shape"], strict=True))
    moving = {p for p in pairs if p[0] != p[1]}
    like = [v.name for v in inputs if v.shape and {(a.types[v.name].shape[0], b.types[v.name].shape[0])} == moving]
    if not like:
        return None
    shape = tuple(-1 if p != q else p for p, q in zip(x.attrs["shape"], y.attrs["shape"], strict=True))
    return replace(x, inputs=(x.inputs[0], like[0]), attrs={**x.attrs, "shape": shape})


_OPENERS: Mapping[tuple[str, str], Any] = {
    ("Reshape", "shape"): _open_reshape,
    ("Resize", "sizes"): _open_sizes,
    ("Slice", "ends"): _open_ends,
    ("Expand", "shape"): _open_expand,
}


def _with_borders(spec: ModelSpec, inputs: Sequence[Value], outputs: Sequence[Value]) -> ModelSpec:
    """Complete a spec that does not name its inputs or outputs."""
    given = {
        "inputs": spec.inputs or tuple(InputSpec(name=v.name, shape=v.shape, dtype=v.dtype) for v in inputs),
        "outputs": spec.outputs or tuple(OutputSpec(name=v.name, shape=v.shape, dtype=v.dtype) for v in outputs),
    }
    return spec.model_copy(update=given)

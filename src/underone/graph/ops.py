"""The closed table of operators: attributes with their defaults, operands, output shape and dtype, MACs.

The names, the attributes and their meaning are ONNX's. An operator that is not in this table is not part of a Graph.
Five things are said in our own way: `Cast.to` and every dtype are numpy's names; `Clip` without a bound has an infinite
one; a 0 in `Resize.sizes` keeps the input's size; a -1 in `Expand.shape` is the first size of the second operand, which
gives nothing else; strides, pads and dilations that are not given are neutral.
"""

# ruff: noqa: ARG001, ARG005 (one signature for a whole table)

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import BadValue, UnknownName
from . import layout_rules as layout
from . import shape_rules as rules
from .graph import Node
from .shape_rules import Attrs, Dims, Rule, elements

DtypeRule = Callable[[Sequence[str], Attrs], str]
MacRule = Callable[[Sequence[Dims], Dims, Attrs], int]  # operand shapes, output shape, attributes

ANY = 1 << 30  # no upper limit to the number of operands


def _like(position: int) -> DtypeRule:
    return lambda dtypes, attrs: dtypes[position]


def _always(dtype: str) -> DtypeRule:
    return lambda dtypes, attrs: dtype


def _first(dtypes: Sequence[str], attrs: Attrs) -> str:
    return dtypes[0]


def _quantized(dtypes: Sequence[str], attrs: Attrs) -> str:
    return dtypes[2] if len(dtypes) > 2 else "uint8"


def _no_macs(shapes: Sequence[Dims], out: Dims, attrs: Attrs) -> int:
    return 0


def _per_output(weight: int) -> MacRule:
    """Each output element sums over the weight's axes behind the first."""
    return lambda shapes, out, attrs: elements(out) * elements(shapes[weight][1:])


def _per_input(shapes: Sequence[Dims], out: Dims, attrs: Attrs) -> int:
    return elements(shapes[0]) * elements(shapes[1][1:])


def _inner_product(shapes: Sequence[Dims], out: Dims, attrs: Attrs) -> int:
    """Each output element sums over the last axis of the first operand (its first axis with transA)."""
    return elements(out) * shapes[0][0 if attrs.get("transA") else -1]


@dataclass(frozen=True)
class Op:
    """One row of the table.

    Attributes:
        shape: rule for the output shapes.
        operands: fewest and most tensor operands.
        attrs: default by attribute; a type instead of a default: required, of that type.
        dtype: rule for the dtype of all outputs; the first operand's when not given.
        macs: multiply-accumulates; only convolutions and matrix products have any.
    """

    shape: Rule
    operands: tuple[int, int] = (1, 1)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    dtype: DtypeRule = _first
    macs: MacRule = _no_macs


# () stands for the neutral value by rank: strides and dilations 1, pads 0; `attributes` fills it in
_WINDOW = {"strides": (), "pads": (), "dilations": (), "auto_pad": "NOTSET"}
_CONV = _WINDOW | {"group": 1}
_REDUCE = {"axes": (), "keepdims": 1}
_ARG = {"axis": 0, "keepdims": 1, "select_last_index": 0}

OPS: Mapping[str, Op] = {
    # products
    "Conv": Op(rules.convolution, (2, 3), _CONV, macs=_per_output(1)),
    "ConvTranspose": Op(rules.convolution_transposed, (2, 3), _CONV | {"output_padding": ()}, macs=_per_input),
    "Gemm": Op(rules.gemm, (2, 3), {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}, macs=_inner_product),
    "MatMul": Op(rules.matmul, (2, 2), macs=_inner_product),
    # normalisation
    "BatchNormalization": Op(rules.per_channel, (5, 5), {"epsilon": 1e-5}),
    "InstanceNormalization": Op(rules.per_channel, (3, 3), {"epsilon": 1e-5}),
    "LayerNormalization": Op(rules.layer_norm, (2, 3), {"axis": -1, "epsilon": 1e-5}),
    "Softmax": Op(rules.along_axis, attrs={"axis": -1}),
    "LogSoftmax": Op(rules.along_axis, attrs={"axis": -1}),
    # activations and other functions of one element
    "Clip": Op(rules.same, attrs={"min": float("-inf"), "max": float("inf")}),
    "LeakyRelu": Op(rules.same, attrs={"alpha": 0.01}),
    "Elu": Op(rules.same, attrs={"alpha": 1.0}),
    "HardSigmoid": Op(rules.same, attrs={"alpha": 0.2, "beta": 0.5}),
    "Gelu": Op(rules.same, attrs={"approximate": "none"}),
    "Cast": Op(rules.same, attrs={"to": str}, dtype=lambda dtypes, attrs: attrs["to"]),
    "PRelu": Op(rules.prelu, (2, 2)),
    **{
        name: Op(rules.same)
        for name in (
            "Abs",
            "Ceil",
            "Cos",
            "Erf",
            "Exp",
            "Floor",
            "HardSwish",
            "Identity",
            "Log",
            "Mish",
            "Neg",
            "Not",
            "Reciprocal",
            "Relu",
            "Round",
            "Sigmoid",
            "Sign",
            "Sin",
            "Softplus",
            "Sqrt",
            "Tanh",
        )
    },
    # arithmetic with broadcasting
    **{name: Op(rules.broadcast, (2, 2)) for name in ("Add", "Sub", "Mul", "Div", "Pow", "And", "Or")},
    **{name: Op(rules.broadcast, (1, ANY)) for name in ("Min", "Max", "Sum")},
    **{
        name: Op(rules.broadcast, (2, 2), dtype=_always("bool"))
        for name in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
    },
    "Mod": Op(rules.broadcast, (2, 2), {"fmod": 0}),
    "Where": Op(rules.broadcast, (3, 3), dtype=_like(1)),
    # pools and reductions
    "AveragePool": Op(rules.pool, attrs=_WINDOW | {"kernel_shape": tuple, "ceil_mode": 0, "count_include_pad": 0}),
    "MaxPool": Op(rules.pool, attrs=_WINDOW | {"kernel_shape": tuple, "ceil_mode": 0}),
    "GlobalAveragePool": Op(rules.global_pool),
    "GlobalMaxPool": Op(rules.global_pool),
    **{name: Op(rules.reduce, attrs=_REDUCE) for name in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin")},
    **{name: Op(rules.reduce, attrs=_REDUCE) for name in ("ReduceProd", "ReduceL2", "ReduceSumSquare")},
    "ArgMax": Op(rules.arg_reduce, attrs=_ARG, dtype=_always("int64")),
    "ArgMin": Op(rules.arg_reduce, attrs=_ARG, dtype=_always("int64")),
    # layout
    "Reshape": Op(layout.reshape, attrs={"shape": tuple}),
    "Flatten": Op(layout.flatten, attrs={"axis": 1}),
    "Transpose": Op(layout.transpose, attrs={"perm": tuple}),
    "Concat": Op(layout.concat, (1, ANY), {"axis": int}),
    "Split": Op(layout.split, attrs={"axis": 0, "split": tuple}),
    "Slice": Op(layout.slices, attrs={"starts": tuple, "ends": tuple, "axes": tuple, "steps": tuple}),
    "Squeeze": Op(layout.squeeze, attrs={"axes": tuple}),
    "Unsqueeze": Op(layout.unsqueeze, attrs={"axes": tuple}),
    "Gather": Op(layout.gather, (2, 2), {"axis": 0}),
    "Expand": Op(layout.expand, (1, 2), {"shape": tuple}),
    "Tile": Op(layout.tile, attrs={"repeats": tuple}),
    "Pad": Op(layout.pad, attrs={"pads": tuple, "mode": "constant", "value": 0.0}),
    "Resize": Op(
        layout.resize,
        attrs={
            "sizes": (),
            "scales": (),
            "mode": "nearest",
            "coordinate_transformation_mode": "half_pixel",
            "nearest_mode": "round_prefer_floor",
            "cubic_coeff_a": -0.75,
        },
    ),
    "DepthToSpace": Op(layout.depth_to_space, attrs={"blocksize": int, "mode": "DCR"}),
    "SpaceToDepth": Op(layout.space_to_depth, attrs={"blocksize": int}),
    # numbers about tensors
    "Shape": Op(layout.shape_of, attrs={"start": 0, "end": None}, dtype=_always("int64")),
    "Size": Op(rules.scalar, dtype=_always("int64")),
    "ConstantOfShape": Op(
        layout.constant_of_shape,
        (0, 0),
        {"shape": tuple, "value": 0.0, "dtype": "float32"},
        dtype=lambda dtypes, attrs: attrs["dtype"],
    ),
    "Range": Op(
        layout.number_range,
        (0, 0),
        {"start": float, "limit": float, "delta": float, "dtype": "float32"},
        dtype=lambda dtypes, attrs: attrs["dtype"],
    ),
    # integer networks
    "QuantizeLinear": Op(rules.same, (2, 3), {"axis": 1}, dtype=_quantized),
    "DequantizeLinear": Op(rules.same, (2, 3), {"axis": 1}, dtype=_like(1)),
    "ConvInteger": Op(rules.integer_convolution, (2, 4), _CONV, dtype=_always("int32"), macs=_per_output(1)),
    "MatMulInteger": Op(rules.matmul, (2, 4), dtype=_always("int32"), macs=_inner_product),
    "QLinearConv": Op(rules.quantized_convolution, (8, 9), _CONV, dtype=_like(7), macs=_per_output(3)),
    "QLinearMatMul": Op(rules.quantized_matmul, (8, 8), dtype=_like(7), macs=_inner_product),
}


def op_of(node: Node) -> Op:
    """Look up the row of a node.

    Raises:
        UnknownName: the operator is not in the table.
    """
    if node.op not in OPS:
        raise UnknownName("operator", node.op, OPS)
    return OPS[node.op]


def attributes(op: str, given: Attrs, shapes: Sequence[Dims]) -> dict[str, Any]:
    """Complete the attributes of a node: defaults filled in, lists by rank, axes counted from the front.

    Args:
        op: name of a row.
        given: attributes as written; sequences may be lists or tuples.
        shapes: operand shapes.

    Raises:
        BadValue: an attribute is unknown, missing or of another type.
    """
    full = typed(op, given)
    return _spatial(full, shapes) | _front_axes(op, full, shapes)


def typed(op: str, given: Attrs) -> dict[str, Any]:
    """Check the attributes of a node and fill in the defaults that do not depend on shapes.

    Raises:
        BadValue: an attribute is unknown, missing or of another type.
    """
    row = OPS[op].attrs
    unknown, missing = set(given) - set(row), [k for k, v in row.items() if isinstance(v, type) and k not in given]
    if unknown or missing:
        raise BadValue(f"{op} has unknown attributes {sorted(unknown)}, missing ones {missing}; it takes {sorted(row)}")
    return {k: _typed(op, k, given.get(k, default), default) for k, default in row.items()}


def _typed(op: str, name: str, value: Any, default: Any) -> Any:
    kind = default if isinstance(default, type) else type(default)
    try:
        if kind is type(None):
            return value
        if kind in (int, str) and not isinstance(value, (kind, bool)):
            raise TypeError
        if kind is tuple and not isinstance(value, str):
            return tuple(map(float if name == "scales" else operator.index, value))
        if kind is tuple:
            raise TypeError
        return kind(value)
    except (TypeError, ValueError) as error:
        raise BadValue(f"{op}: attribute {name} is {value!r}; a {kind.__name__} is required") from error


def _spatial(full: dict[str, Any], shapes: Sequence[Dims]) -> dict[str, Any]:
    if "strides" not in full:
        return full
    rank = max(len(shapes[0]) - 2, 0)
    neutral = {
        "strides": (1,) * rank, "dilations": (1,) * rank, "pads": (0,) * 2 * rank, "output_padding": (0,) * rank
    }  # fmt: skip
    return full | {k: v for k, v in neutral.items() if k in full and full[k] == ()}


def _front_axes(op: str, full: dict[str, Any], shapes: Sequence[Dims]) -> dict[str, Any]:
    if op in ("QuantizeLinear", "DequantizeLinear") or not shapes:
        return {}  # their axis means nothing for one scale per tensor
    rank = len(shapes[0]) + (len(full["axes"]) if op == "Unsqueeze" else 0)
    found: dict[str, Any] = {}
    if "axis" in full and op != "Flatten":
        found["axis"] = rules.axis_of(full["axis"], rank)
    if "axes" in full:
        found["axes"] = rules.axes_of(full["axes"], rank)
    return found

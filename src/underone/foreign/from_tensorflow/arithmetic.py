"""Rules for TensorFlow's functions of elements, products and reductions.

Source: tensorflow/core/ops/math_ops.cc, nn_ops.cc.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .graph_def import TfNode
from .translation import Rule, Translation


def _named(op: str, **attrs: Any) -> Rule:
    """Give the rule of an operation that ONNX has too, with the same operands."""
    return lambda t, node: t.builder.add(op, t.operands(node), node.name, **attrs)


def _leaky(t: Translation, node: TfNode) -> str:
    return t.builder.add("LeakyRelu", t.operands(node), node.name, alpha=node.number("alpha", 0.2))


def _rsqrt(t: Translation, node: TfNode) -> str:
    root = t.builder.add("Sqrt", t.operands(node), f"{node.name}/root")
    return t.builder.add("Reciprocal", [root], node.name)


def _square(t: Translation, node: TfNode) -> str:
    x = t.operand(node, 0)
    return t.builder.add("Mul", [x, x], node.name)


def _squared_difference(t: Translation, node: TfNode) -> str:
    difference = t.builder.add("Sub", t.operands(node), f"{node.name}/difference")
    return t.builder.add("Mul", [difference, difference], node.name)


def _divide(t: Translation, node: TfNode) -> str:
    operands = t.operands(node)
    if np.dtype(t.builder.dtype(operands[0])).kind != "f":
        raise t.unsupported(node, "divides whole numbers")
    quotient = t.builder.add("Div", operands, f"{node.name}/quotient" if node.op == "FloorDiv" else node.name)
    return t.builder.add("Floor", [quotient], node.name) if node.op == "FloorDiv" else quotient


def _not_equal(t: Translation, node: TfNode) -> str:
    equal = t.builder.add("Equal", t.operands(node), f"{node.name}/equal")
    return t.builder.add("Not", [equal], node.name)


def _cast(t: Translation, node: TfNode) -> str:
    to = node.dtype("DstT")
    if to is None:
        raise node.bad("does not say to which type")
    return t.builder.add("Cast", t.operands(node), node.name, to=to)


def _clip_by_value(t: Translation, node: TfNode) -> str:
    low, high = (float(t.array(node, i).item()) for i in (1, 2))
    return t.builder.add("Clip", [t.operand(node, 0)], node.name, min=low, max=high)


def _matmul(t: Translation, node: TfNode) -> str:
    a, b = t.operands(node)
    if t.builder.rank(a) == t.builder.rank(b) == 2:
        turned = {"transA": node.integer("transpose_a"), "transB": node.integer("transpose_b")}
        return t.builder.add("Gemm", [a, b], node.name, **turned)
    a, b = (_turned(t, x) if node.integer(adjoint) else x for x, adjoint in ((a, "adj_x"), (b, "adj_y")))
    return t.builder.add("MatMul", [a, b], node.name)


def _turned(t: Translation, x: str) -> str:
    rank = t.builder.rank(x)
    return t.builder.add("Transpose", [x], f"{x}/turned", perm=(*range(rank - 2), rank - 1, rank - 2))


def _reduce(op: str) -> Rule:
    def rule(t: Translation, node: TfNode) -> str:
        x = t.operand(node, 0)
        rank = t.builder.rank(x)
        axes = tuple(sorted({t.axis(node, a, rank) for a in t.integers(node, 1)}))
        if not axes:
            return x
        return t.builder.add(op, [x], node.name, axes=axes, keepdims=int(bool(node.integer("keep_dims"))))

    return rule


def _arg(op: str) -> Rule:
    def rule(t: Translation, node: TfNode) -> str:
        x = t.operand(node, 0)
        axis = t.axis(node, t.integer(node, 1), t.builder.rank(x))
        found = t.builder.add(op, [x], node.name, axis=axis, keepdims=0)
        wanted = node.dtype("output_type") or "int64"
        return found if wanted == "int64" else t.builder.add("Cast", [found], f"{node.name}/cast", to=wanted)

    return rule


def _softmax(op: str) -> Rule:
    return lambda t, node: t.builder.add(op, t.operands(node), node.name, axis=-1)


def _zeros_like(t: Translation, node: TfNode) -> str:
    x = t.operand(node, 0)
    zero = t.builder.constant(f"{node.name}/zero", np.zeros((), t.builder.dtype(x)))
    return t.builder.add("Mul", [x, zero], node.name)


_ALIKE = (
    "Abs", "Ceil", "Cos", "Elu", "Equal", "Erf", "Exp", "Floor", "Greater", "Less", "Log", "Mul", "Neg", "Pow",
    "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Sin", "Softplus", "Sqrt", "Sub", "Tanh",
)  # fmt: skip

FUNCTIONS: Mapping[str, Rule] = {
    **{op: _named(op) for op in _ALIKE},
    "Add": _named("Add"),
    "AddN": _named("Sum"),
    "AddV2": _named("Add"),
    "ClipByValue": _clip_by_value,
    "Cast": _cast,
    **dict.fromkeys(("Div", "FloorDiv", "RealDiv"), _divide),
    "FloorMod": _named("Mod", fmod=0),
    "GreaterEqual": _named("GreaterOrEqual"),
    "Inv": _named("Reciprocal"),
    "LeakyRelu": _leaky,
    "LessEqual": _named("LessOrEqual"),
    "LogicalAnd": _named("And"),
    "LogicalNot": _named("Not"),
    "LogicalOr": _named("Or"),
    "Maximum": _named("Max"),
    "Minimum": _named("Min"),
    "NotEqual": _not_equal,
    "Relu6": _named("Clip", min=0.0, max=6.0),
    "Rsqrt": _rsqrt,
    "SelectV2": _named("Where"),
    "Square": _square,
    "SquaredDifference": _squared_difference,
    "ZerosLike": _zeros_like,
    # products and reductions
    **dict.fromkeys(("BatchMatMul", "BatchMatMulV2", "MatMul"), _matmul),
    "ArgMax": _arg("ArgMax"),
    "ArgMin": _arg("ArgMin"),
    "LogSoftmax": _softmax("LogSoftmax"),
    "Max": _reduce("ReduceMax"),
    "Mean": _reduce("ReduceMean"),
    "Min": _reduce("ReduceMin"),
    "Prod": _reduce("ReduceProd"),
    "Softmax": _softmax("Softmax"),
    "Sum": _reduce("ReduceSum"),
}

"""The operators of a TFLite network about single numbers: reductions, comparisons, types."""

from collections.abc import Callable

import numpy as np

from .call import Call, Made

_BOOL = "<?"


def reduce(op: str) -> Callable[[Call], Made]:
    """Reductions along fixed axes."""

    def make(call: Call) -> Made:
        rank = call.builder.rank(call.x())
        axes = sorted({a % rank if -rank <= a < rank else a for a in call.fixed(1)})
        if not axes:
            return call.x()
        keep = int(call.option(0, _BOOL))
        return call.builder.add(op, [call.x()], call.name, axes=tuple(axes), keepdims=keep)

    return make


def arg(op: str) -> Callable[[Call], Made]:
    """ARG_MAX and ARG_MIN along one axis."""

    def make(call: Call) -> Made:
        (axis,) = call.fixed(1) or [0]
        found = call.builder.add(op, [call.x()], f"{call.name}/index", axis=axis, keepdims=0)
        return cast_to_result(call, found)

    return make


def cast_to_result(call: Call, x: str) -> str:
    """Give x in the type of the operator's result."""
    if not call.result.dtype:
        raise call.unsupported("its type of result")
    dtype = np.dtype(call.result.dtype).name
    return x if call.builder.dtype(x) == dtype else call.builder.add("Cast", [x], call.name, to=dtype)


def cast(call: Call) -> Made:
    """CAST."""
    return cast_to_result(call, call.x())


def select(call: Call) -> Made:
    """SELECT and SELECT_V2."""
    ranks = {call.builder.rank(x) for x in call.xs()}
    if call.operator.op == "SELECT" and len(ranks) > 1:
        raise call.unsupported("a condition by row")
    return call.builder.add("Where", call.xs(), call.name)


def not_equal(call: Call) -> Made:
    """NOT_EQUAL."""
    equal = call.builder.add("Equal", call.xs(), f"{call.name}/equal")
    return call.builder.add("Not", [equal], call.name)


def floor_div(call: Call) -> Made:
    """FLOOR_DIV of real numbers."""
    if not call.builder.dtype(call.x()).startswith("float"):
        raise call.unsupported("a division of whole numbers")
    ratio = call.builder.add("Div", call.xs(), f"{call.name}/ratio")
    return call.builder.add("Floor", [ratio], call.name)


def same(call: Call) -> Made:
    """Operators that only change how a tensor is stored."""
    return call.x()

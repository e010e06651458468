"""Graph → a MIL program, node by node."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import Unsupported
from ...graph import Array, Graph, Node, infer_shapes
from ...graph.onnx_file import counted
from ...graph.ops import attributes
from ...spec import Shape
from .operators import OPERATORS, Call, Making, Operator
from .vendor import Builder, Function, Program, get_new_symbol, types
from .whole import dequantize, gather, quantize

_ALL: Mapping[str, Operator] = {
    **OPERATORS, "QuantizeLinear": quantize, "DequantizeLinear": dequantize, "Gather": gather,
}  # fmt: skip
USUAL = 224  # pixels, of a height or width that is open: what Core ML prepares for
_TYPES = {"float32": types.fp32, "float16": types.fp16, "int32": types.int32, "bool": types.bool}


def to_program(graph: Graph, target: Any) -> Program:
    """Write a graph down in MIL.

    Args:
        graph: with names as `with_plain_names` makes them, and a batch of 1; heights and widths of pictures may be
            open, where nothing in the network depends on them.
        target: the oldest system that is to run it, a member of coremltools.target.

    Raises:
        Unsupported: operators, dtypes or sizes that have no form there; unknown operators are all named at once.
    """
    _require_known(graph)
    found = infer_shapes(graph, sizes={v.name: tuple(n or USUAL for n in v.shape) for v in graph.inputs})
    inputs = {v.name: Builder.placeholder(shape=_shape(v.shape), dtype=_type(v.name, v.dtype)) for v in graph.inputs}
    with Function(inputs, opset_version=target) as function:
        making = Making(found, {n: _narrow(c) for n, c in graph.constants.items()} | dict(function.inputs))
        for node in graph.nodes:
            making.values.update(zip(node.outputs, _built(node, making), strict=True))
        function.set_outputs([making.values[v.name] for v in graph.outputs])
    program = Program()
    program.add_function("main", function)
    return program


def _require_known(graph: Graph) -> None:
    unknown = Counter(node.op for node in graph.nodes if node.op not in _ALL)
    if unknown:
        raise Unsupported(f"operators that cannot be written for Core ML: {counted(unknown)}")
    open_sizes = [
        f"{v.name!r} {v.shape}" for v in graph.inputs if None in (v.shape if len(v.shape) != 4 else v.shape[:2])
    ]
    if open_sizes:
        raise Unsupported(
            f"input {', '.join(open_sizes)} is open; only heights and widths of Core ML's pictures can be"
        )


def _shape(sizes: Shape) -> list[Any]:
    return [get_new_symbol() if n is None else n for n in sizes]


def _type(name: str, dtype: str) -> Any:
    if dtype not in _TYPES:
        raise Unsupported(f"input {name!r} takes {dtype}; Core ML takes {', '.join(_TYPES)}")
    return _TYPES[dtype]


def _narrow(constant: Array) -> Array:
    """Give a constant in a dtype that MIL has."""
    if constant.dtype == np.int64:
        return np.clip(constant, -(2**31), 2**31 - 1).astype(np.int32)
    return constant.astype(np.float32) if constant.dtype == np.float64 else constant


def _built(node: Node, making: Making) -> tuple[Any, ...]:
    shapes = [making.types[n].shape for n in node.inputs if n]
    made = _ALL[node.op](Call(making, replace(node, attrs=attributes(node.op, node.attrs, shapes))))
    return tuple(made) if isinstance(made, list | tuple) else (made,)

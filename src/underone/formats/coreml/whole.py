"""Whole numbers in MIL: packed weights from iOS 16 on, activations of 8 bits from iOS 17 on.

Source: the documentation of the operations in coremltools 9.0 (iOS16.constexpr_ops, iOS17.quantization_ops).
"""

from collections.abc import Container
from dataclasses import replace
from typing import Any

import numpy as np

from ...graph import Graph, Node
from ...graph.reference import run_node
from .operators import OPERATORS, Call
from .vendor import Builder

_BYTES = (np.int8, np.uint8)


def with_real_biases(graph: Graph) -> Graph:
    """Give constants of more than 8 bits as what they stand for; MIL unpacks bytes only."""
    constants, nodes = dict(graph.constants), list[Node]()
    for node in graph.nodes:
        whole = constants.get(node.inputs[0]) if node.op == "DequantizeLinear" else None
        if whole is None or whole.dtype in _BYTES:
            nodes.append(node)
        else:
            constants[node.outputs[0]] = run_node(node, [constants[n] for n in node.inputs])[0]
    return replace(graph, nodes=tuple(nodes), constants=constants)


def is_table(node: Node, constants: Container[str]) -> bool:
    """Whether a node gives a weight from a table of values and indices, both fixed."""
    return node.op == "Gather" and all(name in constants for name in node.inputs)


def quantize(c: Call) -> Any:
    """Round to bytes."""
    return Builder.quantize(input=c.x, **_scales(c), output_dtype=str(c.operands[2].dtype), name=c.name)


def dequantize(c: Call) -> Any:
    """Give what bytes stand for; of a constant when the program is loaded."""
    if not isinstance(c.x, np.ndarray):
        return Builder.dequantize(input=c.x, **_scales(c), name=c.name)
    how = {**_scales(c), "axis": np.int32(c["axis"] % c.x.ndim)}
    return Builder.constexpr_affine_dequantize(quantized_data=c.x, **how, name=c.name)


def gather(c: Call) -> Any:
    """Take parts of a tensor; a fixed table and fixed indices stay apart in the file."""
    table, indices = c.operands
    if not isinstance(table, np.ndarray) or not isinstance(indices, np.ndarray) or table.ndim != 1:
        return OPERATORS["Gather"](c)
    bits = max(len(table).bit_length() - 1, 1)
    split = (indices.reshape(-1, 1) >> np.arange(bits)) & 1  # (elements, bits), the lowest first
    return Builder.constexpr_lut_to_dense(
        indices=np.packbits(split.astype(np.uint8), bitorder="little"), lut=table,
        shape=np.array(indices.shape, np.uint32), name=c.name,
    )  # fmt: skip


def _scales(c: Call) -> dict[str, Any]:
    """Give scale and zero point, and the axis where there is one for each of its indices."""
    if len(c.operands) != 3 or not all(isinstance(v, np.ndarray) for v in c.operands[1:]):
        raise c.unsupported("a scale that is computed, or one without a zero point,")
    scale, zero = c.operands[1:]
    if zero.dtype not in _BYTES:
        raise c.unsupported(f"a tensor of {zero.dtype}")
    if scale.size > 1:
        return {"scale": scale, "zero_point": zero, "axis": c["axis"] % len(c.shape)}
    return {"scale": scale.reshape(())[()], "zero_point": zero.reshape(())[()]}

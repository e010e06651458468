"""Convolutions of bytes whose weights have nine bits: the engine's kernels for bytes hold them in eight.

TFLite's first quantisers stored weights as uint8 with any zero point; less that they reach from -255 to 255. Float32
holds their products with bytes and the sums of those exactly, up to 2 ** 24, in any order.
"""

from dataclasses import replace

import numpy as np

from ..graph import Array, Graph, Node
from ..graph.graph import unused_name

_EXACT = 1 << 24  # whole numbers up to that have a float32 each


def wide_convolutions(graph: Graph) -> Graph:
    """Write each QLinearConv whose weights less their zero points leave int8 as a convolution of whole float32 numbers.

    Its sums are the same whole numbers. Where they could leave what float32 holds, or the output has a scale for each
    channel, the node stays. A plan in bfloat16 rounds the sums, and what becomes of them, to eight bits before they are
    bytes: some of these are then a level off.
    """
    found = {id(node): numbers for node in graph.nodes if (numbers := _whole_numbers(graph, node)) is not None}
    if not found:
        return graph
    constants, nodes, taken = dict(graph.constants), [], graph.names()
    for node in graph.nodes:
        if id(node) in found:
            nodes += _in_floats(node, *found[id(node)], constants, taken)
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes), constants=constants)


def _whole_numbers(graph: Graph, node: Node) -> tuple[Array, Array, Array] | None:
    """Give weight (O, I, h, w), bias (O,) and the factors of the sums, for the axes (O, h, w); None: the node stays."""
    if node.op != "QLinearConv" or any(name not in graph.constants for name in node.inputs[1:]):
        return None
    x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, *bias = (graph.constants[n] for n in node.inputs[1:])
    if any(v.size != 1 for v in (x_scale, x_zero, y_scale, y_zero)):
        return None
    weight = w.astype(np.int64) - w_zero.astype(np.int64).reshape(-1, *[1] * (w.ndim - 1))
    whole = bias[0].astype(np.int64) if bias else np.zeros(len(weight), np.int64)
    largest = 255 * np.abs(weight).reshape(len(weight), -1).sum(axis=1) + np.abs(whole)
    if (weight.min() >= -128 and weight.max() <= 127) or largest.max() >= _EXACT:
        return None
    factors = np.asarray(x_scale.ravel() * w_scale.ravel() / y_scale.ravel(), np.float32)
    return weight.astype(np.float32), whole.astype(np.float32), factors.reshape(-1, *[1] * (w.ndim - 2))


def _in_floats(
    node: Node, weight: Array, bias: Array, factors: Array, constants: dict[str, Array], taken: set[str]
) -> list[Node]:
    values = {"one": np.ones((), np.float32), "weight": weight, "bias": bias, "factors": factors}
    names = {part: unused_name(f"{node.outputs[0]}/{part}", taken) for part in (*values, "x", "sum", "scaled")}
    taken.update(names.values())
    constants |= {names[part]: value for part, value in values.items()}
    return [
        Node("DequantizeLinear", (node.inputs[0], names["one"], node.inputs[2]), (names["x"],)),
        Node("Conv", (names["x"], names["weight"], names["bias"]), (names["sum"],), node.attrs, node.name),
        Node("Mul", (names["sum"], names["factors"]), (names["scaled"],)),  # before it is rounded, as the kernels do it
        Node("QuantizeLinear", (names["scaled"], names["one"], node.inputs[7]), node.outputs),
    ]

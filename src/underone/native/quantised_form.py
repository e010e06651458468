"""Rewrites that bring a quantised graph into the form that the engine's byte kernels take."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..graph import Graph, Node
from ..graph.graph import unused_name
from ..graph.integer_form import integer_convolutions
from ..graph.ops import attributes
from ..graph.passes import drop_unused
from ..graph.reference import run_node

RESHAPES = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")


def quantised_form(graph: Graph) -> Graph:
    """Bring a graph with QuantizeLinear and DequantizeLinear into the engine's form; another graph stays as it is.

    Convolutions and products with a matrix between them become QLinearConv; weights whose products nobody rounds are
    dequantised; a change of shape between both moves in front of them.
    """
    if not any(node.op in ("QuantizeLinear", "DequantizeLinear") for node in graph.nodes):
        return graph
    whole = integer_convolutions(products_as_convolutions(reshape_bytes(graph)))
    return drop_unused(dequantise_constants(whole))


def reshape_bytes(graph: Graph) -> Graph:
    """Write DequantizeLinear, a change of shape, QuantizeLinear with the same scale as a change of shape of bytes."""
    makers, uses = _makers(graph), _uses(graph)
    moved: dict[int, Node] = {}
    for node in graph.nodes:
        shape = makers.get(node.inputs[0]) if node.op == "QuantizeLinear" else None
        if shape is None or shape.op not in RESHAPES or uses[node.inputs[0]] != 1:
            continue
        source = makers.get(shape.inputs[0])
        if source is not None and source.op == "DequantizeLinear" and _same_scales(graph, source, node):
            moved[id(node)] = replace(shape, inputs=(source.inputs[0],), outputs=node.outputs)
    nodes = tuple(moved.get(id(n), n) for n in graph.nodes)
    return drop_unused(replace(graph, nodes=nodes)) if moved else graph


def products_as_convolutions(graph: Graph) -> Graph:
    """Write a Gemm of quantised rows and a constant matrix, whose result is quantised, as a convolution of 1x1 maps."""
    makers, constants = _makers(graph), dict(graph.constants)
    taken = {*makers, *constants, *(v.name for v in graph.inputs)}
    nodes: list[Node] = []
    rounded = {n.inputs[0]: n for n in graph.nodes if n.op == "QuantizeLinear"}
    uses = _uses(graph)
    replaced: dict[str, Node] = {}
    for node in graph.nodes:
        rounding = rounded.get(node.outputs[0])
        x, weight = (makers.get(n) for n in node.inputs[:2]) if node.op == "Gemm" else (None, None)
        if (
            rounding is None
            or x is None
            or weight is None
            or uses[node.outputs[0]] != 1
            or not _is_product(graph, node, x, weight)
        ):
            nodes.append(replaced.pop(node.outputs[0], node))
            continue
        columns = graph.constants[weight.inputs[0]]
        turned = columns if node.attrs.get("transB") else columns.T
        names = [
            unused_name(f"{node.outputs[0]}/{part}", taken)
            for part in ("bytes", "x", "matrix", "weight", "y", "rounded")
        ]
        taken.update(names)
        constants[names[2]] = np.ascontiguousarray(turned)[:, :, None, None]
        nodes += [
            Node("Unsqueeze", (x.inputs[0],), (names[0],), {"axes": (2, 3)}),
            Node("DequantizeLinear", (names[0], *x.inputs[1:]), (names[1],), x.attrs),
            Node("DequantizeLinear", (names[2], *weight.inputs[1:]), (names[3],), {"axis": 0}),
            Node("Conv", (names[1], names[3], *node.inputs[2:]), (names[4],), {}, node.name),
            Node("QuantizeLinear", (names[4], *rounding.inputs[1:]), (names[5],), rounding.attrs),
        ]
        replaced[rounding.outputs[0]] = Node("Squeeze", (names[5],), rounding.outputs, {"axes": (2, 3)})
    return drop_unused(replace(graph, nodes=tuple(nodes), constants=constants))


def _is_product(graph: Graph, node: Node, x: Node, weight: Node) -> bool:
    attrs = attributes("Gemm", node.attrs, [])
    constants = graph.constants
    both = x.op == weight.op == "DequantizeLinear" and weight.inputs[0] in constants and len(weight.inputs) == 3
    if not both or len(x.inputs) != 3 or (attrs["alpha"], attrs["beta"], attrs["transA"]) != (1.0, 1.0, 0):
        return False
    scale = constants.get(weight.inputs[1])
    along = 0 if attrs["transB"] else 1
    fits = scale is not None and (
        scale.size == 1 or attributes("DequantizeLinear", weight.attrs, [])["axis"] % 2 == along
    )
    return fits and constants[weight.inputs[0]].ndim == 2


def dequantise_constants(graph: Graph) -> Graph:
    """Give every constant that is only unpacked as what it stands for."""
    constants, nodes = dict(graph.constants), []
    for node in graph.nodes:
        if node.op == "DequantizeLinear" and all(n in constants for n in node.inputs):
            constants[node.outputs[0]] = run_node(node, [constants[n] for n in node.inputs])[0]
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes), constants=constants)


def _same_scales(graph: Graph, source: Node, target: Node) -> bool:
    """Whether both have one scale and one zero point, and the same ones."""
    pairs = list(zip(source.inputs[1:], target.inputs[1:], strict=False))
    return len(source.inputs) == len(target.inputs) == 3 and all(
        _one(graph.constants, a) is not None and _one(graph.constants, a) == _one(graph.constants, b) for a, b in pairs
    )


def _one(constants: Mapping[str, np.ndarray], name: str) -> tuple[str, float] | None:
    value = constants.get(name)
    return None if value is None or value.size != 1 else (value.dtype.name, float(value.item()))


def _makers(graph: Graph) -> dict[str, Node]:
    return {name: node for node in graph.nodes for name in node.outputs}


def _uses(graph: Graph) -> Counter[str]:
    return Counter(n for node in graph.nodes for n in node.inputs) + Counter(v.name for v in graph.outputs)

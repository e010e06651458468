"""Rewrites that bring a quantised graph into the form that the engine's byte kernels take."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..graph import Array, Graph, Node
from ..graph.graph import unused_name
from ..graph.integer_form import integer_convolutions
from ..graph.ops import attributes
from ..graph.passes import drop_unused
from ..graph.reference import run_node
from .wide_weights import wide_convolutions

RESHAPES = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")
MOVES = (*RESHAPES, "Resize", "Concat")  # what bytes go through and stay the same


def quantised_form(graph: Graph) -> Graph:
    """Bring a graph with QuantizeLinear and DequantizeLinear into the engine's form; another graph stays as it is.

    Convolutions and products with a matrix between them become QLinearConv, those of wider weights than the kernels
    hold whole numbers in float32; weights whose products nobody rounds are dequantised; what only moves bytes goes in
    front of both.
    """
    if not any(node.op in ("QuantizeLinear", "DequantizeLinear") for node in graph.nodes):
        return graph
    whole = integer_convolutions(products_as_convolutions(concat_bytes(move_bytes(graph))))
    return drop_unused(wide_convolutions(dequantise_constants(whole)))


def move_bytes(graph: Graph) -> Graph:
    """Write DequantizeLinear, what moves elements, QuantizeLinear with the same scale as what moves bytes."""
    makers, uses = _makers(graph), _uses(graph)
    moved: dict[int, Node] = {}
    for node in graph.nodes:
        shape = makers.get(node.inputs[0]) if node.op == "QuantizeLinear" else None
        if shape is None or not _only_moves(shape) or uses[node.inputs[0]] != 1:
            continue
        source = makers.get(shape.inputs[0])
        if source is not None and source.op == "DequantizeLinear" and _same_scales(graph, source, node):
            moved[id(node)] = replace(shape, inputs=(source.inputs[0],), outputs=node.outputs)
    nodes = tuple(moved.get(id(n), n) for n in graph.nodes)
    return drop_unused(replace(graph, nodes=nodes)) if moved else graph


def _only_moves(node: Node) -> bool:
    return node.op in RESHAPES or (node.op == "Resize" and node.attrs.get("mode", "nearest") == "nearest")


def concat_bytes(graph: Graph) -> Graph:
    """Write a Concat of dequantised tensors that is quantised as one of bytes, which take its scale before."""
    makers, uses, taken = _makers(graph), _uses(graph), graph.names()
    nodes: list[Node] = []
    for node in graph.nodes:
        concat = makers.get(node.inputs[0]) if node.op == "QuantizeLinear" else None
        sources = [makers.get(n) for n in concat.inputs] if concat is not None and concat.op == "Concat" else []
        found = [s for s in sources if s is not None and _scale(graph, s, "DequantizeLinear") is not None]
        whole = concat is not None and found and len(found) == len(sources) and uses[node.inputs[0]] == 1
        if concat is None or not whole or _scale(graph, node, "QuantizeLinear") is None:
            nodes.append(node)
            continue
        inputs = []
        for source in found:
            if _same_scales(graph, source, node):
                inputs.append(source.inputs[0])
                continue
            inputs.append(unused_name(f"{node.outputs[0]}/{source.inputs[0]}", taken))
            taken.add(inputs[-1])
            nodes.append(Node("QuantizeLinear", (source.outputs[0], *node.inputs[1:]), (inputs[-1],), node.attrs))
        nodes.append(replace(concat, inputs=tuple(inputs), outputs=node.outputs))
    return drop_unused(replace(graph, nodes=tuple(nodes)))


@dataclass(frozen=True)
class _Product:
    """A Gemm and what stands around it."""

    gemm: Node
    x: Node
    weight: Node
    rounding: Node


def products_as_convolutions(graph: Graph) -> Graph:
    """Write a Gemm of quantised rows and a constant matrix, whose result is quantised, as a convolution of 1x1 maps."""
    found = {id(p.gemm): p for node in graph.nodes if (p := _product(graph, node)) is not None}
    if not found:
        return graph
    constants, nodes, taken = dict(graph.constants), [], graph.names()
    written = {id(p.rounding) for p in found.values()}
    for node in graph.nodes:
        if id(node) in found:
            nodes += _convolution(found[id(node)], constants, taken)
        elif id(node) not in written:
            nodes.append(node)
    return drop_unused(replace(graph, nodes=tuple(nodes), constants=constants))


def _product(graph: Graph, node: Node) -> _Product | None:
    if node.op != "Gemm":
        return None
    makers, readers = _makers(graph), [n for n in graph.nodes if node.outputs[0] in n.inputs]
    x, weight = (makers.get(n) for n in node.inputs[:2])
    if x is None or weight is None or len(readers) != 1 or readers[0].op != "QuantizeLinear":
        return None
    attrs, constants = attributes("Gemm", node.attrs, []), graph.constants
    if (attrs["alpha"], attrs["beta"], attrs["transA"]) != (1.0, 1.0, 0) or _uses(graph)[node.outputs[0]] != 1:
        return None
    if not (x.op == weight.op == "DequantizeLinear" and len(x.inputs) == len(weight.inputs) == 3):
        return None
    matrix, scale = (constants.get(n) for n in weight.inputs[:2])
    if matrix is None or scale is None or matrix.ndim != 2:
        return None
    outputs = 0 if attrs["transB"] else 1  # its axis
    if scale.size > 1 and weight.attrs.get("axis", 1) % 2 != outputs:
        return None
    bias = "".join(node.inputs[2:])
    bias = makers[bias].inputs[0] if bias in makers else bias
    if bias and (bias not in constants or constants[bias].shape != (matrix.shape[outputs],)):
        return None
    return _Product(node, x, weight, readers[0])


def _convolution(p: _Product, constants: dict[str, Array], taken: set[str]) -> list[Node]:
    matrix, name = constants[p.weight.inputs[0]], p.gemm.outputs[0]
    image, x, kernel, weight, y, rounded = (
        unused_name(f"{name}/{part}", taken) for part in ("bytes", "x", "kernel", "weight", "y", "rounded")
    )
    turned = matrix if p.gemm.attrs.get("transB") else matrix.T
    constants[kernel] = np.ascontiguousarray(turned)[:, :, None, None]
    return [
        Node("Unsqueeze", (p.x.inputs[0],), (image,), {"axes": (2, 3)}),
        Node("DequantizeLinear", (image, *p.x.inputs[1:]), (x,), p.x.attrs),
        Node("DequantizeLinear", (kernel, *p.weight.inputs[1:]), (weight,), {"axis": 0}),
        Node("Conv", (x, weight, *p.gemm.inputs[2:]), (y,), {}, p.gemm.name),
        Node("QuantizeLinear", (y, *p.rounding.inputs[1:]), (rounded,), p.rounding.attrs),
        Node("Squeeze", (rounded,), p.rounding.outputs, {"axes": (2, 3)}),
    ]


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
    scale = _scale(graph, source, source.op)
    return scale is not None and scale == _scale(graph, target, target.op)


def _scale(graph: Graph, node: Node, op: str) -> tuple[tuple[str, float], ...] | None:
    """Give the one scale and the one zero point of a node of this kind."""
    found = [one for n in node.inputs[1:] if (one := _one(graph.constants, n)) is not None]
    return tuple(found) if node.op == op and len(found) == len(node.inputs) - 1 == 2 else None


def _one(constants: Mapping[str, Array], name: str) -> tuple[str, float] | None:
    value = constants.get(name)
    return None if value is None or value.size != 1 else (value.dtype.name, float(value.item()))


def _makers(graph: Graph) -> dict[str, Node]:
    return {name: node for node in graph.nodes for name in node.outputs}


def _uses(graph: Graph) -> Counter[str]:
    return Counter(n for node in graph.nodes for n in node.inputs) + Counter(v.name for v in graph.outputs)

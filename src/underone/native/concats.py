"""What stands behind a concatenation of convolutions, done by each of them: no second pass over the whole map."""

from collections.abc import Container, Sequence
from dataclasses import replace

import numpy as np

from ..graph import Graph, Node
from ..graph.graph import unused_name
from .finish import FINISHES
from .readers import Readers


def part_concats(graph: Graph, apart: Container[str] = ()) -> Graph:
    """Let convolutions that are concatenated by channels have the batch norm and the function behind it.

    A batch norm is divided by channels. Where anything else reads in between, the concatenation stays as it is.

    Args:
        graph: with batch norms.
        apart: names of nodes that stay.
    """
    readers = Readers(graph, {}, apart)  # sizes are not known yet
    constants, taken = dict(graph.constants), graph.names()
    placed: dict[int, list[Node]] = {}
    for node in graph.nodes:
        widths = _widths(readers, node)
        behind = _behind(readers, node.outputs[0]) if widths else []
        if behind:
            placed |= {id(n): [] for n in behind}
            placed[id(node)] = _parted(node, behind, widths, constants, taken)
    nodes = tuple(n for node in graph.nodes for n in placed.get(id(node), [node]))
    return replace(graph, nodes=nodes, constants=constants)


def _widths(readers: Readers, node: Node) -> list[int]:
    """Give the channels of each operand; none where one is no convolution of maps, or is read elsewhere too."""
    if node.op != "Concat" or node.attrs.get("axis") not in (1, -3) or readers.is_apart(node):
        return []
    made = [readers.makers.get(name) for name in node.inputs]
    weights = [readers.graph.constants.get(n.inputs[1]) for n in made if n is not None and n.op == "Conv"]
    alone = all(readers.uses[name] == 1 for name in node.inputs)
    found = [len(w) for w in weights if w is not None and w.ndim == 4]
    return found if alone and len(found) == len(node.inputs) else []


def _behind(readers: Readers, name: str) -> list[Node]:
    """Give the batch norm behind a tensor, then the function: one node, or the two of x * sigmoid(x)."""
    norm = readers.only_reader(name)
    fixed = norm is not None and all(n in readers.graph.constants for n in norm.inputs[1:])
    nodes = [norm] if norm is not None and norm.op == "BatchNormalization" and fixed else []
    name = nodes[0].outputs[0] if nodes else name
    function = readers.only_reader(name)
    if function is not None and function.op in FINISHES:
        return [*nodes, function]
    return [*nodes, *(readers.silu(name) or ())]


def _parted(
    concat: Node, behind: Sequence[Node], widths: Sequence[int], constants: dict[str, np.ndarray], taken: set[str]
) -> list[Node]:
    """Give the nodes behind a concatenation for each of its operands, and the concatenation of what they give."""
    nodes, last = [], behind[-1].outputs[0]
    ends = []
    for first, width, source in zip(np.cumsum((0, *widths[:-1])), widths, concat.inputs, strict=True):
        names = {concat.outputs[0]: source}
        for node in behind:
            names[node.outputs[0]] = unused_name(f"{source}/{node.outputs[0]}", taken)
            taken.add(names[node.outputs[0]])
            if node.op == "BatchNormalization":
                for name in node.inputs[1:]:
                    names[name] = unused_name(f"{source}/{name}", taken)
                    taken.add(names[name])
                    constants[names[name]] = constants[name][first : first + width]
            inputs = tuple(names.get(name, name) for name in node.inputs)
            nodes.append(replace(node, inputs=inputs, outputs=(names[node.outputs[0]],), name=""))
        ends.append(names[last])
    return [*nodes, replace(concat, inputs=tuple(ends), outputs=(last,))]

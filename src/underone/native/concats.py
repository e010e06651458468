"""What stands behind a concatenation of convolutions, done by each of them: no second pass over the whole map."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..graph import Graph, Node
from ..graph.graph import unused_name
from .readers import node_name

_FUNCTIONS = ("Relu", "Clip", "HardSwish", "HardSigmoid", "Sigmoid", "Gelu")  # of one element, and of one operand


def part_concats(graph: Graph, apart: Collection[str] = ()) -> Graph:
    """Let convolutions that are concatenated by channels have the batch norm and the function behind it.

    A batch norm is divided by channels. Where anything else reads in between, the concatenation stays as it is.

    Args:
        graph: with batch norms.
        apart: names of nodes that stay.
    """
    uses = Counter(n for node in graph.nodes for n in node.inputs) + Counter(v.name for v in graph.outputs)
    readers, producers = defaultdict(list), {n: node for node in graph.nodes for n in node.outputs}
    for node in graph.nodes:
        for name in node.inputs:
            readers[name].append(node)
    constants, taken = dict(graph.constants), {*graph.constants, *producers}
    placed: dict[int, list[Node]] = {}
    for node in graph.nodes:
        widths = _widths(graph, node, uses, producers)
        behind = list(_behind(graph, node, uses, readers)) if widths else []
        if behind and not {node_name(n) for n in (node, *behind)} & {*apart}:
            placed |= {id(n): [] for n in behind}
            placed[id(node)] = _parted(node, behind, widths, constants, taken)
    nodes = tuple(n for node in graph.nodes for n in placed.get(id(node), [node]))
    return replace(graph, nodes=nodes, constants=constants)


def _widths(graph: Graph, node: Node, uses: Counter[str], producers: dict[str, Node]) -> list[int]:
    """Give the channels of each operand; none where one is no convolution, or is read elsewhere too."""
    if node.op != "Concat" or node.attrs.get("axis") != 1:
        return []
    made = [producers.get(name) for name in node.inputs]
    weights = [graph.constants.get(n.inputs[1]) for n in made if n is not None and n.op == "Conv"]
    alone = all(uses[name] == 1 for name in node.inputs)
    found = [len(w) for w in weights if w is not None and w.ndim == 4]
    return found if alone and len(found) == len(node.inputs) else []


def _behind(graph: Graph, node: Node, uses: Counter[str], readers: dict[str, list[Node]]) -> Iterator[Node]:
    """Give the batch norm behind a node, then the function: one node, or the two of x * sigmoid(x)."""
    name = node.outputs[0]
    norm = readers[name][0] if len(readers[name]) == uses[name] == 1 else None
    if norm is not None and norm.op == "BatchNormalization" and all(n in graph.constants for n in norm.inputs[1:]):
        yield norm
        name = norm.outputs[0]
    after = readers[name]
    if len(after) == uses[name] == 1 and after[0].op in _FUNCTIONS and len(after[0].inputs) == 1:
        yield after[0]
    if len(after) == uses[name] == 2 and {n.op for n in after} == {"Sigmoid", "Mul"}:
        gate, product = sorted(after, key=lambda n: n.op, reverse=True)
        if {*product.inputs} == {name, gate.outputs[0]} and uses[gate.outputs[0]] == 1:
            yield gate
            yield product


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

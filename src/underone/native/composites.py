"""Composites: functions that files spell out with several nodes, and the engine computes as one."""

from collections import Counter
from dataclasses import replace
from math import isclose, sqrt

from ..graph import Graph, Node


def join_gelu(graph: Graph) -> Graph:
    """Put Gelu for x * (1 + erf(x / sqrt(2))) * 0.5, in the orders in which it is written."""
    uses = Counter(n for node in graph.nodes for n in node.inputs) + Counter(v.name for v in graph.outputs)
    readers = {n: node for node in graph.nodes for n in node.inputs if uses[n] == 1}
    producers = {n: node for node in graph.nodes for n in node.outputs}
    joined: dict[int, Node] = {}
    gone: set[int] = set()
    for node in graph.nodes:
        inner = producers.get(node.inputs[0]) if node.op == "Erf" and uses[node.inputs[0]] == 1 else None
        x = _divided(graph, inner) if inner is not None else ""
        nodes = _behind(graph, node, x, readers) if x else []
        if inner is not None and nodes:
            joined[id(nodes[-1])] = replace(nodes[-1], op="Gelu", inputs=(x,), attrs={"approximate": "none"})
            gone.update(map(id, (inner, node, *nodes[:-1])))
    return replace(graph, nodes=tuple(joined.get(id(n), n) for n in graph.nodes if id(n) not in gone))


def _divided(graph: Graph, node: Node) -> str:
    """Give what a node divides by the square root of two."""
    ways = {"Mul": (node.inputs, node.inputs[::-1]), "Div": (node.inputs,)}.get(node.op, ())
    for x, other in ways:
        value = _number(graph, other)
        if value is not None and isclose(value, sqrt(2) if node.op == "Div" else sqrt(0.5), rel_tol=1e-6):
            return x
    return ""


def _behind(graph: Graph, erf: Node, x: str, readers: dict[str, Node]) -> list[Node]:
    """Give the three nodes behind the error function: plus 1, times x, times 0.5, the products in any order."""
    wanted: list[tuple[str, float | str]] = [("Add", 1.0), ("Mul", x), ("Mul", 0.5)]
    nodes: list[Node] = []
    last = erf.outputs[0]
    while wanted and last in readers:
        node = readers[last]
        rest = next((n for n in node.inputs if n != last), "")
        found = next((w for w in wanted if w in ((node.op, rest), (node.op, _number(graph, rest)))), None)
        if found is None or (len(wanted) == 3 and found != wanted[0]):
            return []
        wanted.remove(found)
        nodes.append(node)
        last = node.outputs[0]
    return [] if wanted else nodes


def _number(graph: Graph, name: str) -> float | None:
    value = graph.constants.get(name)
    return float(value.ravel()[0]) if value is not None and value.size == 1 else None

"""Who makes and who reads each tensor of a graph."""

from collections import Counter
from collections.abc import Container

from ..graph import Graph, Node
from .finish import Types


class Readers:
    """The nodes around every tensor; nodes of the names in `apart` are joined with nothing."""

    def __init__(self, graph: Graph, types: Types, apart: Container[str] = ()) -> None:
        self.graph = graph
        self.types = types
        self._apart = apart
        self.order = {id(node): i for i, node in enumerate(graph.nodes)}
        self.makers = {name: node for node in graph.nodes for name in node.outputs}
        self.readers: dict[str, list[Node]] = {}
        for node in graph.nodes:
            for name in node.inputs:
                self.readers.setdefault(name, []).append(node)
        self.uses = Counter(name for node in graph.nodes for name in node.inputs)
        self.uses.update(v.name for v in graph.outputs)

    def only_reader(self, name: str) -> Node | None:
        """Give the one node that reads a tensor, when nothing else does."""
        found = self.readers[name][0] if self.uses[name] == 1 and self.readers.get(name) else None
        return None if found is None or self.is_apart(found) else found

    def silu(self, name: str) -> tuple[Node, Node] | None:
        """Give the two nodes that alone read a tensor and are x * sigmoid(x): the Sigmoid, and the product."""
        both = self.readers.get(name, [])
        if self.uses[name] != 2 or sorted(n.op for n in both) != ["Mul", "Sigmoid"] or any(map(self.is_apart, both)):
            return None
        product, gate = sorted(both, key=lambda n: n.op)
        alone = {*product.inputs} == {name, gate.outputs[0]} and self.uses[gate.outputs[0]] == 1
        return (gate, product) if alone else None

    def is_apart(self, node: Node) -> bool:
        """Whether a node was named to stay by itself."""
        return node_name(node) in self._apart


def node_name(node: Node) -> str:
    """Give what a node is called in a profile."""
    return node.name or node.outputs[0]

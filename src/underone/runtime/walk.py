"""A Graph walked node by node in another library's operators, for the adapters that have a table of them."""

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from ..errors import Unsupported
from ..graph import Graph, Node
from ..graph.onnx_file import counted

Bound = Callable[..., Any]  # an operator with its attributes: operands to a result, or to a tuple of them


def require_operators(graph: Graph, table: Container[str], backend: str, name: str) -> None:
    """Look whether a table has every operator of a graph.

    Raises:
        Unsupported: it lacks some; all are named at once.
    """
    lacking = Counter(node.op for node in graph.nodes if node.op not in table)
    if lacking:
        raise Unsupported(
            f"{name}: backend {backend!r} lacks the operators {counted(lacking)}; use backend 'reference'"
        )


class Walk:
    """Operators bound to the shapes of the last inputs; another run of the same shapes only calls them."""

    def __init__(self, graph: Graph, bind: Callable[[Node, Sequence[Any]], Bound]) -> None:
        self.graph = graph
        self.bind = bind
        self.shapes: list[Any] | None = None
        self.steps: list[Bound] = []

    def __call__(self, constants: Mapping[str, Any], given: Mapping[str, Any]) -> list[Any]:
        """Run once; give the outputs in the graph's order."""
        shapes = [x.shape for x in given.values()]
        if self.shapes != shapes:
            self.shapes, self.steps = shapes, []
        tensors = {**constants, **given}
        for i, node in enumerate(self.graph.nodes):
            operands = [tensors[name] if name else None for name in node.inputs]
            if i == len(self.steps):
                self.steps.append(self.bind(node, operands))
            results = self.steps[i](*operands)
            tensors.update(zip(node.outputs, results if isinstance(results, tuple) else (results,), strict=True))
        return [tensors[output.name] for output in self.graph.outputs]

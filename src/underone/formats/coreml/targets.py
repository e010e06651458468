"""The oldest system that a program is for, and the oldest that has what it needs."""

from ...errors import UnknownName, Unsupported
from ...graph import Graph
from .whole import is_table

TARGETS = ("iOS15", "iOS16", "iOS17", "iOS18")  # of ML Programs; names in coremltools.target


def target_for(graph: Graph, wanted: str | None) -> str:
    """Give the target that a graph is written for.

    Args:
        graph: as it is written.
        wanted: by the user; None: the oldest that can run it.

    Raises:
        UnknownName: no such target.
        Unsupported: it lacks something that the graph needs, or has it in a form that is not written.
    """
    least, why = _least(graph)
    if wanted is None:
        return least
    if wanted not in TARGETS:
        raise UnknownName("target", wanted, TARGETS)
    if TARGETS.index(wanted) < TARGETS.index(least):
        raise Unsupported(f"target={wanted!r}: {graph.spec.name!r} has {why}, which {least} was the first to have")
    if wanted == "iOS18" and any(is_table(node, graph.constants) for node in graph.nodes):
        raise Unsupported("target='iOS18': tables of weights are written as iOS 16 and 17 have them; it runs those too")
    return wanted


def _least(graph: Graph) -> tuple[str, str]:
    ops = {"Table" if is_table(node, graph.constants) else node.op for node in graph.nodes}
    if "QuantizeLinear" in ops:
        return "iOS17", "activations in 8 bits"
    if ops & {"DequantizeLinear", "Table"}:
        return "iOS16", "weights in 8 bits or less"
    return "iOS15", ""

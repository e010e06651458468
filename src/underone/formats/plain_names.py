"""Names of tensors as formats take them that allow letters, digits and underscores only."""

import re
from dataclasses import replace

from ..graph import Graph


def with_plain_names(graph: Graph) -> Graph:
    """Give every tensor a name of letters, digits and underscores, which is all that some formats take.

    Inputs and outputs get theirs first, and the spec follows them.
    """
    borders = [v.name for v in (*graph.inputs, *graph.outputs)]
    plain: dict[str, str] = {}
    taken = set[str]()
    for name in (*borders, *graph.constants, *(o for node in graph.nodes for o in node.outputs)):
        if name not in plain:
            made, number = plain_name(name), 1
            while made in taken:
                made, number = f"{plain_name(name)}_{number}", number + 1
            plain[name] = made
            taken.add(made)
    nodes = tuple(
        replace(n, inputs=tuple(plain.get(i, i) for i in n.inputs), outputs=tuple(plain[o] for o in n.outputs))
        for n in graph.nodes
    )
    inputs, outputs = (tuple(replace(v, name=plain[v.name]) for v in side) for side in (graph.inputs, graph.outputs))
    spec = graph.spec.model_copy(
        update={
            side: tuple(v.model_copy(update={"name": plain.get(v.name, v.name)}) for v in getattr(graph.spec, side))
            for side in ("inputs", "outputs")
        }
    )
    constants = {plain[n]: c for n, c in graph.constants.items()}
    return replace(graph, nodes=nodes, inputs=inputs, outputs=outputs, constants=constants, spec=spec)


def plain_name(name: str) -> str:
    """Give a name of letters, digits and underscores that does not begin with a digit."""
    plain = re.sub(r"\W", "_", name.lstrip("/"), flags=re.ASCII)
    return f"_{plain}" if not plain or plain[0].isdigit() else plain

"""Depthwise convolutions that give several channels for each one: repeated channels, then a plain depthwise one."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from ..graph import Graph, Node
from ..graph.graph import unused_name
from .readers import node_name

_MOST = 64  # channels that are repeated by a product: it grows with their square


def repeat_channels(graph: Graph, apart: Collection[str] = ()) -> Graph:
    """Put a product that repeats channels before each depthwise convolution that multiplies them.

    Both then are one chain, where the convolution alone would be a grouped one of single channels. The results are the
    same bit by bit; but where a channel is infinite or NaN, every channel of that pixel becomes NaN.

    Args:
        graph: any.
        apart: names of nodes that stay.
    """
    constants, nodes, taken = dict(graph.constants), list[Node](), graph.names()
    for node in graph.nodes:
        times = _multiplier(graph, node) if node_name(node) not in apart else 1
        if times > 1:
            count = node.attrs["group"]
            wide, weight = (unused_name(f"{node.outputs[0]}/{part}", taken) for part in ("repeated", "repeats"))
            taken |= {wide, weight}
            dtype = graph.constants[node.inputs[1]].dtype
            constants[weight] = np.repeat(np.eye(count, dtype=dtype), times, 0)[..., None, None]
            nodes.append(Node("Conv", (node.inputs[0], weight), (wide,)))
            node = replace(node, inputs=(wide, *node.inputs[1:]), attrs={**node.attrs, "group": count * times})
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes), constants=constants)


def _multiplier(graph: Graph, node: Node) -> int:
    """Give how many channels a depthwise convolution makes of each; 1 of everything else."""
    weight = graph.constants.get(node.inputs[1]) if node.op == "Conv" else None
    groups: int = node.attrs.get("group", 1)
    if weight is None or weight.ndim != 4 or weight.shape[1] != 1 or not 1 < groups <= _MOST:
        return 1
    return len(weight) // groups

"""Rewrites of a graph: each takes a graph and gives a new one that computes the same."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from .graph import Array, Graph, Node, unused_name
from .ops import attributes


def drop_dead(nodes: Sequence[Node], outputs: Iterable[str]) -> tuple[Node, ...]:
    """Leave out the nodes that no output needs."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.outputs):
            wanted.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))


def drop_unused(graph: Graph) -> Graph:
    """Leave out nodes and constants that no output needs."""
    nodes = drop_dead(graph.nodes, [v.name for v in graph.outputs])
    used = {name for node in nodes for name in node.inputs}
    return replace(graph, nodes=nodes, constants={n: c for n, c in graph.constants.items() if n in used})


def drop_identities(graph: Graph) -> Graph:
    """Leave out Identity nodes, but for those that name an output."""
    outputs = {v.name for v in graph.outputs}
    alias: dict[str, str] = {}
    nodes = []
    for node in graph.nodes:
        node = replace(node, inputs=tuple(alias.get(n, n) for n in node.inputs))
        if node.op == "Identity" and node.outputs[0] not in outputs:
            alias[node.outputs[0]] = node.inputs[0]
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def fold_batch_norm(graph: Graph) -> Graph:
    """Fold each batch norm into the convolution before it, where nothing else reads between.

    The algebra runs in float64; results have the dtype of the weight.

    Source: Ding et al., RepVGG (arXiv 2101.03697), section 3.3.
    """
    producers = {name: node for node in graph.nodes for name in node.outputs}
    readers = Counter(name for node in graph.nodes for name in node.inputs) + Counter(v.name for v in graph.outputs)
    constants, folded, taken = dict(graph.constants), {}, graph.names()
    for norm in graph.nodes:
        conv = producers.get(norm.inputs[0]) if norm.op == "BatchNormalization" else None
        if (
            conv is not None
            and conv.op == "Conv"
            and readers[norm.inputs[0]] == 1
            and _all_fixed(conv, norm, constants)
        ):
            names = [unused_name(f"{norm.outputs[0]}/{part}", taken) for part in ("weight", "bias")]
            constants |= zip(names, _folded_weights(conv, norm, constants), strict=True)
            folded[norm.outputs[0]] = replace(conv, inputs=(conv.inputs[0], *names), outputs=norm.outputs)
    nodes = tuple(folded.get(node.outputs[0], node) for node in graph.nodes)
    return drop_unused(replace(graph, nodes=nodes, constants=constants))


def fold_pad_into_conv(graph: Graph) -> Graph:
    """Let a convolution do the zero padding of the Pad before it."""
    producers = {name: node for node in graph.nodes for name in node.outputs}
    nodes = tuple(_padded(node, producers.get(node.inputs[0])) if node.op == "Conv" else node for node in graph.nodes)
    return drop_unused(replace(graph, nodes=nodes))


def _all_fixed(conv: Node, norm: Node, constants: Mapping[str, Array]) -> bool:
    return all(name in constants for name in (*conv.inputs[1:], *norm.inputs[1:]))


def _folded_weights(conv: Node, norm: Node, constants: Mapping[str, Array]) -> tuple[Array, Array]:
    weight = constants[conv.inputs[1]]
    scale, shift, mean, var = (constants[name].astype(np.float64) for name in norm.inputs[1:])
    bias = constants[conv.inputs[2]].astype(np.float64) if len(conv.inputs) > 2 else 0.0
    factor = scale / np.sqrt(var + norm.attrs.get("epsilon", 1e-5))  # (O,)
    column = factor.reshape(-1, *(1,) * (weight.ndim - 1))
    return (weight * column).astype(weight.dtype), ((bias - mean) * factor + shift).astype(weight.dtype)


def _padded(conv: Node, pad: Node | None) -> Node:
    if pad is None or pad.op != "Pad" or conv.attrs.get("auto_pad", "NOTSET") != "NOTSET":
        return conv
    pads, half = tuple(pad.attrs["pads"]), len(pad.attrs["pads"]) // 2
    plain = pad.attrs.get("mode", "constant") == "constant" and pad.attrs.get("value", 0) == 0
    if not plain or min(pads) < 0 or any((*pads[:2], *pads[half : half + 2])):
        return conv
    own = attributes("Conv", conv.attrs, [(1,) * half])["pads"]
    added = tuple(a + b for a, b in zip(own, (*pads[2:half], *pads[half + 2 :]), strict=True))
    return replace(conv, inputs=(pad.inputs[0], *conv.inputs[1:]), attrs={**conv.attrs, "pads": added})

"""Maps with their channels side by side, one map behind the other, as the heads of detectors give them."""

from math import prod

from ..graph import Node
from ..graph.shapes import label
from .tensors import Tensors


def pixel_rows(t: Tensors, node: Node) -> bool:
    """Concat of maps of one picture that were turned to (H, W, C) and reshaped."""
    before = t.types[node.outputs[0]].shape[: t.attributes(node)["axis"]]
    found = [_turned(t, name) for name in node.inputs]
    turned = [pair for pair in found if pair is not None]
    if prod(before) != 1 or len(turned) != len(found):
        return False
    sources = [t.as_map(transpose.inputs[0]) for transpose, _ in turned]
    nodes = [n for pair in turned for n in pair]
    t.step("cells.rows", label(node), {}, sources, [t.new_plain(node.outputs[0])], [*nodes, node])
    return True


def _turned(t: Tensors, name: str) -> tuple[Node, Node] | None:
    """Give the Transpose and the Reshape that made a tensor from a map."""
    reshape = t.producers.get(name)
    turned = t.producers.get(reshape.inputs[0]) if reshape is not None and reshape.op == "Reshape" else None
    if reshape is None or turned is None or turned.op != "Transpose" or not t.on_map(turned.inputs[0]):
        return None
    if t.is_bytes(turned.inputs[0]) or t.fuser.is_apart(turned) or t.fuser.is_apart(reshape):
        return None
    return (turned, reshape) if t.attributes(turned)["perm"] == (0, 2, 3, 1) else None

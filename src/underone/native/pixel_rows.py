"""Maps with their channels side by side, one map behind the other, as the heads of detectors give them."""

from math import prod

from ..graph import Node
from ..graph.shapes import label
from .byte_steps import byte_values
from .quantised import scale_of
from .tensors import Tensors

_ROUNDINGS = ("QuantizeLinear", "DequantizeLinear")

_Way = tuple[str, list[Node]]  # the map that it begins with, and the nodes on it


def pixel_rows(t: Tensors, node: Node) -> bool:
    """Concat of maps of one picture that were turned to (H, W, C) and reshaped."""
    ways = _ways(t, node, of_bytes=False)
    if ways is None:
        return False
    nodes = [*(n for _, way in ways for n in way), node]
    t.step(
        "cells.rows", label(node), {}, [t.as_map(source) for source, _ in ways], [t.new_plain(node.outputs[0])], nodes
    )
    return True


def byte_rows(t: Tensors, node: Node) -> bool:
    """The same of quantised maps: what a byte becomes on its way and behind, where it is rounded anew, is a table."""
    ways = _ways(t, node, of_bytes=True)
    behind = _rounded(t, node.outputs[0])
    result = behind[-1].outputs[0] if behind else node.outputs[0]
    if ways is None or t.types[result].dtype != "float32":
        return False
    tables = [
        byte_values(t, source, [n for n in (*nodes, *behind) if n.op in _ROUNDINGS]).tolist() for source, nodes in ways
    ]
    t.done.update(map(id, behind))
    nodes = [*(n for _, way in ways for n in way), node, *behind]
    attrs = {"tables": [value for table in tables for value in table]}
    t.step("cells.rows", label(node), attrs, [t.as_map(source) for source, _ in ways], [t.new_plain(result)], nodes)
    return True


def _ways(t: Tensors, node: Node, *, of_bytes: bool) -> list[_Way] | None:
    """Give the way of each input of a Concat of one picture, None where one of them has none."""
    before = t.types[node.outputs[0]].shape[: t.attributes(node)["axis"]]
    found = [_way(t, name, of_bytes) for name in node.inputs]
    ways = [way for way in found if way is not None]
    return ways if prod(before) == 1 and len(ways) == len(found) else None


def _way(t: Tensors, name: str, of_bytes: bool) -> _Way | None:
    """Give the map whose Transpose to (H, W, C) and Reshape a tensor is, of bytes with roundings, and their nodes."""
    nodes: list[Node] = []
    moves: list[str] = []
    while moves != ["Transpose", "Reshape"] or not (t.on_map(name) and t.is_bytes(name) == of_bytes):
        maker = t.producers.get(name)
        if maker is None or t.fuser.is_apart(maker):
            return None
        if maker.op not in _ROUNDINGS:
            moves.insert(0, maker.op)
        elif not of_bytes or scale_of(t.graph.constants, maker.inputs) is None:
            return None
        if moves not in ([], ["Reshape"], ["Transpose", "Reshape"]):
            return None
        if maker.op == "Transpose" and t.attributes(maker)["perm"] != (0, 2, 3, 1):
            return None
        nodes.insert(0, maker)
        name = maker.inputs[0]
    return name, nodes


def _rounded(t: Tensors, name: str) -> list[Node]:
    """Give what alone reads a tensor and rounds it, node behind node, as long as it ends in float32."""
    nodes: list[Node] = []
    reader = t.fuser.only_reader(name)
    while reader is not None and reader.op in _ROUNDINGS and scale_of(t.graph.constants, reader.inputs) is not None:
        nodes.append(reader)
        reader = t.fuser.only_reader(reader.outputs[0])
    return nodes[:-1] if nodes and nodes[-1].op == "QuantizeLinear" else nodes

"""Dilated convolutions, which TensorFlow writes as SpaceToBatchND → convolution → BatchToSpaceND."""

from collections.abc import Mapping
from dataclasses import replace

from .graph_def import TfNode, readers_of, split_tensor

_CONVOLUTIONS = frozenset(("Conv2D", "DepthwiseConv2dNative"))
_BETWEEN = frozenset(["BiasAdd", "Identity", "Relu", "Relu6", "Add", "AddV2", "Mul"])  # each pixel by itself


def with_dilations(nodes: Mapping[str, TfNode]) -> dict[str, TfNode]:
    """Give the graph with such convolutions on the tensor before the blocks.

    They get three more operands, the block, the paddings and the crops; BatchToSpaceND becomes an Identity. Where a
    convolution cannot be brought to this form, the nodes stay.
    """
    readers, changed = readers_of(nodes), dict(nodes)
    for end in nodes.values():
        conv = _convolution_before(end, nodes, readers) if end.op == "BatchToSpaceND" and len(end.inputs) == 3 else None
        start = nodes.get(conv.inputs[0]) if conv else None
        if conv and start and start.op == "SpaceToBatchND" and len(start.inputs) == len(end.inputs) == 3:
            x, block, paddings = start.inputs
            changed[conv.name] = replace(conv, inputs=(x, conv.inputs[1], block, paddings, end.inputs[2]))
            changed[end.name] = replace(end, op="Identity", inputs=end.inputs[:1])
    left = readers_of(changed)
    return {name: node for name, node in changed.items() if node.op != "SpaceToBatchND" or left[name]}


def _convolution_before(end: TfNode, nodes: Mapping[str, TfNode], readers: Mapping[str, list[TfNode]]) -> TfNode | None:
    """Follow the data back to a convolution, as long as nobody else reads it."""
    node, steps = end, 0
    while node.inputs and steps < len(_BETWEEN):
        before = nodes.get(split_tensor(node.inputs[0])[0])
        if before is None or len(readers[before.name]) != 1:
            return None
        if before.op in _CONVOLUTIONS:
            return before if len(before.inputs) == 2 else None
        if before.op not in _BETWEEN:
            return None
        node, steps = before, steps + 1
    return None

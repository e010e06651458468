"""Single nodes on quantised maps: each function writes the step of a node and says whether it could."""

from ..graph import Node
from ..graph.shapes import label
from .quantised import Scale, scale_of
from .tensors import Tensors

FEW_CHANNELS = 16  # an image with fewer is unfolded as it comes, without a map of its own
_MEANS = ("GlobalAveragePool", "ReduceMean")


def quantize(t: Tensors, node: Node) -> bool:
    """QuantizeLinear: of a sum or a mean of quantised maps, or of any image."""
    scale = scale_of(t.graph.constants, node.inputs)
    if scale is None or not _could_be_map(t, node.outputs[0]):
        return False
    maker = t.producers.get(node.inputs[0])
    while maker is not None and maker.op in ("Relu", "Clip"):
        maker = t.producers.get(maker.inputs[0])
    if maker is not None and (
        (maker.op == "Add" and _sum(t, maker, node)) or (maker.op in _MEANS and _mean(t, maker, node))
    ):
        return True
    source = t.as_plain(node.inputs[0])
    t.step("cells.quantize", label(node), {"quantum": scale.numbers()}, [source], [t.new_map(node.outputs[0])], [node])
    return True


def _sum(t: Tensors, add: Node, node: Node) -> bool:
    found = t.fuser.byte_sum(add)
    if found is None or found[3] != node.outputs[0] or len({t.types[n].shape for n in (*found[0], found[3])}) > 1:
        return False
    names, scales, nodes, result = found
    if not all(t.on_map(n) for n in names):
        return False
    attrs = sum_attrs(*scales)
    t.step("cells.bytes_add", label(add), attrs, [t.as_map(n) for n in names], [t.new_map(result)], [add, *nodes])
    return True


def sum_attrs(a: Scale, b: Scale, total: Scale) -> dict[str, list[float]]:
    """Give the attributes of a sum of quantised maps."""
    return {"sum_a": a.numbers(), "sum_b": b.numbers(), "sum": total.numbers()}


def _mean(t: Tensors, mean: Node, node: Node) -> bool:
    source = t.producers.get(mean.inputs[0])
    end = t.fuser.rounding(mean.outputs[0])
    scale = (
        scale_of(t.graph.constants, source.inputs) if source is not None and source.op == "DequantizeLinear" else None
    )
    if source is None or scale is None or end is None or not t.on_map(source.inputs[0]):
        return False
    if mean.op == "ReduceMean" and t.attributes(mean)["axes"] != (2, 3):
        return False
    attrs = {"from": scale.numbers(), "to": end[0].numbers()}
    t.step(
        "cells.bytes_mean",
        label(mean),
        attrs,
        [t.as_map(source.inputs[0])],
        [t.new_map(node.outputs[0])],
        [mean, *end[1]],
    )
    return True


def dequantize(t: Tensors, node: Node) -> bool:
    """DequantizeLinear of a map."""
    scale = scale_of(t.graph.constants, node.inputs)
    if scale is None or not t.on_map(node.inputs[0]):
        return False
    source, result = t.as_map(node.inputs[0]), t.new_plain(node.outputs[0])
    t.step("cells.dequantize", label(node), {"quantum": scale.numbers()}, [source], [result], [node])
    return True


def reshape(t: Tensors, node: Node) -> bool:
    """Another shape for the bytes of one pixel: nothing to do."""
    x, y = (t.types[n].shape for n in (node.inputs[0], node.outputs[0]))
    channels = t.types[node.inputs[0]].elements
    if not t.on_map(node.inputs[0]) or any(max(shape, default=0) != channels for shape in (x, y)):
        return False
    t.maps[node.outputs[0]] = t.as_map(node.inputs[0])
    return True


def _could_be_map(t: Tensors, name: str) -> bool:
    shape = t.types[name].shape
    return len(shape) == 4 and shape[0] == 1 and 0 not in shape and shape[1] >= FEW_CHANNELS

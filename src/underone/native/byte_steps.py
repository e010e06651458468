"""Single nodes on quantised maps: each function writes the step of a node and says whether it could."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..graph import Array, Node
from ..graph.reference import run_node
from ..graph.shapes import label
from .byte_nodes import Joined, joined, rounding
from .fuse import FEW_CHANNELS
from .quantised import Scale, scale_of
from .tensors import Tensors

_MEANS = ("GlobalAveragePool", "ReduceMean")
_FUNCTIONS = ("Relu", "Clip", "LeakyRelu", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh")


def quantize(t: Tensors, node: Node) -> bool:
    """QuantizeLinear: of what is computed from quantised maps, or of any image."""
    scale = scale_of(t.graph.constants, node.inputs)
    if scale is None or not _could_be_map(t, node.outputs[0]):
        return False
    if _table(t, node, scale):
        return True
    maker = t.producers.get(node.inputs[0])
    while maker is not None and maker.op in ("Relu", "Clip"):
        maker = t.producers.get(maker.inputs[0])
    attempt = _COMPUTED.get(maker.op) if maker is not None else None
    if maker is not None and attempt is not None and not t.fuser.is_apart(maker) and attempt(t, maker, node):
        return True
    source = t.as_plain(node.inputs[0])
    t.step("cells.quantize", label(node), {"quantum": scale.numbers()}, [source], [t.new_map(node.outputs[0])], [node])
    return True


def _binary(t: Tensors, node: Node, last: Node) -> bool:
    """Sum of two maps, or a map times one factor for each channel."""
    found = joined(t.fuser, node)
    if found is None or found.result != last.outputs[0] or not all(map(t.on_map, found.sources)):
        return False
    shape = t.types[found.result].shape
    found = found if t.types[found.sources[0]].shape == shape else found.turned()
    op, other = ("add", shape) if node.op == "Add" else ("scale", (*shape[:2], 1, 1))
    if [t.types[n].shape for n in found.sources] != [shape, other]:
        return False
    inputs = [t.as_map(n) for n in found.sources]
    t.step(f"cells.bytes_{op}", label(node), sum_attrs(found), inputs, [t.new_map(found.result)], [node, *found.nodes])
    return True


def sum_attrs(found: Joined) -> dict[str, list[float]]:
    """Give the attributes of a step that joins quantised maps."""
    first, second = found.scales
    return {"sum_a": first.numbers(), "sum_b": second.numbers(), "sum": found.total.numbers()}


def _mean(t: Tensors, mean: Node, node: Node) -> bool:
    source = t.producers.get(mean.inputs[0])
    end = rounding(t.fuser, mean.outputs[0])
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


def _table(t: Tensors, node: Node, scale: Scale) -> bool:
    """A function between DequantizeLinear and QuantizeLinear: 256 results, as the reference gives them."""
    function = t.producers.get(node.inputs[0])
    source = t.producers.get(function.inputs[0]) if function is not None and function.op in _FUNCTIONS else function
    if source is None or source.op != "DequantizeLinear" or not t.on_map(source.inputs[0]):
        return False
    if scale_of(t.graph.constants, source.inputs) is None:
        return False
    functions = (source, *([function] if function is not source and function is not None else []), node)
    values = byte_values(t, source.inputs[0], functions)
    table = values.astype(int) + (128 if t.types[node.outputs[0]].dtype == "int8" else 0)
    attrs = {"function": "table", "table": table.tolist(), "border": scale.zero}
    t.step(
        "cells.bytes_table", label(function or node), attrs, [t.as_map(source.inputs[0])], [t.new_map(node.outputs[0])],
        [node],
    )  # fmt: skip
    return True


def byte_values(t: Tensors, name: str, nodes: Sequence[Node]) -> Array:
    """Give what each of the 256 bytes of a map becomes in some nodes of constants, as the reference calculates it."""
    kind = t.types[name].dtype
    values = (np.arange(256) - (128 if kind == "int8" else 0)).astype(kind)
    for node in nodes:
        values = run_node(node, [values, *(t.graph.constants[n] for n in node.inputs[1:])])[0]
    return values


_COMPUTED: Mapping[str, Callable[[Tensors, Node, Node], bool]] = {
    "Add": _binary,
    "Mul": _binary,
    **dict.fromkeys(_MEANS, _mean),
}


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

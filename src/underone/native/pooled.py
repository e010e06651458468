"""A branch that is the same at every pixel, beside others in front of a product: it becomes the product's bias."""

from collections.abc import Container
from dataclasses import replace

import numpy as np

from ..graph import Graph, Node
from ..graph.graph import unused_name
from ..graph.ops import attributes
from ..graph.passes import drop_unused
from .finish import Types
from .fuse import FEW_CHANNELS, Fuser

_FILLS = ("nearest", "linear")  # ways of enlarging one pixel that give that pixel everywhere


def pooled_as_bias(graph: Graph, types: Types, apart: Container[str] = ()) -> Graph:
    """Multiply a pixel that is enlarged to a map, and put beside others, once and not at every pixel.

    The pooled branch of DeepLab's pyramid is half of what the last product of the light head multiplies (513 pixels,
    float32, one thread: 1.30 -> 0.67 ms of 29, with what enlarged it).

    Args:
        graph: any graph.
        types: of all its tensors, with full shapes.
        apart: names of nodes that are left as they are.

    Returns:
        The graph, in which such a 1x1 convolution has a computed bias: that of the pixel's own product. The same graph
        where there is none.
    """
    fuser = Fuser(graph, types, apart)
    taken, constants = set(types), dict(graph.constants)
    nodes: list[Node] = []
    for node in graph.nodes:
        pair = _pair(fuser, node)
        nodes += _split(*pair, fuser, taken, constants) if pair else [node]
    return (
        drop_unused(replace(graph, nodes=tuple(nodes), constants=constants)) if len(nodes) > len(graph.nodes) else graph
    )


def _pair(fuser: Fuser, node: Node) -> tuple[Node, Node, int] | None:
    """Give a product, the concatenation that it alone reads, and which operand of that is the same everywhere."""
    concat = fuser.makers.get(node.inputs[0]) if node.op == "Conv" else None
    if concat is None or concat.op != "Concat" or fuser.is_apart(concat):
        return None
    if attributes("Concat", concat.attrs, [fuser.types[name].shape for name in concat.inputs])["axis"] != 1:
        return None
    if fuser.only_reader(concat.outputs[0]) is not node or not _fits(fuser, node):
        return None
    flat = [i for i, name in enumerate(concat.inputs) if _pixel(fuser, name)]
    channels = [fuser.types[name].shape[1] for name in concat.inputs]
    few = len(flat) != 1 or sum(channels) - channels[flat[0]] < FEW_CHANNELS
    return None if few else (node, concat, flat[0])


def _fits(fuser: Fuser, node: Node) -> bool:
    conv = fuser.convolution(node)
    return conv is not None and not conv.computed_bias and fuser.takes_computed_bias(conv)


def _pixel(fuser: Fuser, name: str) -> str:
    """Give the one pixel that a map was made of, or the empty name."""
    resize = fuser.makers.get(name)
    if resize is None or resize.op != "Resize" or fuser.is_apart(resize):
        return ""
    pixel = fuser.types[resize.inputs[0]].shape == (*fuser.types[name].shape[:2], 1, 1)  # channels may be resized too
    return resize.inputs[0] if pixel and resize.attrs.get("mode", "nearest") in _FILLS else ""


def _split(
    node: Node, concat: Node, flat: int, fuser: Fuser, taken: set[str], constants: dict[str, np.ndarray]
) -> list[Node]:
    def new(part: str) -> str:
        name = unused_name(f"{node.outputs[0]}/{part}", taken)
        taken.add(name)
        return name

    start = sum(fuser.types[name].shape[1] for name in concat.inputs[:flat])
    own = np.s_[start : start + fuser.types[concat.inputs[flat]].shape[1]]
    weight = constants[node.inputs[1]]
    names = new("pixel_weight"), new("weight")
    constants |= zip(names, (weight[:, own], np.delete(weight, own, axis=1)), strict=True)
    pixel, bias, rest = new("pixel"), new("bias"), concat.inputs[:flat] + concat.inputs[flat + 1 :]
    product = Node("Conv", (_pixel(fuser, concat.inputs[flat]), names[0], *node.inputs[2:]), (pixel,))
    flatten = Node("Reshape", (pixel,), (bias,), {"shape": (len(weight),)})
    joined = [replace(concat, inputs=rest, outputs=(new("rest"),))] if len(rest) > 1 else []
    source = joined[0].outputs[0] if joined else rest[0]
    return [product, flatten, *joined, replace(node, inputs=(source, names[1], bias))]

"""Products of vectors and matrices with constant weights."""

import numpy as np

from ..graph import Array, Node
from ..graph.shapes import label
from .fuse import as_float, finish_of
from .tensors import Tensors

_RESHAPES = ("Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity")


def linear(t: Tensors, node: Node) -> bool:
    """A vector times a constant matrix."""
    weight = _matrix(t, node)
    if weight is None:
        return False
    bias = t.graph.constants[node.inputs[2]] if len(node.inputs) > 2 and node.inputs[2] else np.zeros(1, np.float32)
    if bias.size not in (1, weight.shape[0]):
        return False
    finish, name, nodes = t.finished(node)
    constants = [
        t.made.constant(as_float(weight)),
        t.made.constant(as_float(np.broadcast_to(bias.ravel(), weight.shape[:1]))),
    ]
    source = t.as_plain(_unshaped(t, node.inputs[0]))
    t.step("cells.linear", label(node), finish.attrs(), [source, *constants], [t.new_plain(name)], nodes)
    return True


def is_vector(t: Tensors, node: Node) -> bool:
    """Whether a convolution is a product of one vector with a matrix."""
    if node.op != "Conv" or t.types[node.inputs[0]].shape[2:] != (1, 1) or _producer_is_chain(t, node):
        return False
    conv = t.fuser.convolution(node)
    return conv is not None and conv.is_plain_product


def _producer_is_chain(t: Tensors, node: Node) -> bool:
    producer = t.producers.get(node.inputs[0])
    while producer is not None and finish_of(producer, t.types) is not None:
        producer = t.producers.get(producer.inputs[0])
    return producer is not None and producer.op == "Conv" and not is_vector(t, producer)


def _matrix(t: Tensors, node: Node) -> Array | None:
    """Give the (out, in) weight of a vector times a constant matrix, or None."""
    constants, types = t.graph.constants, t.types
    if node.op == "Conv" and is_vector(t, node):
        weight = constants[node.inputs[1]]
        return weight.reshape(weight.shape[:2])
    if node.op not in ("Gemm", "MatMul") or node.inputs[1] not in constants:
        return None
    x, weight = types[node.inputs[0]], constants[node.inputs[1]]
    if x.dtype != "float32" or weight.ndim != 2 or x.elements != x.shape[-1] or 0 in weight.shape:
        return None
    if any(name not in constants for name in node.inputs[2:] if name):
        return None
    attrs = t.attributes(node)
    if node.op == "Gemm" and (attrs["alpha"], attrs["beta"], attrs["transA"]) != (1.0, 1.0, 0):
        return None
    return weight if attrs.get("transB") else weight.T


def _unshaped(t: Tensors, name: str) -> str:
    """Look through nodes that only change the shape of a vector."""
    node = t.producers.get(name)
    while node is not None and node.op in _RESHAPES:
        name = node.inputs[0]
        node = t.producers.get(name)
    return name

"""Products of vectors and matrices."""

import math
from dataclasses import replace

import numpy as np

from ..graph import Array, Node
from ..graph.shapes import label
from .finish import Finish, finish_of
from .fuse import as_float
from .tensors import Tensors
from .views import View, view_of

_MOST_STACKS = 1 << 14

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


def matmul(t: Tensors, node: Node) -> bool:
    """A product of matrices, with what follows it: bias, function, sum with a tensor of the same shape."""
    given = _factors(t, node)
    if given is None:
        return False
    a, b = given
    stacks = t.types[node.outputs[0]].shape[:-2]
    rows, depth, columns = a.shape[-2], a.shape[-1], b.shape[-1]
    if all(stride == 0 for stride in b.strides[:-2]) and a.is_dense:  # one matrix for all: its rows are one long matrix
        rows, stacks = rows * math.prod(stacks), ()
        a, b = a.reshaped((rows, depth)) or a, replace(b, shape=b.shape[-2:], strides=b.strides[-2:])
    if max(rows, depth, columns) >= 1 << 24 or math.prod(stacks) > _MOST_STACKS or 0 in (rows, depth, columns):
        return False
    bias, name, nodes = _bias(t, node)
    if bias is not None and bias.size != columns:
        return False
    finish, name, more = t.fuser.finished(name)
    added, name, sums = _added(t, name) if finish == Finish() else ("", name, [])
    soft, name, ends = _softmax(t, name) if finish == Finish() and not added else (0, name, [])
    nodes += [*more, *sums, *ends]
    t.done.update(id(n) for n in nodes if n is not node)
    attrs = finish.attrs() | {
        "rows": rows,
        "depth": depth,
        "columns": columns,
        "softmax": soft,
        "alpha": [a.factor * b.factor],
    }
    for letter, view in (("a", a), ("b", b)):
        attrs[letter + "_starts"] = view.starts(stacks)
        attrs[letter + "_strides"] = list(view.strides[-2:])
    inputs = [t.as_plain(a.source), t.as_plain(b.source)]
    inputs += [-1 if bias is None else t.made.constant(as_float(bias)), t.as_plain(added) if added else -1]
    t.step("cells.matmul", label(node), attrs, inputs, [t.new_plain(name)], nodes)
    return True


def _factors(t: Tensors, node: Node) -> tuple[View, View] | None:
    """Give both factors as they lie in memory, spread over the same stacks."""
    types = [t.types[n] for n in node.inputs[:2]]
    if any(k.dtype != "float32" or len(k.shape) < 2 or 0 in k.shape for k in types):
        return None
    a, b = (view_of(n, t.producers, t.types, t.graph.constants) for n in node.inputs[:2])
    if node.op == "Gemm":
        attrs = t.attributes(node)
        if len(node.inputs) > 2 and (attrs["beta"] != 1 or node.inputs[2] not in t.graph.constants):
            return None
        a, b = (a.turned() if attrs["transA"] else a), (b.turned() if attrs["transB"] else b)
        return replace(a, factor=a.factor * attrs["alpha"]), b
    stacks = t.types[node.outputs[0]].shape[:-2]
    return a.spread(stacks), b.spread(stacks)


def _bias(t: Tensors, node: Node) -> tuple[Array | None, str, list[Node]]:
    """Take the constant with it that is added to every row: Gemm's own, or that of the sum behind."""
    name, columns = node.outputs[0], t.types[node.outputs[0]].shape[-1]
    if node.op == "Gemm":
        own = t.graph.constants.get(node.inputs[2]) if len(node.inputs) > 2 else None
        return (np.broadcast_to(own.ravel(), (columns,)) if own is not None and own.size == 1 else own), name, [node]
    add = t.fuser.only_reader(name)
    other = next((n for n in add.inputs if n != name), "") if add is not None and add.op == "Add" else ""
    value = t.graph.constants.get(other)
    if add is None or value is None or value.shape[-1:] != (columns,) or value.size != columns:
        return None, name, [node]
    if t.types[add.outputs[0]] != t.types[name]:
        return None, name, [node]
    return value.ravel(), add.outputs[0], [node, add]


def _added(t: Tensors, name: str) -> tuple[str, str, list[Node]]:
    """Take the sum with a tensor with it that exists by now."""
    add = t.fuser.only_reader(name)
    other = next((n for n in add.inputs if n != name), "") if add is not None and add.op == "Add" else ""
    if add is None or other not in t.plain or other in t.graph.constants or t.types[other] != t.types[name]:
        return "", name, []
    return other, add.outputs[0], [add]


def _softmax(t: Tensors, name: str) -> tuple[int, str, list[Node]]:
    """Take a softmax over the columns with it."""
    node = t.fuser.only_reader(name)
    if node is None or node.op != "Softmax" or t.attributes(node)["axis"] != len(t.types[name].shape) - 1:
        return 0, name, []
    return 1, node.outputs[0], [node]


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
    conv = t.fuser.convolution(node)
    if conv is not None and is_vector(t, node):
        (top, _), (left, _) = conv.taps  # the one that meets the vector; the others see the padding
        return constants[node.inputs[1]][:, :, top, left]
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

"""Single nodes on maps: each function writes the step of a node and says whether it could."""

from typing import Any

import numpy as np

from ..graph import Array, Node, TensorType
from ..graph.numpy_resize import axis_weights
from ..graph.shape_rules import window_pads
from ..graph.shapes import label
from .finish import finish_of
from .fuse import as_float
from .tensors import Tensors

_LARGEST_MATRIX = 1 << 24  # elements of the matrix that resamples one axis
_MOST_CHANNELS = 1 << 16


def pool(t: Tensors, node: Node) -> bool:
    """MaxPool or AveragePool of a map."""
    attrs = t.attributes(node)
    x, y = (t.types[n].shape for n in (node.inputs[0], node.outputs[0]))
    if not t.on_map(node.inputs[0]) or 0 in y:
        return False
    (top, bottom), (left, right) = window_pads(x[2:], attrs["kernel_shape"], attrs)
    pads = [top, left, bottom, right]
    window = {"kernel": list(attrs["kernel_shape"])} | {k: list(attrs[k]) for k in ("strides", "dilations")}
    if min(pads) < 0 or max(*pads, *map(max, window.values())) > 4096:
        return False
    how = {"average": int(node.op == "AveragePool"), "padded": int(attrs.get("count_include_pad", 0))}
    _unary(t, node, "cells.pool", window | {"pads": pads} | how)
    return True


def resize(t: Tensors, node: Node) -> bool:
    """Resize of the pixels of a map, nearest or linear, of bytes nearest.

    Not of what is an output: it would be stored a second time. What is one pixel is loaded first: it is written many
    times.
    """
    x = t.types[node.inputs[0]].shape
    on_map = t.on_map(node.inputs[0]) or (len(x) == 4 and x[2:] == (1, 1) and x[0] == 1 and x[1] <= _MOST_CHANNELS)
    found = _samples(t, node) if on_map and node.outputs[0] not in {v.name for v in t.graph.outputs} else None
    if found is None:
        return False
    _unary(t, node, "cells.resize", found | t.border(node.outputs[0]))
    return True


def labels(t: Tensors, node: Node) -> bool:
    """ArgMax over the channels of an enlarged map, which need not be written for it."""
    enlarged = t.producers.get(node.inputs[0])
    attrs = t.attributes(node)
    if enlarged is None or enlarged.op != "Resize" or attrs["axis"] != 1 or attrs["select_last_index"]:
        return False
    found = _samples(t, enlarged)
    if found is None or t.is_bytes(node.inputs[0]) or t.fuser.is_apart(enlarged):
        return False
    source = t.as_plain(enlarged.inputs[0])
    t.step("cells.labels", label(node), found, [source], [t.new_plain(node.outputs[0])], [enlarged, node])
    return True


def _samples(t: Tensors, node: Node) -> dict[str, Any] | None:
    """Say between which pixels of one picture those of a Resize lie; None: it does more, or works on no picture."""
    attrs = t.attributes(node)
    x, y = (t.types[n].shape for n in (node.inputs[0], node.outputs[0]))
    moved = t.is_bytes(node.inputs[0]) and attrs["mode"] == "nearest"
    one = len(x) == 4 and x[0] == 1 and (moved or t.types[node.inputs[0]].dtype == "float32")
    if not one or attrs["mode"] == "cubic" or 0 in y or x[:2] != y[:2]:
        return None
    if max(x[2] * y[2], x[3] * y[3]) > _LARGEST_MATRIX or (
        attrs["scales"] and any(float(s) != 1 for s in attrs["scales"][:2])
    ):
        return None
    found: dict[str, Any] = {}
    for axis, name in ((2, "y"), (3, "x")):
        scale = float(attrs["scales"][axis]) if attrs["scales"] else y[axis] / x[axis]
        places, weights = _taps(axis_weights(attrs, x[axis], y[axis], scale))
        found |= {f"{name}_places": places, f"{name}_weights": weights}
    return found


def _taps(matrix: Array) -> tuple[list[int], list[float]]:
    """Give the two places that each row of a (to, from) matrix reads, and the weight of the second."""
    first = (matrix != 0).argmax(axis=1)
    second = matrix.shape[1] - 1 - (matrix[:, ::-1] != 0).argmax(axis=1)
    weights = np.where(first == second, 0.0, matrix[np.arange(len(matrix)), second])
    return np.stack([first, second], axis=1).ravel().tolist(), weights.tolist()


def mean(t: Tensors, node: Node) -> bool:
    """Mean of every channel of a map, into a plain tensor."""
    if not t.on_map(node.inputs[0]) or (node.op == "ReduceMean" and t.attributes(node)["axes"] != (2, 3)):
        return False
    source = t.as_map(node.inputs[0])
    t.step("cells.mean", label(node), {}, [source], [t.new_plain(node.outputs[0])], [node])
    return True


def scale(t: Tensors, node: Node) -> bool:
    """A map times one factor for each channel."""
    for a, b in (node.inputs, node.inputs[::-1]):
        x = t.types[a].shape
        if t.on_map(a) and t.types[b] == TensorType((1, x[1], 1, 1), "float32") and t.types[node.outputs[0]].shape == x:
            inputs = [t.as_map(a), t.as_plain(b)]
            finish, name, nodes = t.finished(node)
            t.step("cells.scale", label(node), finish.attrs(), inputs, [t.new_map(name)], nodes)
            return True
    return False


def add(t: Tensors, node: Node) -> bool:
    """Sum of two maps of one size."""
    a, b = node.inputs
    if not (t.on_map(a) and t.on_map(b)) or t.types[a] != t.types[b]:
        return False
    finish, name, nodes = t.finished(node)
    inputs = [t.as_map(n) for n in node.inputs]
    t.step("cells.add", label(node), finish.attrs(), inputs, [t.new_map(name)], nodes)
    return True


def norm(t: Tensors, node: Node) -> bool:
    """A batch norm that no convolution took: a factor and a shift for each channel."""
    if not t.on_map(node.inputs[0]) or any(n not in t.graph.constants for n in node.inputs[1:]):
        return False
    factor, shift, average, variance = (t.graph.constants[n].astype(np.float64) for n in node.inputs[1:])
    factor = factor / np.sqrt(variance + t.attributes(node)["epsilon"])
    _affine(t, node, node.inputs[0], factor, shift - average * factor)
    return True


def constant_pair(t: Tensors, node: Node) -> bool:
    """A map and constants for its channels: plus, minus, times or divided by."""
    a, b = node.inputs
    if node.op in ("Add", "Mul") and t.on_map(b):
        a, b = b, a
    value = t.graph.constants.get(b)
    shape = t.types[a].shape
    if not t.on_map(a) or value is None or value.dtype != np.float32 or t.types[node.outputs[0]].shape != shape:
        return False
    if value.size not in (1, shape[1]) or (value.size > 1 and (value.ndim < 3 or value.shape[-3] != shape[1])):
        return False
    other = np.broadcast_to(value.astype(np.float64).ravel(), (shape[1],))
    one, zero = np.ones(shape[1]), np.zeros(shape[1])
    if node.op in ("Mul", "Div"):
        with np.errstate(divide="ignore"):
            _affine(t, node, a, other if node.op == "Mul" else one / other, zero)
    else:
        _affine(t, node, a, one, other if node.op == "Add" else -other)
    return True


def _affine(t: Tensors, node: Node, source: str, factor: Array, shift: Array) -> None:
    number = t.as_map(source)
    finish, name, nodes = t.finished(node)
    constants = [t.made.constant(as_float(factor)), t.made.constant(as_float(shift))]
    t.step("cells.affine", label(node), finish.attrs(), [number, *constants], [t.new_map(name)], nodes)


def function(t: Tensors, node: Node) -> bool:
    """A function of one element of a map."""
    finish = finish_of(node, t.types) if len(node.inputs) == 1 and t.on_map(node.inputs[0]) else None
    if finish is None:
        return False
    _unary(t, node, "cells.function", finish.attrs())
    return True


def _unary(t: Tensors, node: Node, op: str, attrs: dict[str, Any]) -> None:
    source = t.as_map(node.inputs[0])
    t.step(op, label(node), attrs, [source], [t.new_map(node.outputs[0])], [node])

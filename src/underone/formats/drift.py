"""Where two computations of a network part: values that float16 cannot hold, and the first tensor that differs."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..compare import Limits, difference
from ..errors import ParityFailed
from ..graph import Array, Graph
from ..graph.reference import run_nodes
from .plain_names import with_plain_names


class Drift(NamedTuple):
    """What the number formats of a network's own operators do to it on one input, against float64.

    Attributes:
        first: the first tensor that is farther away than the limits allow, with its operator; "" where there is none.
        overflows: names of tensors that hold infinities or NaN where float64 holds none.
        largest: the largest magnitude of any tensor, in float64; float16 ends at 65504.
    """

    first: str
    overflows: tuple[str, ...]
    largest: float


def measure_drift(graph: Graph, inputs: Mapping[str, Array], limits: Limits) -> Drift:
    """Run a graph twice, rounding after every operator as it says, and in float64.

    Raises:
        ShapeError, BadValue: as `run_reference`.
    """
    first, overflows, largest = "", list[str](), 0.0
    both = zip(run_nodes(graph, inputs), run_nodes(graph, inputs, np.float64), strict=True)
    for (node, rounded), (_, exact) in both:
        for name, got, want in zip(node.outputs, rounded, exact, strict=True):
            if want.dtype.kind != "f" or not np.isfinite(want).all():
                continue
            largest = max(largest, float(np.abs(want).max(initial=0)))
            if not np.isfinite(got).all():
                overflows.append(name)
            first = first or (f"{name!r} ({node.op})" if _differs(got, want, limits) else "")
    return Drift(first, tuple(overflows), largest)


def first_difference(tested: Graph, reference: Graph, array: Array, limits: Limits) -> str:
    """Name the first tensor of `tested` that is not what the tensor of that name is in `reference`; "" where none is.

    Both get `array`. Tensors are matched by their plain names; those that only one of the two has, or has in another
    order of axes, are passed over.
    """
    plain = with_plain_names(reference)
    names = {_matched(name) for node in tested.nodes for name in node.outputs}
    known = {
        name: result
        for node, results in run_nodes(plain, {plain.inputs[0].name: array})
        for name, result in zip(node.outputs, results, strict=True)
        if name in names
    }
    for node, results in run_nodes(tested, {tested.inputs[0].name: array}):
        for name, result in zip(node.outputs, results, strict=True):
            want = known.get(_matched(name))
            if want is not None and not _moved(result, want) and _differs(result, want, limits):
                return f"{name!r} ({node.op})"
    return ""


def _matched(name: str) -> str:
    return name.removesuffix("_float16")  # what stands before the cast of an output has that name


def _moved(got: Array, want: Array) -> bool:
    return got.shape != want.shape and sorted(got.shape) == sorted(want.shape)


def _differs(got: Array, want: Array, limits: Limits) -> bool:
    if got.shape != want.shape:
        return True
    if want.dtype.kind != "f":
        return False
    if not want.any():
        return bool(got.any())
    try:
        return difference(got, want)[0] > limits.nmse
    except ParityFailed:  # infinities or NaN
        return True

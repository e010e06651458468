"""Pass: weights are rounded to 8 bits with a scale for each output, or each to one of the few values of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from ..compare import COARSE, Comparison, compare_outputs
from ..errors import BadValue, ParityFailed, UnknownName, Unsupported
from ..graph import Array, Graph, Node
from ..graph.float16 import axes_of_weights
from ..graph.graph import unused_name
from ..graph.integer_form import is_quantised
from .forms import Form, of_graph
from .probes import probes

SmallWeights = Literal["int8", "palette4", "palette6", "palette8"]
PALETTES = {"palette4": 16, "palette6": 64, "palette8": 256}  # values in a table
LEAST = 2048  # elements; below that a table or scales cost more than they save, as coremltools has it
_LARGEST = 127  # of symmetric int8
_BINS, _ROUNDS = 128, 30  # of Lloyd's algorithm: of the density that it begins with, and how often it moves


def require_small(how: str | None, known: Sequence[str], title: str) -> None:
    """Refuse a form of weights that a format cannot hold.

    Raises:
        UnknownName: it is none of those.
        Unsupported: the format has one form of weights only.
    """
    if how is not None and not known:
        raise Unsupported(f"weights={how!r}: {title} is written with plain weights only")
    if how is not None and how not in known:
        raise UnknownName(f"form of weights of {title}", how, known)


def shrunk(graph: Graph, reference: Form, how: str | None) -> tuple[Graph, Form, list[Comparison]]:
    """Give a graph whose weights are rounded, what it is held against from there on, and what the rounding cost.

    The cost is that of the first probe, and held to the limits of what was rounded coarsely; None rounds nothing.

    Raises:
        BadValue: as `with_small_weights`.
        ParityFailed: the rounded weights answer something else.
    """
    if how is None:
        return graph, reference, []
    small = with_small_weights(graph, how)
    form = of_graph(small)
    probe, array = next(iter(probes(reference.spec.input).items()))
    got, want = (f.run({f.spec.input.name: array}) for f in (form, reference))
    on = f"{probe}, weights in {how} against {reference.by}"
    cost = compare_outputs(on, got, want, COARSE, top1=reference.spec.task == "classify")
    lost = [row for row in cost if not row.passed]
    if lost:
        cure = "leave them as they are" if how in ("int8", "palette8") else "int8 and palette8 keep more"
        raise ParityFailed(
            f"weights={how!r} change the answers of {graph.spec.name!r}: nmse {lost[0].nmse:.1e} of {lost[0].output!r} "
            f"on {probe!r} (limit {COARSE.nmse:.0e}); {cure}"
        )
    return small, form, cost


def with_small_weights(graph: Graph, how: str) -> Graph:
    """Round the weights of convolutions and matrix products; biases and small weights stay.

    Args:
        graph: in float32.
        how: ``int8``: whole numbers and scales, unpacked by DequantizeLinear; ``palette4``, ``6``, ``8``: a table of
            16, 64 or 256 values for each weight, from which Gather takes them.

    Raises:
        BadValue: it is quantised already.
    """
    if is_quantised(graph):
        raise BadValue(f"weights={how!r}: {graph.spec.name!r} is quantised, its weights have 8 bits already")
    constants, unpacked, taken = dict(graph.constants), list[Node](), graph.names()
    for name, axis in _axes_of_weights(graph).items():
        weight = constants.pop(name)
        parts = _in_int8(weight, axis) if how == "int8" else _on_palette(weight, PALETTES[how])
        names = {part: unused_name(f"{name}/{part}", taken) for part in parts}
        constants |= {names[part]: value for part, value in parts.items()}
        op, chosen = ("DequantizeLinear", axis) if how == "int8" else ("Gather", 0)
        unpacked.append(Node(op, tuple(names.values()), (name,), {"axis": chosen}, name))
    return replace(graph, nodes=(*unpacked, *graph.nodes), constants=constants)


def _axes_of_weights(graph: Graph) -> Mapping[str, int]:
    """Give the axis of outputs of each weight that is worth it."""
    weights = ((name, axis, graph.constants[name]) for name, axis in axes_of_weights(graph))
    return {name: axis for name, axis, weight in weights if weight.size >= LEAST and weight.dtype == np.float32}


def _in_int8(weight: Array, axis: int) -> dict[str, Array]:
    others = tuple(a for a in range(weight.ndim) if a != axis)
    scales = np.maximum(np.abs(weight).max(axis=others) / np.float32(_LARGEST), np.finfo(np.float32).tiny)
    column = scales.reshape([-1 if a == axis else 1 for a in range(weight.ndim)])
    return {"int8": np.rint(weight / column).astype(np.int8), "scale": scales, "zero": np.zeros(len(scales), np.int8)}


def _on_palette(weight: Array, count: int) -> dict[str, Array]:
    """Give each value the nearest of `count` ones: Lloyd's algorithm in one dimension.

    It begins as densely as the cube root of the density, which is the best for many values (Panter and Dite 1951).
    """
    values = np.sort(weight, axis=None).astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    filled, edges = np.histogram(values, _BINS)
    share = np.cumsum(np.cbrt(filled))
    centres = np.interp((np.arange(count) + 0.5) / count * share[-1], share, edges[1:])
    for _ in range(_ROUNDS):
        borders = np.searchsorted(values, (centres[1:] + centres[:-1]) / 2)
        first, last = np.concatenate([[0], borders]), np.concatenate([borders, [len(values)]])
        some = last > first
        centres[some] = (sums[last] - sums[first])[some] / (last - first)[some]
        centres.sort()
    nearest = np.searchsorted((centres[1:] + centres[:-1]) / 2, weight)
    return {"table": centres.astype(weight.dtype), "indices": nearest.astype(np.int32)}

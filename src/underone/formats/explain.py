"""Two forms of a network compared, with the places where they part."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import JsonValue

from ..compare import Comparison
from ..errors import ParityFailed
from ..graph import Array, Graph
from .drift import first_difference, measure_drift
from .forms import Form
from .parity import LIMITS, Precision, compare_forms, is_half

Dtype = Literal["float32", "float16"]
_MOST_NAMES = 5  # of tensors in one sentence


def compare_and_explain(
    got: Form, want: Form, inputs: Mapping[str, Array], dtype: Precision
) -> tuple[list[Comparison], list[str], dict[str, JsonValue]]:
    """Do what `compare_forms` does; say what float16 does to `got`, and which tensor is the first that differs.

    Returns:
        Comparisons, notes, and facts: for a network that computes in float16 its ``drift`` on the first input.

    Raises:
        ParityFailed, ShapeError, Unsupported: as `compare_forms`; the first names the tensor where they part.
    """
    graph, (probe, array) = got.graph() if got.graph else None, next(iter(inputs.items()))
    facts, notes = _half_drift(graph, probe, array) if graph is not None and is_half(graph) else ({}, [])
    try:
        rows, found = compare_forms(got, want, inputs, dtype)
    except ParityFailed as error:
        raise ParityFailed("; ".join([str(error), *notes, *_parting(graph, want, probe, array, dtype)])) from error
    if not all(row.passed for row in rows):
        notes += _parting(graph, want, probe, array, dtype)
    return rows, [*found, *notes], facts


def _half_drift(graph: Graph, probe: str, array: Array) -> tuple[dict[str, JsonValue], list[str]]:
    drift = measure_drift(graph, {graph.inputs[0].name: array}, LIMITS["float16"])
    facts: dict[str, JsonValue] = {
        "drift": {"on": probe, "first": drift.first, "overflows": list(drift.overflows), "largest": drift.largest}
    }
    if not drift.overflows:
        return facts, []
    return facts, [f"on {probe!r} {len(drift.overflows)} tensors overflow in float16: {listed(drift.overflows)}"]


def _parting(graph: Graph | None, want: Form, probe: str, array: Array, dtype: Precision) -> list[str]:
    if graph is None or want.graph is None:
        return []
    first = first_difference(graph, want.graph(), array, LIMITS[dtype])
    return [f"on {probe!r} the first tensor that differs is {first}"] if first else []


def listed(names: Sequence[str]) -> str:
    """Name the first few, and say how many more there are."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more

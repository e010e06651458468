"""Two forms of a network on the same inputs → Comparisons."""

import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import numpy as np

from ..compare import (
    ROUNDING,
    TIMES_OWN_ROUNDING,
    Comparison,
    Limits,
    compare_outputs,
    difference,
    rounding,
    widened,
)
from ..errors import BadFile, ParityFailed, ShapeError, UnderOneError, Unsupported
from ..graph import Graph, run_reference
from ..graph.graph import Array
from ..graph.integer_form import is_quantised
from .executorch import executorch_version
from .forms import Form

Precision = Literal["float32", "float16", "int8"]
LIMITS: dict[Precision, Limits] = {
    "float32": ROUNDING["float32"],
    "float16": ROUNDING["float16"],
    "int8": ROUNDING["int8"],
}
# A picture of one colour leaves little signal beside that rounding. Against float64, float32 gives 8e-10, peak 1e-4 on
# TensorFlow's MobileNet V1, by our interpreter and torch alike (photographs: 3e-12); float16 gives 1.5e-3, peak 0.14 on
# the trained MobileNet V2, by our interpreter, onnxruntime and openvino alike.
_LIMITS_ON_ZEROS: dict[Precision, Limits] = {
    "float32": Limits(nmse=1e-8, peak=5e-4),
    "float16": Limits(nmse=5e-3, peak=0.4),
    "int8": Limits(nmse=2e-2, peak=1.0),
}
# Of a network that amplifies rounding: what its float32 distance from itself in float64 is multiplied by, and what no
# distance widens beyond: the next coarser format. float16 keeps 13 bits fewer, so it is some 2^13 times as far away;
# twice that is allowed.
_OWN: dict[Precision, tuple[int, Limits]] = {
    "float32": (TIMES_OWN_ROUNDING, ROUNDING["float16"]),
    "float16": (2**14, ROUNDING["bfloat16"]),
}


def precision_of(graph: Graph, dtype: Literal["float32", "float16"]) -> Precision:
    """Say what the files of a graph calculate in: what is quantised stays so, whatever dtype the rest gets."""
    return "int8" if is_quantised(graph) else dtype


def is_half(graph: Graph) -> bool:
    """Say whether a graph computes in float16."""
    return any(c.dtype == np.float16 for c in graph.constants.values())


def limits_on(probe: str, dtype: Precision, task: str | None = None) -> Limits:
    """Say what rounding may do to a network of a task on one of the inputs of `probes`."""
    limits = rounding(dtype, task)
    zeros = _LIMITS_ON_ZEROS[dtype]
    wider = {"nmse": zeros.nmse, "peak": max(zeros.peak, limits.peak)}
    return limits.model_copy(update=wider) if probe == "zeros" else limits


def with_own_rounding(
    rows: Sequence[Comparison], graph: Callable[[], Graph], array: Array, dtype: Precision = "float32"
) -> tuple[list[Comparison], list[str]]:
    """Widen the limits where a float32 network amplifies rounding, by its distance from itself in float64.

    The distance is that of the interpreter from itself, so nothing that is under test can widen its own limits. It
    counts ten times in float32, within the limits of float16; in float16 as often as that rounds more coarsely, within
    the limits of bfloat16. Outputs of whole numbers keep the usual ones. Fresh detectors on MobileOne need it
    even on a photograph: without statistics of its batch norms values grow to 1e5, of which a ReLU6 keeps 0 to 6.

    Args:
        rows: comparisons on one input.
        graph: gives the reference's network; not called where all passed.
        array: the input.
        dtype: number format of what is compared with that network.

    Returns:
        The rows with their limits, and a note on each output whose limits changed.

    Raises:
        BadFile, Unsupported: the interpreter cannot run that network.
    """
    failed = {row.output for row in rows if not row.passed and not row.whole}
    if not failed or dtype not in _OWN:
        return list(rows), []
    network, (times, most) = graph(), _OWN[dtype]
    if is_half(network):  # then the distance is float16's own
        return list(rows), []
    inputs = {network.inputs[0].name: array}
    rounded, exact = run_reference(network, inputs), run_reference(network, inputs, np.float64)
    judged, notes = list[Comparison](), list[str]()
    for row in rows:
        limits = row.limits
        if row.output in failed and exact[row.output].any():
            nmse, peak = difference(rounded[row.output], exact[row.output])
            limits = widened(limits, nmse, peak, most, times)
        if limits != row.limits:
            notes.append(
                f"on {row.on!r} the network is nmse {nmse:.1e}, peak {peak:.1e} away from itself in float64; "
                f"it amplifies rounding, so the limits of {row.output!r} there are nmse {limits.nmse:.1e}, peak "
                f"{limits.peak:.1e}"
            )
        judged.append(row.model_copy(update={"limits": limits}))
    return judged, notes


def compare_forms(
    got: Form, want: Form, inputs: Mapping[str, Array], dtype: Precision
) -> tuple[list[Comparison], list[str]]:
    """Run both forms on every input and compare all outputs.

    Args:
        got: form under test; its outputs are matched with those of `want` by name, else by position.
        want: reference.
        inputs: arrays by the name of the probe.
        dtype: number format of the arithmetic, ``int8`` for a quantised network; it sets what passes.

    Returns:
        One comparison per input and output, and notes on outputs where the comparison shows little or nothing.

    Raises:
        ParityFailed: values are NaN or infinite, or zeros on one side only.
        ShapeError: the forms have other numbers of outputs, or outputs of other shapes.
        Unsupported: a form has several inputs.
    """
    for form in (got, want):
        if len(form.spec.inputs) != 1:
            raise Unsupported(
                f"{form.spec.name!r} has {len(form.spec.inputs)} inputs; only networks with one are compared"
            )
    rows, notes = list[Comparison](), list[str]()
    seen: list[Mapping[str, Array]] = []
    for probe, array in inputs.items():
        references = want.run({want.spec.input.name: array})
        results = renamed(got.run({got.spec.input.name: array}), got, want)
        seen.append(references)
        limits = limits_on(probe, dtype, want.spec.task)
        try:
            compared, empty = _without_zeros(results, references)
            found = compare_outputs(f"{probe}, {got.by}", results, compared, limits, top1=_classifies(want))
        except ParityFailed as error:
            raise ParityFailed(f"{got.by} against {want.by} on {probe!r}: {error}") from error
        widened = list[str]()
        if want.graph:
            with suppress(BadFile, Unsupported):  # a network that the interpreter cannot run keeps the usual limits
                found, widened = with_own_rounding(found, want.graph, array, dtype)
        rows += found
        notes += widened
        notes += [
            f"on {probe!r} output {name!r} is all zeros in both forms: nothing could be compared" for name in empty
        ]
    if not rows:
        raise ParityFailed("every output is all zeros on every input: nothing could be compared; load weights first")
    return rows, notes + _whole(rows) + _deaf(seen, LIMITS[dtype])


def _whole(rows: Sequence[Comparison]) -> list[str]:
    """Say how outputs of whole numbers were compared."""
    names = dict.fromkeys(row.output for row in rows if row.whole)
    return [f"output {n!r} holds whole numbers: its errors are the share of values that differ" for n in names]


def _without_zeros(results: Mapping[str, Array], references: Mapping[str, Array]) -> tuple[dict[str, Array], list[str]]:
    """Take out the outputs that are all zeros in both forms, where nothing could fail."""
    empty = [name for name, array in references.items() if not array.any() and not results[name].any()]
    return {name: array for name, array in references.items() if name not in empty}, empty


def _deaf(seen: Sequence[Mapping[str, Array]], limits: Limits) -> list[str]:
    """Note the outputs that are so alike on all inputs that a network deaf to its input would pass."""
    first, *others = seen
    alike = [
        name
        for name, array in first.items()
        if array.any() and all(difference(other[name][:1], array[:1])[0] <= limits.nmse for other in others)
    ]
    return [f"output {name!r} is nearly the same on every input, so little was shown about it" for name in alike]


def renamed(results: Mapping[str, Array], got: Form, want: Form) -> dict[str, Array]:
    """Give outputs the reference's names: the same name, or the same position where names differ."""
    names, wanted = [o.name for o in got.spec.outputs], [o.name for o in want.spec.outputs]
    if len(names) != len(wanted):
        raise ShapeError(f"the outputs {names} are compared with {wanted}; equally many are required")
    if set(names) == set(wanted):
        return dict(results)
    return {new: results[old] for old, new in zip(names, wanted, strict=True)}


def _classifies(form: Form) -> bool:
    return form.spec.task == "classify"


_DISTRIBUTIONS = {"litert": "ai-edge-litert"}  # of engines with another name


def versions(forms: Sequence[Form]) -> dict[str, str]:
    """Return the versions of everything that took part."""
    return versions_of(*(form.by for form in forms))


def versions_of(*engines: str) -> dict[str, str]:
    """Return the versions of what calculates, and of what everything here rests on."""
    packages = ["underone", "numpy", "onnx", *sorted(set(engines) - {"reference"})]
    return {"python": platform.python_version()} | {p: found for p in packages if (found := _version(p))}


def _version(package: str) -> str:
    try:
        return executorch_version() if package == "executorch" else version(_DISTRIBUTIONS.get(package, package))
    except (PackageNotFoundError, UnderOneError):
        return ""

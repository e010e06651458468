"""verify: two files, engines or torch modules, compared on the same inputs."""

from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..compare import Verdict
from ..errors import BadValue
from ..foreign import read_foreign
from ..foreign.read import find_format
from ..graph import read_onnx
from ..runtime import Engine, load
from ..spec import Shape
from .explain import compare_and_explain, is_half
from .forms import Form, of_engine, of_graph, of_module
from .parity import versions
from .pictures import on_common_inputs

if TYPE_CHECKING:
    from torch import nn


class _Side(NamedTuple):
    name: str
    form: Form
    precision: str


def verify(
    subject: "str | PathLike[str] | Engine | nn.Module",
    against: "str | PathLike[str] | Engine | nn.Module",
    backend: str = "auto",
    against_backend: str = "auto",
) -> Verdict:
    """Compare two forms of one network on a photograph, noise, zeros and extremes.

    Args:
        subject: what is tested: a file, an engine that holds it, or a torch module.
        against: the reference, given likewise.
        backend: engine for `subject`, if that is a file; see `load`.
        against_backend: engine for `against`, if that is a file.

    Returns:
        The verdict. A difference does not raise: ask `.passed`, or call `.require()`. Its limits are those of float16
        if one of the two calculates in less than float32.

    Raises:
        BadFile, UnknownName, MissingExtra, Unsupported: as `load`.
        BadValue: a side is nothing of that, or a closed engine.
        ParityFailed: an output is NaN or infinite, or all zeros on one side only.
        ShapeError: the two have other sizes of inputs, or other numbers or shapes of outputs.
    """
    with ExitStack() as stack:
        given = (subject, backend), (against, against_backend)
        opened = [None if _is_module(what) else _opened(what, engine, stack) for what, engine in given]
        shape = next((side.form.spec.input.shape for side in opened if side), None)  # what a module is asked for
        tested, reference = (side or _traced(what, shape) for side, (what, _) in zip(opened, given, strict=True))
        return _verdict(tested, reference)


def _is_module(given: Any) -> bool:
    return hasattr(given, "named_parameters")


def _opened(given: Any, backend: str, stack: ExitStack) -> _Side:
    if isinstance(given, Engine):
        return _Side(given.spec.name, of_engine(given), given.precision)
    if not isinstance(given, str | PathLike):
        raise BadValue(
            f"a {type(given).__name__} cannot be compared; the path of an ONNX file, an Engine or a torch module is "
            "required"
        )
    path = Path(given)
    if path.suffix != ".onnx" and find_format(path):
        file = read_foreign(path)
        graph = file.graph()
        half = is_half(graph) or any(t.dtype == np.float16 for t in file.tensors.values())
        return _Side(path.name, of_graph(graph), "float16" if half else "float32")
    engine = stack.enter_context(load(given, backend=backend))
    return _Side(path.name, of_engine(engine, lambda: read_onnx(path)), engine.precision)


def _traced(model: Any, shape: Shape | None) -> _Side:
    from ..trace import trace  # torch is needed for torch models only

    graph = trace(model, input_shape=shape)
    return _Side(graph.spec.name, of_module(model, graph), "float32")


def _verdict(tested: _Side, reference: _Side) -> Verdict:
    got, want, inputs = on_common_inputs(tested.form, reference.form, tested.name, reference.name)
    exact = tested.precision == reference.precision == "float32"
    rows, notes, facts = compare_and_explain(got, want, inputs, "float32" if exact else "float16")
    return Verdict(
        kind="verify",
        subject=f"{tested.name} by {tested.form.by}",
        reference=f"{reference.name} by {reference.form.by}",
        comparisons=tuple(rows),
        facts=facts,
        notes=tuple(notes),
        versions=versions([got, want]),
    )

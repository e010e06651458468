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
from ..spec import ModelSpec, Shape
from .explain import compare_and_explain
from .forms import Form, of_engine, of_graph, of_module
from .parity import is_half, versions
from .pictures import on_common_inputs
from .read_back import FORMATS
from .stored import stored_verdict

if TYPE_CHECKING:
    from torch import nn


_NAMELESS = (".xml", ".param", ".pte")  # run by the engine of the format, which keeps no names of ours


class _Side(NamedTuple):
    name: str
    form: Form
    precision: str


def verify(
    subject: "str | PathLike[str] | Engine | nn.Module",
    against: "str | PathLike[str] | Engine | nn.Module | None" = None,
    backend: str = "auto",
    against_backend: str = "auto",
) -> Verdict:
    """Compare two forms of one network on a photograph, noise, zeros and extremes.

    Args:
        subject: what is tested: a file of any format that `export` writes or `convert` reads, an engine that holds it,
            or a torch module. OpenVINO's, ncnn's and ExecuTorch's files are run by those, and named as the reference
            names its inputs and outputs.
        against: the reference, given likewise. None: a file alone; what `export` proved of it is given, if its bytes
            are still those.
        backend: engine for `subject`, if that is an ONNX file; see `load`.
        against_backend: engine for `against`, if that is one.

    Returns:
        The verdict. A difference does not raise: ask `.passed`, or call `.require()`. Its limits are those of float16
        if one of the two calculates in less than float32.

    Raises:
        BadFile, UnknownName, MissingExtra, Unsupported: as `load`; or a file alone has no verdict on its bytes.
        BadValue: a side is nothing of that, or a closed engine; nothing names the inputs of a file; or a backend is
            named for what is not run by one.
        ParityFailed: an output is NaN or infinite, or all zeros on one side only.
        ShapeError: the two have other sizes of inputs, or other numbers or shapes of outputs.
    """
    if against is None:
        return _alone(subject, backend)
    given = (subject, backend), (against, against_backend)
    for what, engine in given:
        if engine != "auto" and not _takes_backend(what):
            raise BadValue(f"backend {engine!r} was named for {_named(what)}; only ONNX files take one: leave it out")
    with ExitStack() as stack:
        opened = [None if _is_led(what) else _opened(what, engine, stack) for what, engine in given]
        spec = next((side.form.spec for side in opened if side), None)  # what the others follow
        sides = zip(opened, (subject, against), strict=True)
        tested, reference = (side or _following(what, spec, stack) for side, what in sides)
        return _verdict(tested, reference)


def _alone(subject: Any, backend: str) -> Verdict:
    if not isinstance(subject, str | PathLike):
        raise BadValue(f"{_named(subject)} brings no verdict; say what it is to be compared with: against=")
    if backend != "auto":
        raise BadValue(
            f"backend {backend!r} runs nothing while a file is verified alone; give against= or leave it out"
        )
    return stored_verdict(Path(subject))


def _named(given: Any) -> str:
    return Path(given).name if isinstance(given, str | PathLike) else f"a {type(given).__name__}"


def _takes_backend(given: Any) -> bool:
    return isinstance(given, str | PathLike) and not _is_led(given) and not _is_foreign(Path(given))


def _is_foreign(path: Path) -> bool:
    return path.suffix != ".onnx" and find_format(path) is not None


def _is_led(given: Any) -> bool:
    """Whether something runs by what the other side says of its inputs: a module, or a file that names none."""
    return _is_module(given) or (isinstance(given, str | PathLike) and Path(given).suffix in _NAMELESS)


def _is_module(given: Any) -> bool:
    return hasattr(given, "named_parameters")


def _following(given: Any, spec: ModelSpec | None, stack: ExitStack) -> _Side:
    if _is_module(given):
        return _traced(given, spec.input.shape if spec else None)
    path = Path(given)
    if spec is None:
        raise BadValue(f"{path.name} does not say what its inputs and outputs are; one side must be an ONNX file")
    row = FORMATS[path.suffix]
    row.require_files(path)
    row.require_runs()
    *_, form = stack.enter_context(row.run(path, spec))
    return _Side(path.name, form, "float16" if row.is_small(path) else "float32")


def _opened(given: Any, backend: str, stack: ExitStack) -> _Side:
    if isinstance(given, Engine):
        return _Side(given.spec.name, of_engine(given), given.precision)
    path = Path(_path(given))
    if _is_foreign(path):
        file = read_foreign(path)
        graph = file.graph()
        half = is_half(graph) or any(t.dtype == np.float16 for t in file.tensors.values())
        return _Side(path.name, of_graph(graph), "float16" if half else "float32")
    engine = stack.enter_context(load(given, backend=backend))
    return _Side(path.name, of_engine(engine, lambda: read_onnx(path)), engine.precision)


def _path(given: Any) -> str | PathLike[str]:
    if not isinstance(given, str | PathLike):
        raise BadValue(
            f"{_named(given)} cannot be compared; the path of a file ({', '.join(['.onnx', *FORMATS])}, or one that "
            "`convert` reads), an Engine or a torch module is required"
        )
    return given


def _traced(model: Any, shape: Shape | None) -> _Side:
    from ..trace import trace  # torch is needed for torch models only

    graph = trace(model, input_shape=shape)
    return _Side(graph.spec.name, of_module(model, graph), "float32")


def _verdict(tested: _Side, reference: _Side) -> Verdict:
    exact = tested.precision == reference.precision == "float32"
    got, want, inputs = on_common_inputs(tested.form, reference.form, tested.name, reference.name, not exact)
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

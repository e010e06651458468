"""The formats that a bundle may hold: name → where each lies in it, and what judges it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...compare import Verdict
from ...errors import MissingExtra, UnderOneError, UnknownName
from ...graph import Array, Graph
from ...graph.integer_form import integer_convolutions
from ...runtime import load
from ..explain import Dtype
from ..forms import Form, of_engine, of_graph
from ..parity import precision_of
from ..read_back import FORMATS, Format, judge
from ..write import judge_onnx
from .agreement import agreement
from .record import BundledForm

SUFFIXES: Mapping[str, str] = {
    "onnx": ".onnx",
    "coreml": ".mlpackage",
    "litert": ".tflite",
    "openvino": ".xml",
    "ncnn": ".param",
    "executorch": ".pte",
}


@dataclass(frozen=True)
class Source:
    """The ONNX file that everything in a bundle is made from and held against.

    Attributes:
        graph: what it holds.
        form: runs it in the reference interpreter, each input once.
    """

    graph: Graph
    form: Form


def source_of(graph: Graph) -> Source:
    """Give a graph with what runs it."""
    return Source(graph, remembered(of_graph(integer_convolutions(graph))))


def remembered(form: Form) -> Form:
    """Let a form calculate each input once."""
    known: dict[object, dict[str, Array]] = {}

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        key = tuple((name, array.shape, array.dtype, array.tobytes()) for name, array in inputs.items())
        if key not in known:
            known[key] = form.run(inputs)
        return known[key]

    return replace(form, run=run)


def judged(folder: Path, form: BundledForm, source: Source, verdict: Verdict | None = None) -> BundledForm:
    """Give a form of a bundle with what its comparison with the source says now.

    Args:
        folder: of the bundle.
        form: its format, file, size and dtype.
        source: of the bundle.
        verdict: of the comparison, where it was made already.
    """
    path = folder / form.file
    try:
        found = verdict or _verdict(path, source, form.dtype, form.format)
        share = _agreement(path, source, form.format)
    except MissingExtra as error:
        return form.model_copy(update={"passed": None, "notes": (f"not run: {error}",)})
    except (UnderOneError, OSError) as error:  # OSError: a record may name a folder as a file
        return form.model_copy(update={"passed": False, "notes": (str(error),)})
    rows = [row for row in found.comparisons if "zeros" not in row.on] or list(found.comparisons)
    return form.model_copy(
        update={
            "nmse": max(row.nmse for row in rows),
            "peak": max(row.peak for row in rows),
            "agreement": share,
            "passed": found.passed,
            "by": ", ".join(dict.fromkeys(row.on.split(", ")[-1] for row in rows)),
            "notes": found.notes,
        }
    )


def _verdict(path: Path, source: Source, dtype: Dtype, kind: str) -> Verdict:
    precision = precision_of(source.graph, dtype)
    if kind == "onnx":
        return judge_onnx(path.read_bytes(), path.name, source.form, precision)
    return judge(path, path.name, source.form, precision, _row(kind))


def _agreement(path: Path, source: Source, kind: str) -> float | None:
    if kind == "onnx":
        with load(path) as engine:
            return agreement(of_engine(engine), source.form)
    with _row(kind).run(path, source.form.spec) as (*_, last):
        return agreement(last, source.form)


def _row(kind: str) -> Format:
    if kind not in SUFFIXES:
        raise UnknownName("format", kind, SUFFIXES)
    row = FORMATS[SUFFIXES[kind]]
    row.require_runs()
    return row

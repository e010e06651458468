"""Formats that are proven by reading the written file again with a reader of our own."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..compare import Verdict
from ..errors import MissingExtra, ParityFailed, Unsupported
from ..files import atomic_folder, atomic_write, sha256_of
from ..foreign import read_foreign
from ..graph import Graph, count
from ..spec import ModelSpec
from .decoding import decoded
from .explain import Dtype, compare_and_explain
from .forms import Form, of_graph
from .parity import compare_forms, versions
from .pictures import on_common_inputs

Write = Callable[[Graph, Path, Dtype, bool], None]


@dataclass(frozen=True)
class Format:
    """One row of the table of formats.

    Attributes:
        write: makes the file, or folder, of a graph, a path, a dtype, and whether overlaps are suppressed.
        package: that it needs.
        extra: of this project that installs the package.
        place: gives a path to write to, and moves what was written to its place.
        run: engines beside our own interpreter that run what was written, given its path and the network's spec.
    """

    write: Write
    package: str
    extra: str
    place: Callable[[Path], AbstractContextManager[Path]]
    run: Callable[[Path, ModelSpec], Sequence[Form]] = lambda *_: ()


def _coreml(graph: Graph, path: Path, dtype: Dtype, nms: bool) -> None:
    from .coreml import write_package

    write_package(graph, path, dtype, nms)


def _tflite(graph: Graph, path: Path, dtype: Dtype, nms: bool) -> None:
    from .litert import write_tflite

    if nms:
        raise Unsupported("nms=True: a .tflite is written without suppression; its spec says how boxes are found")
    write_tflite(graph, path, dtype)


def _by_litert(path: Path, spec: ModelSpec) -> Sequence[Form]:
    from .litert import of_tflite

    return (of_tflite(path, spec),)


FORMATS: Mapping[str, Format] = {
    ".mlpackage": Format(_coreml, "coremltools", "coreml", atomic_folder),
    ".tflite": Format(_tflite, "ai_edge_litert", "litert", atomic_write, _by_litert),
}


def write_and_read(graph: Graph, reference: Form, path: Path, dtype: Dtype, nms: bool = False) -> Verdict:
    """Write a graph in the format of the path's suffix, read it back and compare; only then it stands at the path.

    Raises:
        MissingExtra: the format's package is not installed.
        Unsupported: something of the network has no form in that format.
        BadFile: it cannot be written.
        ParityFailed: what was written computes something else; nothing is kept.
    """
    row = FORMATS[path.suffix]
    if find_spec(row.package) is None:
        raise MissingExtra(f"export to {path.suffix}", row.package, row.extra)
    with row.place(path) as new, atomic_write(path.with_name(path.name + ".verdict.json")) as proof:
        row.write(graph, new, dtype, nms)
        verdict = _proven(new, path.name, decoded(reference) if nms else reference, dtype, row)
        proof.write_text(verdict.to_json())
    return verdict


def _proven(written: Path, name: str, reference: Form, dtype: Dtype, row: Format) -> Verdict:
    try:
        verdict = _verdict(written, name, reference, dtype, row)
    except ParityFailed as error:
        raise ParityFailed(f"{name} was not written: {error}") from error
    if not verdict.passed:
        raise ParityFailed(f"{name} was not written: {'; '.join([str(verdict), *verdict.notes])}")
    return verdict


def _verdict(path: Path, name: str, reference: Form, dtype: Dtype, row: Format) -> Verdict:
    graph = read_foreign(path).graph()
    got, want, inputs = on_common_inputs(of_graph(graph), reference, name)
    rows, notes, facts = compare_and_explain(got, want, inputs, dtype)
    others = row.run(path, reference.spec)
    for form in others:
        more, said = compare_forms(*on_common_inputs(form, reference), dtype)
        rows, notes = rows + more, notes + said
    one = inputs["zeros"].shape
    cost = count(graph, sizes={graph.inputs[0].name: one})
    files = sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
    return Verdict(
        kind="export",
        subject=f"{name} ({dtype})",
        reference=f"{reference.spec.name} by {reference.by}",
        comparisons=tuple(rows),
        facts={
            "sha256": {str(f.relative_to(path)) if f != path else name: sha256_of(f) for f in files},
            "bytes": sum(f.stat().st_size for f in files),
            "form": reference.spec.form,
            "dtype": dtype,
            "params": cost.params,
            "macs": cost.macs,
            "input_shape": list(one),
            **facts,
        },
        notes=tuple(dict.fromkeys(notes)),
        versions=versions([got, want, *others]),
    )

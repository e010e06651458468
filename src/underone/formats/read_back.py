"""Formats other than ONNX: each is written, run again from what was written, compared, and only then kept."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from pydantic import JsonValue

from ..compare import Verdict
from ..errors import BadFile, MissingExtra, ParityFailed, ShapeError, Unsupported
from ..files import atomic_folder, atomic_pair, atomic_write, sha256_of
from ..foreign import read_foreign
from ..graph import Graph, count
from ..graph.float16 import with_half_weights
from ..graph.onnx_file import SHA256
from ..spec import ModelSpec
from .decoding import decoded
from .explain import Dtype, compare_and_explain
from .forms import Form, of_graph
from .parity import Precision, compare_forms, precision_of, versions
from .pictures import on_common_inputs
from .small_weights import SmallWeights, require_small, shrunk

Write = Callable[..., None]  # of a graph, a path and a dtype, and of a target where a format has such
Run = Callable[[Path, ModelSpec], AbstractContextManager[Sequence[Form]]]


@dataclass(frozen=True)
class Format:
    """One row of the table of formats.

    Attributes:
        title: its name for people.
        write: makes the file, or folder, of a graph, a path and a dtype.
        run: gives what runs it, from its path and the network's spec; the first says where it differs, if it can.
        package: that it needs; "": `able` looks.
        extra: of this project that installs the package.
        write_nms: likewise makes one with suppression inside; None: the format has none.
        folder: whether it is a folder.
        weights: names the file beside that holds the weights; None: there is none.
        targets: whether `write` also takes the system that is to run it, or None.
        small: forms of small weights that it can hold; see `with_small_weights`.
        dtypes: number formats in which it can be written.
        remarks: says of a graph and a dtype what users of the format should know.
        able: raises MissingExtra where it cannot be written here though the package is there, or is none.
        is_small: whether a file holds numbers of fewer bits than float32 has; of formats that keep no names of ours.
    """

    title: str
    write: Write
    run: Run
    package: str
    extra: str
    write_nms: Write | None = None
    folder: bool = False
    weights: Callable[[Path], Path] | None = None
    targets: bool = False
    small: tuple[str, ...] = ()
    dtypes: tuple[Dtype, ...] = get_args(Dtype)
    remarks: Callable[[Graph, Dtype], list[str]] = lambda *_: []
    able: Callable[[], object] = lambda: None
    is_small: Callable[[Path], bool] = lambda _: False

    @contextmanager
    def place(self, path: Path) -> Iterator[Path]:
        """Give a path to write to; move what was written to its place when the block ends well."""
        if self.weights:
            with atomic_pair(path, self.weights(path)) as (new, _):
                yield new
        else:
            with (atomic_folder if self.folder else atomic_write)(path) as new:
                yield new

    def files(self, path: Path) -> list[Path]:
        """List the files that stand for a network at `path`."""
        if self.folder:
            return sorted(file for file in path.rglob("*") if file.is_file())
        return [path, self.weights(path)] if self.weights else [path]

    def require_files(self, path: Path) -> None:
        """Look whether all files of a network at `path` are there.

        Raises:
            BadFile: one is not.
        """
        lacking = [file for file in (path, *self.files(path)) if not file.exists()]
        if lacking:
            raise BadFile(f"{path} cannot be read: there is no {lacking[0]}")

    def sums(self, path: Path, name: str) -> dict[str, JsonValue]:
        """Give the sha256 of each of those files, by its place in the folder or by its own name: `name` at `path`."""
        if self.folder:
            return {str(file.relative_to(path)): sha256_of(file) for file in self.files(path)}
        return {name if file == path else file.name: sha256_of(file) for file in self.files(path)}

    def require_runs(self) -> None:
        """Look whether what runs the format is installed.

        Raises:
            MissingExtra: it is not.
        """
        if self.package and find_spec(self.package) is None:
            raise MissingExtra(f"running {self.title}", self.package, self.extra)


def _coreml(graph: Graph, path: Path, dtype: Dtype, target: str | None) -> None:
    from .coreml import write_package

    write_package(graph, path, dtype, target=target)


def _coreml_nms(graph: Graph, path: Path, dtype: Dtype, target: str | None) -> None:
    from .coreml import write_package

    write_package(graph, path, dtype, nms=True, target=target)


def _coreml_remarks(graph: Graph, dtype: Dtype) -> list[str]:
    from .coreml import off_the_neural_engine

    return off_the_neural_engine(graph, dtype)


def _tflite(graph: Graph, path: Path, dtype: Dtype) -> None:
    from .litert import write_tflite

    write_tflite(graph, path, dtype)


def _openvino(graph: Graph, path: Path, dtype: Dtype) -> None:
    from .openvino_ir import write_ir

    write_ir(graph, path, dtype)


def _openvino_is_small(path: Path) -> bool:
    from .openvino_ir import is_small

    return is_small(path)


def _ncnn_is_small(path: Path) -> bool:
    from .ncnn import is_small

    return is_small(path)


def _ncnn(graph: Graph, path: Path, dtype: Dtype) -> None:
    from .ncnn import write_ncnn

    write_ncnn(graph, path, dtype)


def _ncnn_weights(path: Path) -> Path:
    from .ncnn import weights_path

    return weights_path(path)


def _executorch_python() -> str:
    from .executorch import executorch_python

    return executorch_python()


def _executorch(graph: Graph, path: Path, _: Dtype) -> None:
    from .executorch import write_pte

    write_pte(graph, path)


@contextmanager
def _by_our_reader(path: Path, _: ModelSpec) -> Iterator[Sequence[Form]]:
    yield (of_graph(read_foreign(path).graph(quantised="kept")),)


@contextmanager
def _by_litert(path: Path, spec: ModelSpec) -> Iterator[Sequence[Form]]:
    from .litert import of_tflite

    yield of_graph(read_foreign(path).graph(quantised="kept")), of_tflite(path, spec)


@contextmanager
def _by_openvino(path: Path, spec: ModelSpec) -> Iterator[Sequence[Form]]:
    from .openvino_ir import of_ir

    yield (of_ir(path, spec),)


@contextmanager
def _by_ncnn(path: Path, spec: ModelSpec) -> Iterator[Sequence[Form]]:
    from .ncnn import of_ncnn

    yield (of_ncnn(path, spec),)


@contextmanager
def _by_executorch(path: Path, spec: ModelSpec) -> Iterator[Sequence[Form]]:
    from .executorch import of_pte

    with of_pte(path, spec) as form:
        yield (form,)


FORMATS: Mapping[str, Format] = {
    ".mlpackage": Format(
        "Core ML",
        _coreml,
        _by_our_reader,
        "coremltools",
        "coreml",
        write_nms=_coreml_nms,
        folder=True,
        targets=True,
        small=get_args(SmallWeights),
        remarks=_coreml_remarks,
    ),
    ".tflite": Format("LiteRT", _tflite, _by_litert, "ai_edge_litert", "litert", small=("int8",)),
    ".xml": Format(
        "OpenVINO",
        _openvino,
        _by_openvino,
        "openvino",
        "openvino",
        weights=lambda path: path.with_suffix(".bin"),
        is_small=_openvino_is_small,
    ),
    ".param": Format("ncnn", _ncnn, _by_ncnn, "ncnn", "ncnn", weights=_ncnn_weights, is_small=_ncnn_is_small),
    ".pte": Format(
        "ExecuTorch",
        _executorch,
        _by_executorch,
        "",
        "executorch",
        dtypes=("float32",),  # XNNPACK calculates so on every processor
        able=_executorch_python,
    ),
}


def require_able(suffix: str, dtype: Dtype) -> None:
    """Look whether a format can be written here.

    Raises:
        MissingExtra: its package is not installed.
        Unsupported: it has no such number format.
    """
    row = FORMATS[suffix]
    if row.package and find_spec(row.package) is None:
        raise MissingExtra(f"export to {suffix}", row.package, row.extra)
    if dtype not in row.dtypes:
        raise Unsupported(f"a {suffix} is written in {', '.join(row.dtypes)}, not in {dtype}")
    row.able()


def write_and_read(
    graph: Graph,
    reference: Form,
    path: Path,
    dtype: Dtype,
    nms: bool = False,
    *,
    target: str | None = None,
    weights: str | None = None,
) -> Verdict:
    """Write a graph in the format of the path's suffix, read it back and compare; only then it stands at the path.

    The arguments are those of `export`.

    Raises:
        UnknownName: no such target, or no such form of the weights in that format.
        MissingExtra: the format's package is not installed.
        Unsupported: something of the network has no form in that format.
        BadFile: it cannot be written.
        ParityFailed: what was written computes something else; nothing is kept.
    """
    row = FORMATS[path.suffix]
    write = row.write_nms if nms else row.write
    if write is None:
        able = ", ".join([".onnx", *(suffix for suffix, other in FORMATS.items() if other.write_nms)])
        raise Unsupported(f"nms=True: a {path.suffix} is written without suppression; {able} can hold it")
    require_able(path.suffix, dtype)
    given = {name: value for name, value in (("target", target), ("weights", weights)) if value is not None}
    if target is not None and not row.targets:
        raise Unsupported(f"target={target!r}: {row.title} has no targets; Core ML has")
    require_small(weights, row.small, row.title)
    graph, reference, cost = shrunk(graph, reference, weights)
    with row.place(path) as new, atomic_write(path.with_name(path.name + ".verdict.json")) as proof:
        rounded = with_half_weights(graph) if dtype == "float16" else graph
        write(rounded, new, dtype, *((target,) if row.targets else ()))
        verdict = _proven(new, path.name, decoded(reference) if nms else reference, precision_of(graph, dtype), row)
        verdict = verdict.model_copy(
            update={
                "comparisons": (*verdict.comparisons, *cost),
                "notes": (*verdict.notes, *row.remarks(graph, dtype)),
                "facts": {**verdict.facts, **given},
            }
        )
        proof.write_text(verdict.to_json())
    return verdict


def _proven(written: Path, name: str, reference: Form, dtype: Precision, row: Format) -> Verdict:
    try:
        verdict = judge(written, name, reference, dtype, row)
    except (ParityFailed, ShapeError) as error:
        raise ParityFailed(f"{name} was not written: {error}") from error
    if not verdict.passed:
        raise ParityFailed(f"{name} was not written: {'; '.join([str(verdict), *verdict.notes])}")
    return verdict


def judge(path: Path, name: str, reference: Form, dtype: Precision, row: Format) -> Verdict:
    """Run what stands at a path on everything that runs it, and compare it with the network that it was made from."""
    with row.run(path, reference.spec) as (first, *others):
        got, want, inputs = on_common_inputs(first, reference, name, half=dtype == "float16")
        rows, notes, facts = compare_and_explain(got, want, inputs, dtype)
        for form in others:
            more, said = compare_forms(*on_common_inputs(form, reference, half=dtype == "float16"), dtype)
            rows, notes = rows + more, notes + said
    return Verdict(
        kind="export",
        subject=f"{name} ({dtype})",
        reference=f"{reference.spec.name} by {reference.by}",
        comparisons=tuple(rows),
        facts={
            SHA256: row.sums(path, name),
            "bytes": sum(f.stat().st_size for f in row.files(path)),
            "form": reference.spec.form,
            "dtype": dtype,
            **_cost(got if got.graph else want, inputs["zeros"].shape),
            **facts,
        },
        notes=tuple(dict.fromkeys(notes)),
        versions=versions([got, want, *others]),
    )


def _cost(form: Form, shape: tuple[int, ...]) -> dict[str, JsonValue]:
    """Count what one picture costs."""
    if form.graph is None:
        return {}
    graph = form.graph()
    cost = count(graph, sizes={graph.inputs[0].name: shape})
    return {"params": cost.params, "macs": cost.macs, "input_shape": list(shape)}

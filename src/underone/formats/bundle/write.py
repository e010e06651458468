"""export_bundle: a network → a folder with it in every format that is asked for, each proven."""

import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ...boxes import anchor_boxes
from ...compare import Verdict
from ...errors import BadFile, BadValue, ParityFailed, UnknownName
from ...files import atomic_folder, sha256_of
from ...graph import Graph, read_onnx
from ...spec import ModelSpec
from ..explain import Dtype
from ..parity import versions_of
from ..plain_names import plain_name
from ..read_back import FORMATS, require_able, write_and_read
from ..write import export
from .forms import SUFFIXES, Source, judged, source_of
from .page import page
from .record import RECORD, Bundle, BundledForm
from .snippets import write_snippets

if TYPE_CHECKING:
    from torch import nn


def export_bundle(
    model: "nn.Module | Graph | str | PathLike[str]",
    folder: str | PathLike[str],
    to: Sequence[str] = tuple(SUFFIXES),
    dtype: Dtype = "float32",
) -> Bundle:
    """Write a folder with a network in several formats, and with what an app needs beside them.

    The folder holds the ONNX file in float32, from which every other is made and against which it is held; a folder for
    each format with the file, its verdict, and short programs that read its outputs; ``labels.txt``, ``spec.json``, of
    a detector ``anchors.json``; ``README.md`` with the table of proofs, and ``bundle.json`` with the sha256 of all
    files.

    Args:
        model: as for `export`; from an ONNX file torch is never loaded.
        folder: to be made; a bundle that stands there stays until the new one is complete.
        to: names of formats: ``onnx``, ``coreml``, ``litert``, ``openvino``, ``ncnn``, ``executorch``.
        dtype: number format of the weights, in every format that has it: ExecuTorch's programs are always float32, and
            so is the ONNX file that all are held against.

    Returns:
        What stands in its record.

    Raises:
        UnknownName: no such format.
        BadFile: something else than a bundle stands at `folder`, or it cannot be written.
        MissingExtra, BadValue, Unsupported, ParityFailed: as `export`; nothing is written.
    """
    folder = Path(folder)
    unknown = [name for name in to if name not in SUFFIXES]
    if unknown or not to:
        raise UnknownName("format", unknown[0] if unknown else "", SUFFIXES)
    for name in to:
        if name != "onnx":
            require_able(SUFFIXES[name], _dtype_of(name, dtype))
    if folder.exists() and not (folder / RECORD).is_file():
        raise BadFile(f"{folder} is there and no bundle; name a new folder")
    with atomic_folder(folder) as new:
        (new / "onnx").mkdir(parents=True)
        first = export(model, new / "onnx" / "network.onnx")
        source = source_of(read_onnx(first))
        name = plain_name(source.graph.spec.name)
        first = _renamed(first, name)
        forms = tuple(_written(new, first, source, kind, dtype) for kind in dict.fromkeys(to))
        bundle = _record(new, first, source.graph.spec, forms)
        (new / RECORD).write_text(bundle.model_dump_json(indent=1), encoding="utf-8")
    return bundle


def _dtype_of(kind: str, dtype: Dtype) -> Dtype:
    """Give the number format that a format is written in where another was asked for that it may not have."""
    known = FORMATS[SUFFIXES[kind]].dtypes if kind != "onnx" else (dtype,)
    return dtype if dtype in known else known[0]


def _renamed(path: Path, name: str) -> Path:
    """Give a file, and its verdict, the network's name."""
    named = path.with_name(f"{name}.onnx")
    _proof(path).rename(_proof(named))
    return path.rename(named)


def _proof(path: Path) -> Path:
    return path.with_name(f"{path.name}.verdict.json")


def _written(new: Path, first: Path, source: Source, kind: str, dtype: Dtype) -> BundledForm:
    """Write one format; give what is said of it."""
    (new / kind).mkdir(exist_ok=True)
    if kind == "onnx":
        path = first
        if dtype != "float32":
            path = export(source.graph, first.with_name(f"{first.stem}.{dtype}.onnx"), dtype)
        verdict, files = Verdict.from_json(_proof(path).read_bytes(), str(_proof(path))), [path]
    else:
        path, dtype = new / kind / f"{first.stem}{SUFFIXES[kind]}", _dtype_of(kind, dtype)
        verdict = write_and_read(source.graph, source.form, path, dtype)
        files = FORMATS[path.suffix].files(path)
    size = sum(file.stat().st_size for file in files)
    form = BundledForm(format=kind, file=f"{kind}/{path.name}", bytes=size, dtype=dtype)
    found = judged(new, form, source, verdict)
    if found.passed is False:
        raise ParityFailed(f"{form.file} was not written: {'; '.join(found.notes) or verdict}")
    return found


def _record(new: Path, first: Path, spec: ModelSpec, forms: tuple[BundledForm, ...]) -> Bundle:
    """Write what stands beside the formats; give the record of all."""
    (new / "spec.json").write_text(spec.to_json(), encoding="utf-8")
    labels = spec.labels or tuple(f"class {i}" for i in range(spec.classes or 0))
    if any("\n" in label for label in labels):
        raise BadValue(f"{spec.name!r} has labels of several lines; labels.txt holds one a line")
    (new / "labels.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    if spec.detection is not None:
        anchors = anchor_boxes(spec.detection.anchors, spec.detection.clip_anchors)
        (new / "anchors.json").write_text(json.dumps(anchors.tolist()))
    write_snippets(new, spec, forms)
    bundle = Bundle(
        name=spec.name,
        task=spec.task,
        source=first.relative_to(new).as_posix(),
        licence=spec.licence,
        weights=spec.weights,
        forms=forms,
        versions=versions_of(*(form.by for form in forms)),
    )
    (new / "README.md").write_text(page(bundle), encoding="utf-8")
    files = sorted(path for path in new.rglob("*") if path.is_file())
    return bundle.model_copy(update={"sha256": {f.relative_to(new).as_posix(): sha256_of(f) for f in files}})

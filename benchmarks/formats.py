"""Every network of the zoo in every format: how far from the network itself, and how large.

    python benchmarks/formats.py rows [PATTERN …]               export what is missing; default: all of `NETWORKS`
    python benchmarks/formats.py agreement PICTURES FILE.onnx …  int8 in LiteRT beside the engine on quantised files
    python benchmarks/formats.py rounding [PATTERN …]           what weights in float16 cost, rounded in two ways
    python benchmarks/formats.py table                          the first two, as docs/formats.md shows them

Classifiers and backbones of detectors have the weights of `TRAINED`; all else has random ones, and batch norms that
have seen photographs.
int8 files are quantised on the packaged photographs. A row is the worst comparison of the verdict that `export` wrote,
by everything that runs the format here.
Rows are kept in benchmarks/formats/rows.json as they come: what is there is not done again, what failed is. Forms whose
package is missing are skipped.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import underone as uo
from underone.compare import Verdict, difference
from underone.data.from_folder import pictures_below
from underone.errors import MissingExtra, UnderOneError
from underone.files import atomic_write, make_folder
from underone.formats.litert import of_tflite, write_tflite
from underone.formats.probes import probes
from underone.graph import read_onnx, run_reference
from underone.graph.float16 import axes_of_weights, with_half_weights
from underone.image import photograph, photographs, prepare
from underone.nn.statistics import AnyBatchNorm, randomize_statistics
from underone.weights.hub import fetch_weights, find_weights

RESULTS = Path(__file__).with_name("formats")
HEADS = ("deeplabv3", "deeplabv3light", "deeplabv3plus", "ssd300", "ssdlite300", "ssdlite320")
BACKBONES = ("mobileone_s0", "mobilenet_v1_100", "mobilenet_v2_100", "efficientnet_lite0")
NETWORKS = ("mobileone_s?", "mobilenet_v?_*", "efficientnet_lite0", *(f"{h}_{b}" for h in HEADS for b in BACKBONES))
TRAINED = {
    "mobileone_s0": "clothing10",
    "mobilenet_v2_100": "clothing10",
    "mobilenet_v1_100": "tensorflow_in1k",
    "efficientnet_lite0": "tensorflow_in1k",
}


class Written(NamedTuple):
    """One form: its name in the table, the suffix of its file, what `export` is told, and from the int8 file or not."""

    title: str
    suffix: str
    how: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    quantised: bool = False


FORMS = (
    Written("ONNX", ".onnx"),
    Written("ONNX float16", ".onnx", {"dtype": "float16"}),
    Written("Core ML", ".mlpackage"),
    Written("Core ML float16", ".mlpackage", {"dtype": "float16"}),
    Written("Core ML float16, weights int8", ".mlpackage", {"dtype": "float16", "weights": "int8"}),
    Written("Core ML float16, palette of 64", ".mlpackage", {"dtype": "float16", "weights": "palette6"}),
    Written("Core ML int8", ".mlpackage", {}, quantised=True),
    Written("LiteRT", ".tflite"),
    Written("LiteRT float16", ".tflite", {"dtype": "float16"}),
    Written("LiteRT int8", ".tflite", {}, quantised=True),
    Written("OpenVINO", ".xml"),
    Written("OpenVINO float16", ".xml", {"dtype": "float16"}),
    Written("ncnn", ".param"),
    Written("ncnn float16", ".param", {"dtype": "float16"}),
    Written("ExecuTorch", ".pte"),
)


def network(name: str) -> torch.nn.Module:
    """Build a network, its backbone with trained weights where there are some.

    Segmenters are drawn whole: on a folded backbone their heads have no batch norms, and float16 overflows.
    """
    torch.manual_seed(0)
    trained = next((b for b in TRAINED if name.endswith(b) and not name.startswith("deeplab")), None)
    if trained == name:
        return uo.create_model(name, weights=TRAINED[name])
    weights = None if trained is None else fetch_weights(find_weights(trained, TRAINED[trained]))
    model = uo.create_model(name, weights=weights)
    pictures = [prepare(photograph(p.name), model.spec.input) for p in photographs()]
    images = torch.from_numpy(np.concatenate(pictures))
    if trained is None:
        randomize_statistics(model, images)
    else:
        show(model, images)
    return model


def show(model: torch.nn.Module, images: torch.Tensor) -> None:
    """Give the batch norms of a fresh head the statistics that images cause; those of the backbone stay."""
    norms = [m for m in model.modules() if isinstance(m, AnyBatchNorm) and not m.running_mean.any()]
    model.eval()
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        model(images)
    model.eval()


class Sources:
    """The files of one network that its forms are made from, each written when it is first asked for."""

    def __init__(self, name: str, folder: Path) -> None:
        """Name the network and where its files go."""
        self.name, self.plain, self.whole = name, folder / "plain.onnx", folder / "whole.onnx"

    def of(self, form: Written) -> Path:
        """Give the file that a form is made from."""
        if not self.plain.exists():
            uo.export(uo.reparameterize(network(self.name)), self.plain)
        if form.quantised and not self.whole.exists():
            uo.quantize(self.plain, [photograph(p.name) for p in photographs()], self.whole)
        return self.whole if form.quantised else self.plain


def row_of(sources: Sources, form: Written, folder: Path) -> dict[str, Any]:
    """Export one form; give its row, or what was in the way."""
    row: dict[str, Any] = {"network": sources.name, "form": form.title}
    try:
        source, began = sources.of(form), time.perf_counter()
        path = uo.export(source, folder / f"net{form.suffix}", **form.how)
        verdict = Verdict.from_json(path.with_name(path.name + ".verdict.json").read_text())
    except MissingExtra:
        raise
    except UnderOneError as error:
        return row | {"error": str(error).splitlines()[0].replace(f"{folder}/", "")}
    proof = [c for c in verdict.comparisons if "weights in" not in c.on]
    cost = [c.nmse for c in verdict.comparisons if "weights in" in c.on]
    return row | {
        "nmse": max(c.nmse for c in proof),
        "photo": max(c.nmse for c in proof if c.on.startswith("photo")),
        "peak": max(c.peak for c in proof),
        "cost": max(cost, default=None),
        "bytes": verdict.facts["bytes"],
        "seconds": round(time.perf_counter() - began, 1),
    }


def names_of(patterns: Sequence[str]) -> list[str]:
    """List the networks that patterns mean, in their order."""
    return list(dict.fromkeys(name for pattern in patterns for name in uo.list_models(pattern)))


def missing(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, list[Written]]]:
    """Give the networks that lack forms, with those."""
    done = {(row["network"], row["form"]) for row in rows if "error" not in row}
    for name in names:
        forms = [form for form in FORMS if (name, form.title) not in done]
        if forms:
            yield name, forms


def fill(patterns: Sequence[str]) -> None:
    """Export what is missing, and keep each row as it comes."""
    make_folder(RESULTS)
    file = RESULTS / "rows.json"
    rows: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
    for name, forms in missing(names_of(patterns or NETWORKS), rows):
        with tempfile.TemporaryDirectory() as folder:
            sources = Sources(name, Path(folder))
            for form in forms:
                try:
                    row = row_of(sources, form, Path(folder))
                except MissingExtra as error:
                    print(f"{form.title} is skipped: {error}")
                    continue
                rows = [old for old in rows if (old["network"], old["form"]) != (name, form.title)] + [row]
                print(row, flush=True)
                with atomic_write(file) as new:
                    new.write_text(json.dumps(rows, indent=1) + "\n")


def agree(pictures: str, files: Sequence[str]) -> None:
    """Compare a quantised file in LiteRT with the same file on our engine, picture by picture."""
    found = []
    for file in files:
        graph = read_onnx(file)
        with uo.load(file, backend="native") as engine, tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "net.tflite"
            write_tflite(graph, path, "float32")
            lite, (output, *_) = of_tflite(path, graph.spec), graph.spec.outputs
            same, quanta, listed = 0, 0.0, list(pictures_below(Path(pictures)))
            for picture in listed:
                image = {engine.spec.input.name: prepare(str(picture), engine.spec.input)}
                want, got = engine.run(image)[output.name], lite.run(image)[output.name]
                same += int(want.argmax() == got.argmax())
                quanta = max(quanta, float(np.abs(got - want).max() / (np.ptp(want) / 255)))
        found.append({"file": Path(file).name, "pictures": len(listed), "same": same, "quanta": quanta})
        print(found[-1], flush=True)
    make_folder(RESULTS)
    with atomic_write(RESULTS / "agreement.json") as new:
        new.write_text(json.dumps(found, indent=1) + "\n")


def compare_roundings(patterns: Sequence[str]) -> None:
    """Compare networks with their float16 weights: each rounded for itself, and as `export` does it."""
    found = []
    for name in names_of(patterns or TRAINED):
        with tempfile.TemporaryDirectory() as folder:
            graph = read_onnx(Sources(name, Path(folder)).of(FORMS[0]))
        each = {n: graph.constants[n].astype(np.float16).astype(np.float32) for n, _ in axes_of_weights(graph)}
        forms = {"each": replace(graph, constants={**graph.constants, **each}), "cancelling": with_half_weights(graph)}
        for probe, array in probes(graph.spec.input, reachable=True).items():
            want, *rounded = (run_reference(g, {g.inputs[0].name: array}) for g in (graph, *forms.values()))
            errors = [max(difference(got[n], want[n])[0] for n in want) for got in rounded]
            found.append({"network": name, "on": probe, **dict(zip(forms, errors, strict=True))})
            print(found[-1], flush=True)
    with atomic_write(make_folder(RESULTS) / "rounding.json") as new:
        new.write_text(json.dumps(found, indent=1) + "\n")


def table() -> Iterator[str]:
    """Give the lines of docs/formats.md: a row for each network, then LiteRT's int8 beside the engine's."""
    rows = json.loads((RESULTS / "rows.json").read_text())
    names = [name for name in names_of(NETWORKS) if any(row["network"] == name for row in rows)]
    found = {(row["network"], row["form"]): row for row in rows}
    yield f"| NMSE, MB | {' | '.join(form.title for form in FORMS)} |"
    yield f"|---|{'---|' * len(FORMS)}"
    for name in names:
        yield f"| {name} | {' | '.join(_cell(found.get((name, form.title))) for form in FORMS)} |"
    agreement = RESULTS / "agreement.json"
    if agreement.exists():
        yield ""
        for row in json.loads(agreement.read_text()):
            yield (f"{row['file']} in LiteRT and in our engine: the same class on {row['same']} of {row['pictures']} "
                   f"pictures, logits at most {row['quanta']:.1g} of 255 steps apart.")  # fmt: skip


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    return "not written" if "error" in row else f"{row['nmse']:.0e}, {row['bytes'] / 1e6:.1f}"


if __name__ == "__main__":
    command, *given = sys.argv[1:] or ["table"]
    if command == "rows":
        fill(given)
    elif command == "agreement":
        agree(given[0], given[1:])
    elif command == "rounding":
        compare_roundings(given)
    else:
        print("\n".join(table()))

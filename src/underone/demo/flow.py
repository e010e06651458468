"""The whole flow on real input: weights, folding with proof, export with proof, an answer, a measurement, a report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn

from ..bench import Contestant, compare_engines
from ..bench.report import write_report
from ..compare import Verdict
from ..errors import BadFile
from ..fold import reparameterize
from ..formats import export
from ..graph import read_verdict
from ..image import Photograph, photographs, prepare, read_image
from ..nn.statistics import randomize_statistics
from ..post import Classification
from ..runtime import installed_backends, load
from ..spec import ModelSpec
from ..trace import trace
from ..zoo import create_model
from .form import Form
from .page import build_report

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Contender:
    """A row of the speed comparison: what it is called, and what is measured."""

    label: str
    contestant: Contestant


def run_demo(folder: Path, *, seconds: float = 6.0, progress: Progress = lambda _: None) -> Path:
    """Run the whole flow and write `report.html`, the ONNX files, their verdicts and the Records into a folder.

    Args:
        folder: made if it does not exist.
        seconds: time for each engine in the speed comparison.
        progress: told one sentence after each step.

    Returns:
        Path of the report.

    Raises:
        FetchFailed: the trained weights could not be had.
        ParityFailed: a form of a network differs from the one before; that would be a bug.
        BadFile: the folder cannot be written.
    """
    _make(folder)
    classifier = _trained_classifier(folder, progress)
    answers = _answers(classifier.path, progress)
    mobileone, training = _mobileone(folder, progress)
    contenders = _contenders(classifier, mobileone, training)
    progress(f"measuring {len(contenders)} combinations of form and engine in turns, about a minute")
    records = compare_engines([c.contestant for c in contenders], seconds=seconds)
    for contender, record in zip(contenders, records, strict=True):
        (folder / f"record_{_slug(contender.label)}.json").write_text(record.to_json())
    progress(f"measured on {records[0].machine}")
    report = build_report(classifier, mobileone, answers, [c.label for c in contenders], records)
    return write_report(report, folder / "report.html")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadFile(f"{folder} cannot be made: {error.strerror}; pass another folder with -o") from error


def _trained_classifier(folder: Path, progress: Progress) -> Form:
    model = create_model("mobilenet_v2_100", weights="DEFAULT")
    progress("MobileNet V2 with trained ImageNet weights loaded")
    return _ship(model, folder / "mobilenet_v2_100.onnx", progress)


def _mobileone(folder: Path, progress: Progress) -> tuple[Form, Path]:
    torch.manual_seed(0)
    model = create_model("mobileone_s0")
    settle_statistics(model)
    progress("MobileOne-S0 built: random weights, batch norms that have seen the photographs")
    training = export(trace(model), folder / "mobileone_s0_training.onnx")  # only to be timed
    return _ship(model, folder / "mobileone_s0.onnx", progress), training


def _ship(model: nn.Module, path: Path, progress: Progress) -> Form:
    folded = reparameterize(model)
    certificate = cast(Verdict, folded.certificate)
    progress(f"folded: {_proof(certificate)}")
    verdict = cast(Verdict, read_verdict(export(folded, path)))
    progress(f"exported to {path.name}: {_proof(verdict)}")
    return Form(cast(ModelSpec, folded.spec), path, certificate, verdict)


def _proof(verdict: Verdict) -> str:
    worst = verdict.worst
    return f"{len(verdict.comparisons)} comparisons passed, worst error {worst.nmse:.0e} (limit {worst.limits.nmse:.0e})"


def settle_statistics(model: nn.Module) -> None:
    """Give the batch norms of a network with random weights the statistics of the packaged photographs, in place."""
    spec = cast(ModelSpec, model.spec)
    batch = torch.cat([torch.from_numpy(prepare(read_image(p.content), spec.input)) for p in photographs()])
    randomize_statistics(model, batch)


def _answers(path: Path, progress: Progress) -> list[tuple[Photograph, Classification]]:
    with load(path) as net:
        answers = [(photo, net.classify(photo.content)) for photo in photographs()]
        right = sum(answer.top(1)[0].index == photo.imagenet_index for photo, answer in answers)
        progress(f"{right} of {len(answers)} photographs named right by {net}")
    return answers


def _contenders(classifier: Form, mobileone: Form, training: Path) -> list[Contender]:
    best = [name for name in installed_backends() if name not in ("reference", "torch")]
    rows = [
        ("MobileOne-S0, training form, torch", training, "torch"),
        ("MobileOne-S0, folded, torch", mobileone.path, "torch"),
        *((f"MobileOne-S0, folded, {name}", mobileone.path, name) for name in best),
        *((f"MobileNet V2, folded, {name}", classifier.path, name) for name in best),
    ]
    return [Contender(label, Contestant(path=str(path), backend=name)) for label, path, name in rows]


def _slug(label: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in label.lower()).replace("__", "_")

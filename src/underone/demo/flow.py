"""The whole flow on real input: weights, folding with proof, export with proof, an answer, a measurement, a report."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from torch import nn

from ..bench import Contestant, compare_engines, write_records
from ..bench.report import write_report
from ..compare import Verdict
from ..files import make_folder
from ..fold import reparameterize
from ..formats import export
from ..graph import read_verdict
from ..image import Photograph, photographs
from ..post import Classification
from ..runtime import installed_backends, load
from ..spec import ModelSpec
from ..trace import trace
from ..zoo import create_model
from ..zoo.statistics import settle_statistics
from .clothing import clothing_networks
from .form import FoldedForm
from .page import build_report

Progress = Callable[[str], None]


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
    make_folder(folder)
    classifier = _trained_classifier(folder, progress)
    answers = _answers(classifier.path, progress)
    clothing = clothing_networks(folder, progress)
    mobileone, training = _mobileone(folder, progress)
    contestants = _contestants(classifier, mobileone, training)
    progress(f"measuring {len(contestants)} combinations of form and engine in turns, about a minute")
    records = compare_engines(list(contestants.values()), seconds=seconds)
    write_records(records, make_folder(folder / "records"))
    progress(f"measured on {records[0].machine}")
    report = build_report(classifier, mobileone, clothing, answers, list(contestants), records)
    return write_report(report, folder / "report.html")


def _trained_classifier(folder: Path, progress: Progress) -> FoldedForm:
    model = create_model("mobilenet_v2_100", weights="DEFAULT").eval()
    progress("MobileNet V2 with trained ImageNet weights loaded")
    return _ship(model, folder / "mobilenet_v2_100.onnx", progress)


def _mobileone(folder: Path, progress: Progress) -> tuple[FoldedForm, Path]:
    torch.manual_seed(0)
    model = create_model("mobileone_s0").eval()
    settle_statistics(model)
    progress("MobileOne-S0 built: random weights, batch norms that have seen the photographs")
    training = export(trace(model), folder / "mobileone_s0_training.onnx")  # only to be timed
    return _ship(model, folder / "mobileone_s0.onnx", progress), training


def _ship(model: nn.Module, path: Path, progress: Progress) -> FoldedForm:
    folded = reparameterize(model)
    certificate = cast(Verdict, folded.certificate)
    progress(f"folded: {_proof(certificate)}")
    verdict = cast(Verdict, read_verdict(export(folded, path)))
    progress(f"exported to {path.name}: {_proof(verdict)}")
    return FoldedForm(cast(ModelSpec, folded.spec), path, verdict, certificate)


def _proof(verdict: Verdict) -> str:
    worst = verdict.worst
    errors = f"worst error {worst.nmse:.0e} (limit {worst.limits.nmse:.0e})"
    return f"{len(verdict.comparisons)} comparisons passed, {errors}"


def _answers(path: Path, progress: Progress) -> list[tuple[Photograph, Classification]]:
    with load(path) as net:
        answers = [(photo, net.classify(photo.content)) for photo in photographs()]
        right = sum(answer.top(1)[0].index == photo.imagenet_index for photo, answer in answers)
        progress(f"{right} of {len(answers)} photographs named right by {net}")
    return answers


def _contestants(classifier: FoldedForm, mobileone: FoldedForm, training: Path) -> dict[str, Contestant]:
    best = [name for name in installed_backends() if name not in ("reference", "torch")]
    rows = [
        ("MobileOne-S0, training form, torch", training, "torch"),
        ("MobileOne-S0, folded, torch", mobileone.path, "torch"),
        *((f"MobileOne-S0, folded, {name}", mobileone.path, name) for name in best),
        *((f"MobileNet V2, folded, {name}", classifier.path, name) for name in best),
    ]
    return {label: Contestant(path=str(path), backend=name) for label, path, name in rows}

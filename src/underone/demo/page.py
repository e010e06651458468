"""The demo's report: what is said about the forms, the answers and the measurements."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from PIL import Image, ImageOps

from ..bench import Record, ratio
from ..bench.plots import block_errors, latency
from ..bench.report import (
    Picture,
    Report,
    Section,
    Table,
    instability_notes,
    picture,
    speed_table,
    verdict_table,
)
from ..image import Photograph, draw_classification, read_image
from ..post import Classification
from .clothing import Clothing
from .form import FoldedForm, Form


def build_report(
    classifier: FoldedForm,
    mobileone: FoldedForm,
    clothing: Sequence[Clothing],
    answers: Sequence[tuple[Photograph, Classification]],
    labels: Sequence[str],
    records: Sequence[Record],
) -> Report:
    """Put everything that the flow found on one page; `labels` name the records."""
    timed = [(r, name) for r, name in zip(records, labels, strict=True) if r.samples_ms]
    sections = (
        _answer_section(classifier, answers),
        *map(_clothing_section, clothing),
        _fold_section(mobileone),
        _export_section(classifier, mobileone, *(net.form for net in clothing)),
        _speed_section([r for r, _ in timed], [name for _, name in timed], records, labels),
        _next_section(),
    )
    return Report(
        title="UnderOne: from weights to an answer",
        intro=(
            "Trained weights in, an answer out, and a number for every step between: what folding changed, what the "
            "exported file answers, and how long it takes on this processor.",
            f"Measured on {records[0].machine}. These are processor times, not phone times.",
        ),
        tiles=_tiles(mobileone, clothing, answers, records),
        sections=sections,
        footer=f"UnderOne {records[0].versions['underone']}, {records[0].date}. "
        "The files, their verdicts and the raw Records are beside this page.",
    )


def _tiles(
    mobileone: FoldedForm,
    clothing: Sequence[Clothing],
    answers: Sequence[tuple[Photograph, Classification]],
    records: Sequence[Record],
) -> list[tuple[str, str]]:
    right = sum(answer.top(1)[0].index == photo.imagenet_index for photo, answer in answers)
    before, after = _sizes(mobileone)
    tiles = [
        (f"{right} of {len(answers)}", "photographs named right at top-1"),
        *(
            (f"{net.score.top1:.1f} %", f"of {net.score.pictures} pictures of clothing right: {net.form.spec.name}")
            for net in clothing
            if net.score
        ),
        (f"{before['params'] / 1e6:.2f} → {after['params'] / 1e6:.2f} M", "parameters of MobileOne-S0, folded"),
        (f"{mobileone.certificate.worst.nmse:.0e}", "largest error of folding, as a share of the signal"),
    ]
    faster = ratio(records[0], records[1])
    if faster:
        tiles.append((f"{faster.value:.1f}×", "faster by folding alone, same engine (torch)"))
    return tiles


def _answer_section(form: Form, answers: Sequence[tuple[Photograph, Classification]]) -> Section:
    pictures = [_answer_picture(photo, answer) for photo, answer in answers]
    return Section(
        title="The answer",
        text=(
            f"MobileNet V2 with the ImageNet weights {form.spec.weights} ({form.spec.licence}), folded, exported and "
            "run as it ships. Bars are the softmax scores of the five best of 1000 classes.",
        ),
        pictures=pictures,
        notes=("Six photographs show that the flow works; they are no accuracy figure.",),
    )


def _answer_picture(photo: Photograph, answer: Classification) -> Picture:
    return _card(photo.content, answer, photo.name, f"Photo: {photo.credit}")


def _card(content: bytes, answer: Classification, name: str, caption: str) -> Picture:
    best = answer.top(5)
    square = ImageOps.fit(Image.fromarray(read_image(content)), (480, 480))  # the cards of one row are alike
    card = draw_classification(np.asarray(square), [(label.name, label.score) for label in best])
    return picture(card, f"{name}: {best[0].name}, {best[0].score:.0%}", caption)


def _clothing_section(net: Clothing) -> Section:
    title, classes = f"A task of its own: {net.form.spec.name}", ", ".join(net.form.spec.labels or ())
    text = f"A network that comes with the package tells ten kinds of clothing apart: {classes}."
    if net.score is None:
        missing = (
            "The pictures that it is tested on are not packaged and UNDERONE_ASSETS does not lead to them, so nothing "
            "is said about its answers here. Its card beside the file states its accuracy."
        )
        return Section(title=title, text=(text,), notes=(missing,))
    found = net.score
    rows = [
        (name, str(sum(said)), str(said[number]), "–" if share is None else f"{share:.0f} %")
        for number, (name, said, share) in enumerate(zip(found.classes, found.confusion, found.by_class, strict=True))
    ]
    right = f"{found.top1:.1f} % of {found.pictures} test pictures are right, {found.balanced:.1f} % class by class."
    if net.int8:
        right = f"{right} The same network in 8 bits has {net.int8.top1:.1f} % and {net.int8.balanced:.1f} %."
    return Section(
        title=title,
        text=(f"{text} {right} The exported file answered, on the engine that runs it by default.",),
        pictures=[_card(one.content, one.answer, one.target, f"Right answer: {one.target}") for one in net.shown],
        tables=(Table(("class", "pictures", "right", "share"), rows, frozenset((1, 2, 3))),),
        notes=("Shown is the first test picture of each class, whatever was said about it.",),
    )


def _fold_section(form: FoldedForm) -> Section:
    before, after = _sizes(form)
    rows = [
        (name, f"{before[key]:,}", f"{after[key]:,}", f"{after[key] / before[key]:.0%}")
        for name, key in (("parameters", "params"), ("multiply-accumulates", "macs"), ("bytes of weights", "bytes"))
    ]
    whole = [c for c in form.certificate.comparisons if " " not in c.on]
    return Section(
        title="The fold, certified",
        text=(
            "MobileOne trains with parallel branches and answers with plain convolutions. Every block was folded in "
            "double precision and compared with its own branches, on the activations of a real photograph and of "
            "noise; then the whole network.",
        ),
        plots=(block_errors(form.certificate),),
        tables=(
            Table(("MobileOne-S0", "training form", "folded", "left"), rows, frozenset((1, 2, 3))),
            verdict_table(form.certificate.model_copy(update={"comparisons": tuple(whole)})),
        ),
        notes=(
            "The weights of this MobileOne are random (its batch norms hold the statistics of the photographs above): "
            "folding, export and speed do not depend on what the network has learned.",
            *form.certificate.notes,
        ),
    )


def _sizes(form: FoldedForm) -> tuple[dict[str, int], dict[str, int]]:
    """Return what the certificate counted before and after folding."""
    facts = form.certificate.facts
    return cast(dict[str, int], facts["before"]), cast(dict[str, int], facts["after"])


def _export_section(*forms: Form) -> Section:
    return Section(
        title="The file, verified",
        text=(
            "Each network was written as ONNX from our own graph, loaded back from the written bytes, and compared "
            "with the torch model number by number: on the photograph, on noise, on zeros, on extremes. "
            "The verdict is inside the file.",
        ),
        tables=[verdict_table(form.export) for form in forms],
    )


def _speed_section(
    timed: Sequence[Record], names: Sequence[str], records: Sequence[Record], labels: Sequence[str]
) -> Section:
    protocol = records[0].protocol
    return Section(
        title="The time it takes",
        text=(
            "One thread, one picture, float32. The outputs were compared with the reference interpreter before the "
            f"clock started; then all took turns, round by round, in {protocol.processes} fresh processes.",
        ),
        plots=(latency(timed, names),),
        tables=(speed_table(records, labels),),
        notes=(
            "Speed is the ratio to the first row: median over the rounds, 95 % bootstrap interval.",
            "A record that calls itself unstable was disturbed: its ratio is still paired round by round, "
            "but its times are not to be quoted.",
            *instability_notes(records, labels),
        ),
    )


def _next_section() -> Section:
    return Section(
        title="The same by hand",
        code=(
            "import underone as uo\n\n"
            'model  = uo.create_model("mobilenet_v2_100", weights="DEFAULT")\n'
            "folded = uo.reparameterize(model)           # folded.certificate is the proof\n"
            'path   = uo.export(folded, "mobilenet.onnx") # verified while it is written\n'
            "net    = uo.load(path, threads=1)           # no torch from here on\n"
            'print(net.classify("photo.jpg").top(5))\n'
            "print(uo.measure(net))"
        ),
    )

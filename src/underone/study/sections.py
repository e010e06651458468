"""The sections of a study's page: tables, plots and sentences from trials of one machine and one precision."""

from collections.abc import Sequence

from ..bench.report import Section, Table
from .cases import SCALING, STUDIES, Case
from .columns import (
    deviation,
    digits,
    doubts,
    engines_of,
    is_stable,
    millions,
    peer_cell,
    refusals,
    sentinel_cell,
    time_cell,
)
from .correlation import Draw, correlation
from .fronts import detection, mobilenets, segmentation
from .metalnet import metalnet
from .published import ACTIVATIONS_MS
from .rank import front, spearman
from .scatter import Point, scatter, touchable
from .table import BY_SOURCE, LATENCIES
from .trial import Trial, chosen


def imagenet(trials: Sequence[Trial], draw: Draw) -> Section | None:
    """Set accuracy as published beside what was counted and measured; the front of the best; what folding is worth."""
    found = chosen(trials, STUDIES["imagenet"])
    engines = engines_of(found)
    if not engines:
        return None
    timed = [
        t for t in found if t.case.form == "folded" and t.milliseconds(engines[0]) and BY_SOURCE.get(t.case.source)
    ]
    pairs = [(t.milliseconds(engines[0]) or 0.0, BY_SOURCE[t.case.source].top1) for t in timed]
    best = {timed[i].case.source for i in front(pairs)}
    points = [
        Point(t.name, x, y, _kind(t.name), t.name if t.case.source in best else "", is_stable(t, engines[0]))
        for t, (x, y) in zip(timed, pairs, strict=True)
    ]
    plots = []
    if points:
        plot = scatter(points, "names: nobody is faster and better", f"milliseconds, {engines[0]}", "top-1, %", False)
        draw("imagenet-front", plot)
        plots.append(touchable(plot, points))
    header = ("network", "form", "front", "top-1 %", "MACs M", "params M", *engines, "by sentinel", "best peer by ours",
              "iPhone 12", "Xeon 5118", "2080 Ti")  # fmt: skip
    rows = [_imagenet_row(t, engines, best) for t in found]
    counted = [deviation(BY_SOURCE[t.case.source], t.facts) for t in timed if t.facts]
    sources = [
        f"{name}: top-1 by {by}" for name, by in {t.name: BY_SOURCE[t.case.source].published for t in found}.items()
    ]
    notes = [*filter(None, counted), *sources]
    return Section(
        title="Accuracy and latency",
        text=(
            "Accuracy as published, MACs and parameters counted from the file, milliseconds measured here (median, "
            "95 % interval over rounds; ?: not stable). The last three columns are printed in the paper.",
            *_orders(timed, engines[0]),
            *_unfolded(found, engines[0]),
        ),
        plots=plots,
        tables=[Table(header, rows, frozenset(range(3, len(header))))],
        notes=notes,
    )


def activations(trials: Sequence[Trial], draw: Draw) -> Section | None:  # noqa: ARG001
    """Set activations beside each other, here and in the paper."""
    found = chosen(trials, STUDIES["activations"])
    engines = engines_of(found)
    if not engines:
        return None
    paper = [(t, ACTIVATIONS_MS[t.name]) for t in found if t.name in ACTIVATIONS_MS]
    rows = [
        (t.name, *(time_cell(t.engines.get(e)) for e in engines), *_times_first(found, t, engines[0]),
         digits(ACTIVATIONS_MS.get(t.name)), _paper_ratio(t.name))
        for t in found
    ]  # fmt: skip
    header = ("activation", *engines, f"by ReLU, {engines[0]}", "iPhone 12 (paper)", "by ReLU (paper)")
    both = [(ms, ours) for t, ms in paper if (ours := t.milliseconds(engines[0]))]
    agree = spearman(*zip(*both, strict=True)) if len(both) >= 3 else None
    return Section(
        title="What an activation costs",
        text=(
            "30 dense 3x3 convolutions in a layout of our own, because the paper prints none: only the order can be "
            "compared with its figures.",
            *([f"Both orders correlate with ρ = {agree.rho:.2f} (p {agree.p:.3f}, n {agree.pairs})."] if agree else []),
            *_other_prices(found, engines[0]),
        ),
        tables=[Table(header, rows, frozenset(range(1, len(header))))],
    )


def blocks(trials: Sequence[Trial], draw: Draw) -> Section | None:  # noqa: ARG001
    """Set skips, squeeze and excitation, and branches before and after folding beside the plain network."""
    found = chosen(trials, STUDIES["blocks"])
    engines = engines_of(found)
    if not engines:
        return None
    rows = [
        (t.name.replace("relu", "plain", 1) if t.name == "relu" else t.name, t.case.form, millions(t, "params"),
         millions(t, "macs"), *(time_cell(t.engines.get(e)) for e in engines), *_times_first(found, t, engines[0]))
        for t in found
    ]  # fmt: skip
    header = ("blocks", "form", "params M", "MACs M", *engines, f"by plain, {engines[0]}")
    return Section(
        title="What blocks cost",
        text=("The network of the activations, with ReLU: branches are those of MobileOne, in both forms.",),
        tables=[Table(header, rows, frozenset(range(2, len(header))))],
    )


_OF_ONE_NETWORK = ("resolution", "batch")  # axes of `SCALING` whose cases have a plain case on as many threads


def scaling(trials: Sequence[Trial], draw: Draw) -> Section | None:  # noqa: ARG001
    """Tell how latency grows with width, depth, resolution, batch and threads."""
    engines = engines_of(chosen(trials, STUDIES["scaling"]))
    if not engines:
        return None
    tables = []
    for axis, cases in SCALING.items():
        more = ("by plain",) * (axis in _OF_ONE_NETWORK)
        columns = ("px", "batch", "threads", "MACs M", *engines, f"ns by MAC, {engines[0]}", *more)
        rows = [
            (t.name, str(t.case.size), str(t.case.batch), str(t.case.threads), millions(t, "macs"),
             *(time_cell(t.engines.get(e)) for e in engines), _by_work(t, engines[0]),
             *(_against_plain(t, trials, engines[0]) for _ in more))
            for t in chosen(trials, cases)
        ]  # fmt: skip
        if rows:
            tables.append(Table((axis, *columns), rows, frozenset(range(1, len(columns) + 1)), axis))
    text = (
        "MACs are those of the whole batch. A network scales well where the time for a MAC stays the same. `By plain` "
        "sets it against that of one picture at 224 pixels: 1 is as good. At other sizes each is taken by the sentinel "
        "of its own rounds, so that drift leaves it alone. The sentinel has as many pictures a call as the network "
        "beside it, so batches are compared by their times alone."
    )
    return Section(title="How latency grows", text=(text,), tables=tables)


def steadiness(trials: Sequence[Trial], draw: Draw) -> Section | None:  # noqa: ARG001
    """Tell how the sentinel fared, from the first trial to the last, and which figures are not stable."""
    watches = [t.sentinel for t in trials if _is_plainly_fed(t.case) and t.sentinel and t.sentinel.median_ms]
    medians = [record.median_ms or 0.0 for record in sorted(watches, key=lambda record: record.date)]
    if not medians:
        return None
    measured = [r for t in trials for r in t.engines.values() if r.samples_ms]
    stable = sum(r.verdict == "stable" for r in measured)
    return Section(
        title="How steady the machine was",
        text=(
            f"MobileOne-S0 was measured in turns with every network, {len(medians)} times with calls of one "
            f"picture on one thread: {digits(medians[0])} ms first, {digits(medians[-1])} last, "
            f"{digits(min(medians))} to {digits(max(medians))} in between. {stable} of {len(measured)} Records are "
            "stable. What is called `by sentinel` is paired round by round, so that drift leaves it alone.",
        ),
        notes=[text for t in trials for text in doubts(t)],
    )


def refused(trials: Sequence[Trial], draw: Draw) -> Section | None:  # noqa: ARG001
    """List what has no figure, with the reason."""
    found = [text for t in trials for text in refusals(t)]
    return Section(title="What was refused", notes=found) if found else None


SECTIONS = (
    correlation, imagenet, mobilenets, activations, blocks, scaling, detection, segmentation, metalnet, steadiness,
    refused,
)  # fmt: skip


def _orders(trials: Sequence[Trial], engine: str) -> list[str]:
    """Say how far the paper's order of latencies is that of an engine here."""
    found = []
    for name, of in LATENCIES.items():
        pairs = [
            (t.milliseconds(engine) or 0.0, ms) for t in trials if (ms := of(BY_SOURCE[t.case.source])) is not None
        ]
        if len(pairs) >= 3:
            rank = spearman(*zip(*pairs, strict=True))
            found.append(f"{name} ρ = {rank.rho:.2f} ({rank.low:.2f} to {rank.high:.2f}, n {rank.pairs})")
    return [f"How far the order of times on {engine} is the one that is printed: {'; '.join(found)}."] if found else []


def _unfolded(trials: Sequence[Trial], engine: str) -> list[str]:
    """Warn of training forms, with the price of measuring them by mistake."""
    folded = {t.case.source: t for t in trials if t.case.form == "folded"}
    found = []
    for t in trials:
        plain, ms = folded.get(t.case.source), t.milliseconds(engine)
        before = plain.milliseconds(engine) if plain else None
        if t.case.form == "training" and ms and before:
            found.append(f"{t.name} {ms / before:.1f}×")
    if not found:
        return []
    return [
        f"Rows in training form are not what ships. Measured by mistake they cost, on {engine}: {', '.join(found)}."
    ]


def _imagenet_row(t: Trial, engines: Sequence[str], best: set[str]) -> tuple[str, ...]:
    network, folded = BY_SOURCE[t.case.source], t.case.form == "folded"
    marked = "●" if t.case.source in best and folded else ""
    printed = (digits(of(network) if folded else None) for of in LATENCIES.values())  # of the folded network
    return (
        t.name, t.case.form, marked, digits(network.top1), millions(t, "macs"),
        millions(t, "params"), *(time_cell(t.engines.get(e)) for e in engines), sentinel_cell(t, engines[0]),
        peer_cell(t), *printed,
    )  # fmt: skip


def _times_first(trials: Sequence[Trial], t: Trial, engine: str) -> tuple[str]:
    first, ms = trials[0].milliseconds(engine), t.milliseconds(engine)
    return (f"{ms / first:.2f}×" if ms and first else "–",)


def _other_prices(trials: Sequence[Trial], engine: str) -> list[str]:
    """Name the activations whose price, over that of ReLU, is another than the paper's by a factor of two or more."""
    plain = trials[0].milliseconds(engine)
    found = []
    for t in trials:
        ms, printed = t.milliseconds(engine), ACTIVATIONS_MS.get(t.name)
        if plain and ms and printed:
            ours, theirs = ms / plain, printed / ACTIVATIONS_MS["relu"]
            if not 0.5 < ours / theirs < 2:
                found.append(f"{t.name} {ours:.2f}×, there {theirs:.2f}×")
    return [f"Here it is otherwise than on the paper's phone: {'; '.join(found)}."] if found else []


def _paper_ratio(name: str) -> str:
    return f"{ACTIVATIONS_MS[name] / ACTIVATIONS_MS['relu']:.2f}×" if name in ACTIVATIONS_MS else "–"


def _by_work(t: Trial, engine: str) -> str:
    ms = t.milliseconds(engine)
    return "–" if ms is None or t.facts is None else f"{1e6 * ms / t.facts.macs:.4f}"


def _against_plain(t: Trial, trials: Sequence[Trial], engine: str) -> str:
    """Give the time for a MAC over that of the same network with one picture of 224 pixels on as many threads."""
    plain = next((p for p in trials if p.case == t.case.model_copy(update={"size": 224, "batch": 1})), None)
    if plain is None or plain is t or plain.facts is None or t.facts is None:
        return "–"
    slower = _times_slower(t, plain, engine)
    return "–" if slower is None else f"{slower * plain.facts.macs / t.facts.macs:.2f}"


def _times_slower(t: Trial, plain: Trial, engine: str) -> float | None:
    """Compare two trials by their sentinels, which run the same network at their batch; of other batches, by times."""
    if t.case.batch != plain.case.batch:
        ms, before = t.milliseconds(engine), plain.milliseconds(engine)
        return ms / before if ms and before else None
    here, there = t.against_sentinel(engine), plain.against_sentinel(engine)
    return here.value / there.value if here and there else None


def _is_plainly_fed(case: Case) -> bool:
    return (case.batch, case.threads, case.flow) == (1, 1, "calls")


def _kind(name: str) -> str:
    attention = ("Mobile-Former", "ConViT", "MobileViT", "PiT", "DeiT", "Swin")
    return (
        "MobileOne" if name.startswith("MobileOne") else "attention" if name.startswith(attention) else "convolutions"
    )

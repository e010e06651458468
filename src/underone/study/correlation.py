"""What latency goes with: rank correlations with what a network costs, and the paper's figure 2 with ours beside it."""

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from ..bench.report import Section, Table
from .cases import STUDIES
from .columns import engines_of, is_stable
from .published import CORRELATIONS
from .rank import Correlation, spearman
from .scatter import Point, scatter, touchable
from .table import BY_SOURCE, LATENCIES, Network
from .trial import Facts, Trial, chosen

Draw = Callable[[str, Figure], None]  # keeps a plot as files, under a name

METRICS: dict[str, tuple[str, Callable[[Facts], float]]] = {  # name → unit, figure
    "MACs": ("million", lambda facts: facts.macs / 1e6),
    "parameters": ("million", lambda facts: facts.params / 1e6),
    "bytes moved": ("million", lambda facts: facts.bytes_moved / 1e6),
    "depth": ("operators", lambda facts: facts.depth),
}


def correlation(trials: Sequence[Trial], draw: Draw) -> Section | None:
    """Set latency against what a network costs: rank correlations, and the paper's figure 2 with ours beside it."""
    found = [t for t in chosen(trials, STUDIES["correlation"]) if t.facts is not None]
    engines = [e for e in engines_of(found) if sum(t.milliseconds(e) is not None for t in found) >= 3]
    if not engines:
        return None
    columns: dict[str, list[tuple[Trial, float]]] = {e: _measured(found, e) for e in engines}
    columns |= {name: _printed(found, of) for name, of in LATENCIES.items()}
    columns = {name: pairs for name, pairs in columns.items() if len(pairs) >= 3}
    rhos = {(name, m): _rho(pairs, of) for name, pairs in columns.items() for m, (_, of) in METRICS.items()}
    rows = [(name, *(str(rhos[name, m]) for m in METRICS)) for name in columns]
    plots = []
    for metric, (unit, of) in METRICS.items():
        points = _points(columns[engines[0]], of, engines[0])
        if metric in ("MACs", "parameters"):
            points += _points(_printed(found, LATENCIES["iPhone 12 (paper)"]), of, "iPhone 12 (paper)", named=False)
        title = f"ρ = {rhos[engines[0], metric].rho:.2f} on {engines[0]}"
        plot = scatter(points, title, f"{metric}, {unit}", "milliseconds")
        draw(f"correlation-{metric.replace(' ', '-').lower()}", plot)
        plots.append(touchable(plot, points))
    return Section(
        title="What latency goes with",
        text=(
            f"Spearman's rank correlation over {len(found)} networks, folded where they fold, with its 95 % interval "
            "by drawing the networks again, and the share p of random orders that correlate as much. A row of the "
            "paper is what its own table 9 gives on the same networks. S0 to S4 on the plots are MobileOne; hollow "
            "points were not stable.",
            *_compared(rhos, engines[0]),
        ),
        plots=plots,
        side_by_side=True,
        tables=[Table(("latency on", *METRICS), rows, frozenset(range(1, 1 + len(METRICS))))],
    )


def _measured(trials: Sequence[Trial], engine: str) -> list[tuple[Trial, float]]:
    return [(t, ms) for t in trials if (ms := t.milliseconds(engine)) is not None]


def _printed(trials: Sequence[Trial], of: Callable[[Network], float | None]) -> list[tuple[Trial, float]]:
    return [(t, ms) for t in trials if (ms := of(BY_SOURCE[t.case.source])) is not None]


def _rho(pairs: Sequence[tuple[Trial, float]], of: Callable[[Facts], float]) -> Correlation:
    return spearman([of(t.facts) for t, _ in pairs if t.facts], [ms for t, ms in pairs if t.facts])


def _points(
    pairs: Sequence[tuple[Trial, float]], of: Callable[[Facts], float], group: str, named: bool = True
) -> list[Point]:
    return [
        Point(t.name, of(t.facts), ms, group, _variant(t.name) if named else "", not named or is_stable(t, group))
        for t, ms in pairs
        if t.facts
    ]


def _variant(name: str) -> str:
    """Give S0 to S4 of MobileOne, which are marked on the plots, and nothing of others."""
    return name.removeprefix("MobileOne-") if name.startswith("MobileOne-") else ""


def _compared(rhos: dict[tuple[str, str], Correlation], engine: str) -> list[str]:
    """Say of each correlation that the paper prints whether ours is another: whether its figure is in our interval."""
    found = []
    for (device, metric), (rho, p) in CORRELATIONS.items():
        ours = rhos[engine, metric]
        verdict = "agrees with" if ours.low <= rho <= ours.high else "disagrees with"
        found.append(
            f"{metric}: {ours.rho:.2f} on {engine} {verdict} the paper's {rho:.2f} (p {p:.2f}) for its {device}."
        )  # fmt: skip
    return found

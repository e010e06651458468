"""What stands in the cells of a study's tables."""

from collections.abc import Sequence

from ..bench import Record, figure
from .table import DEVIATIONS, Network
from .trial import Facts, Trial

DOUBT = " ?"  # behind a figure that was not stable


def engines_of(trials: Sequence[Trial]) -> list[str]:
    """List the engines of all trials, in the order in which they were named."""
    return list(dict.fromkeys(name for trial in trials for name in trial.engines))


def time_cell(record: Record | None) -> str:
    """Give a median with its interval; ``refused`` where there is an error, – where the engine was not asked."""
    if record is None:
        return "–"
    if record.error is not None or not record.samples_ms:
        return "refused"
    found = figure(record, "xcode")
    assert found is not None  # one sample is enough for a median
    doubt = "" if record.verdict == "stable" else DOUBT
    return f"{digits(found.value)} ({digits(found.low)}–{digits(found.high)}){doubt}"


def digits(value: float | None) -> str:
    """Write a number with three digits that count."""
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def millions(trial: Trial, field: str) -> str:
    """Give a field of the trial's facts in millions."""
    return "–" if trial.facts is None else digits(getattr(trial.facts, field) / 1e6)


def peer_cell(trial: Trial) -> str:
    """Give the best other engine and how many times slower than ours it is."""
    found = trial.against_best_peer()
    return "–" if found is None else f"{found[1]} {found[0]}"


def sentinel_cell(trial: Trial, engine: str) -> str:
    """Give the time over that of the sentinel in the same rounds."""
    return str(trial.against_sentinel(engine) or "–")


def refusals(trial: Trial) -> list[str]:
    """Say why there is no figure, in one sentence for the file or for each engine."""
    if trial.error is not None:
        return [f"{whole_name(trial)}: no file: {trial.error}"]
    return [f"{whole_name(trial)} on {r.engine}: {r.error}" for r in trial.engines.values() if r.error is not None]


def doubts(trial: Trial) -> list[str]:
    """Say of every figure that is not stable why it is not, in one sentence each."""
    unsure = [r for r in trial.engines.values() if r.error is None and r.verdict != "stable"]
    return [f"{whole_name(trial)} on {r.engine}: {r.verdict.partition(': ')[2]}" for r in unsure]


def whole_name(trial: Trial) -> str:
    """Give the network, its form, its size; batch, threads and flow where they are not the usual ones."""
    case = trial.case
    more = (
        *(f"batch {case.batch}",) * (case.batch > 1),
        *(f"{case.threads} threads",) * (case.threads > 1),
        *(case.flow,) * (case.flow != "calls"),
    )
    return ", ".join((trial.name, case.form, f"{case.size} px", *more))


def deviation(network: Network, facts: Facts) -> str | None:
    """Say where our counts are others than the published ones as far as these are printed; None where they agree."""
    found = [
        f"{name} {ours / 1e6:.{places}f} M, published {printed:g} M"
        for name, ours, printed, places in (
            ("parameters", facts.params, network.params, 2),
            ("MACs", facts.macs, network.macs, 0),
        )
        if abs(ours / 1e6 - printed) > tolerance(printed)
    ]
    return (
        None if not found else f"{network.name}: {', '.join(found)}: {DEVIATIONS.get(network.source, 'not explained')}"
    )


def tolerance(printed: float) -> float:
    """Give half a unit of the last digit that is printed; of whole numbers up to two zeros at the end are none."""
    text = f"{printed:.6f}".rstrip("0").rstrip(".")
    if "." in text:
        return float(0.5 * 10.0 ** -len(text.partition(".")[2]))
    zeros = len(text) - len(text.rstrip("0"))
    return float(0.5 * 10 ** min(zeros, 2))


def is_stable(trial: Trial, engine: str) -> bool:
    """Tell whether an engine has a figure and it was stable."""
    record = trial.engines.get(engine)
    return record is not None and record.verdict == "stable"

"""choose: the most accurate network within a budget of time, from trials, and measured again before it is named."""

from collections.abc import Sequence
from pathlib import Path

from ..bench import Figure, describe, figure
from ..errors import BadValue, UnknownName
from ..runtime import BACKENDS
from ..spec import Frozen
from .rank import front
from .run import FULL, Builder, Effort, begun, built, measured
from .table import SCORES, Task, score_of
from .trial import SENTINEL, Trial


class Choice(Frozen):
    """What may be chosen from, and what was.

    Attributes:
        trial: a network at a size of picture, as it was measured.
        engine: that ran it fastest.
        score: published accuracy in percent, of the kind that `SCORES` names; of int8 files too it is that of the
            float32 network.
        time: median in milliseconds, with its interval.
        checked: the time when it was measured again; None where it was not.
    """

    trial: Trial
    engine: str
    score: float
    time: Figure
    checked: Figure | None = None


def candidates(
    trials: Sequence[Trial], precision: str, engine: str | None = None, task: Task = "classify"
) -> list[Choice]:
    """List the front: networks that no other beats in time and accuracy at once, from the fastest to the best.

    Trials of other machines than this one are left out, and so are training forms, batches, several threads, streams,
    and networks whose accuracy at that size nobody published.

    Args:
        trials: as `read_trials` gives them.
        precision: float32, bfloat16 or int8.
        engine: the one that counts; None: for each network the fastest.
        task: what the networks are for.

    Raises:
        UnknownName: no such engine.
        BadValue: nothing is left.
    """
    if engine is not None and engine not in BACKENDS:
        raise UnknownName("backend", engine, BACKENDS)
    here = describe().fingerprint
    plain = [
        t for t in trials
        if t.machine.fingerprint == here and t.case.precision == precision and t.case.form == "folded"
        and (t.case.batch, t.case.threads, t.case.flow) == (1, 1, "calls")
    ]  # fmt: skip
    found = [choice for t in plain if (choice := _choice(t, engine, task)) is not None]
    if not found:
        which, flag = (f" on {engine}", f" --engines {engine}") if engine else ("", "")
        raise BadValue(
            f"no trial of this machine ({here}) to {task} in {precision}{which}; measure some first: "
            f"underone study {SCORES[task][1]} --precision {precision}{flag}"
        )
    return [found[i] for i in front([(c.time.value, c.score) for c in found])]


def choose(
    choices: Sequence[Choice], budget_ms: float, models: Path, *, effort: Effort = FULL, build: Builder | None = None
) -> Choice | None:
    """Measure the best of the front that fits a budget again; if it does not hold, the next.

    Args:
        choices: the front, as `candidates` gives it.
        budget_ms: milliseconds that the upper end of the median's interval may reach.
        models: folder of the ONNX files; missing ones are built, which needs torch.
        effort: how long to measure.
        build: makes the file of a case; None: `built`.

    Returns:
        The choice with `checked`; None where nothing holds the budget.

    Raises:
        BadValue: the budget is not positive.
    """
    if not budget_ms > 0:
        raise BadValue(f"a budget of {budget_ms} ms; more than 0 is required")
    make = build or built
    for choice in sorted(choices, key=lambda c: -c.score):
        if choice.time.value <= budget_ms:
            checked = _again(choice, models, make, effort)
            if checked is not None and checked.high <= budget_ms:
                return choice.model_copy(update={"checked": checked})
    return None


def _choice(trial: Trial, engine: str | None, task: Task) -> Choice | None:
    score = score_of(trial.case.source, trial.case.size, task)
    times = {
        name: found
        for name, record in trial.engines.items()
        if engine in (None, name) and (found := figure(record, "xcode")) is not None
    }
    if score is None or not times:
        return None
    best = min(times, key=lambda name: times[name].value)
    return Choice(trial=trial, engine=best, score=score, time=times[best])


def _again(choice: Choice, models: Path, make: Builder, effort: Effort) -> Figure | None:
    case = choice.trial.case
    trial = begun(case, models, make, choice.trial.machine)
    if trial.error is not None:
        return None
    sentinel = make(SENTINEL, models)
    _, record = measured(case, case.path(models), sentinel, [choice.engine], effort)
    return figure(record, "xcode") if record.samples_ms else None

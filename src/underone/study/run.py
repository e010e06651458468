"""Run studies: every case in turns with the sentinel, in fresh processes; what was measured before is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..bench import Contestant, Machine, Record, compare_engines, describe
from ..bench.processes import failed
from ..errors import BadValue, MissingExtra, UnderOneError, UnknownName
from ..files import make_folder, sha256_of
from ..graph import read_onnx
from ..runtime import BACKENDS
from .accuracy import scores_of
from .cases import STUDIES, Case
from .trial import SENTINEL, Trial, count_facts, trial_path, write_trial

Progress = Callable[[str, int, int], None]  # (what, done, total)
Builder = Callable[[Case, Path], Path]
ENGINES = ("native", "onnxruntime", "openvino")


@dataclass(frozen=True)
class Effort:
    """How long each contestant is measured: calls at the most, seconds at the most, rounds, fresh processes."""

    runs: int
    seconds: float
    rounds: int
    processes: int


FULL = Effort(1000, 2.0, 15, 3)  # medians of 31 networks had 95 % intervals of 3.7 % in 0.5 s, of 1.3 % in 6 s
QUICK = Effort(1000, 0.5, 8, 1)
_PROBE = Effort(1, 1.0, 1, 1)  # enough to see who refuses


def cases_of(studies: Sequence[str], precision: str = "float32") -> list[Case]:
    """List what the studies measure, each case once.

    Args:
        studies: names of `STUDIES`, or ``all``.
        precision: of every case.

    Raises:
        UnknownName: no such study.
    """
    for name in studies:
        if name not in (*STUDIES, "all"):
            raise UnknownName("study", name, (*STUDIES, "all"))
    wanted = list(STUDIES) if "all" in studies else studies
    return [c.model_copy(update={"precision": precision}) for c in dict.fromkeys(c for n in wanted for c in STUDIES[n])]


def run_studies(
    cases: Sequence[Case],
    folder: Path,
    models: Path,
    *,
    engines: Sequence[str] = ENGINES,
    effort: Effort = FULL,
    again: bool = False,
    progress: Progress | None = None,
    build: Builder | None = None,
) -> list[Trial]:
    """Measure cases; each is written when it is done, so that an interrupted run goes on where it was.

    Args:
        cases: what to measure, as `cases_of` lists it.
        folder: for the trials; is made if need be. A trial that stands there for this machine, this file, these
            engines and as much effort is not measured again; engines that it has beside these are measured with them.
        models: folder of the ONNX files; is made if need be, missing files are built, which needs torch.
        engines: names of backends; the first one runs the sentinel.
        effort: `FULL` or `QUICK`.
        again: whether to measure what was measured before.
        progress: told (what, cases done, cases in all).
        build: makes the file of a case; None: `built`.

    Returns:
        One trial for each case, in their order. What cannot be built or run is a trial or a Record that says why.

    Raises:
        BadValue: no engines.
        UnknownName: no such engine.
        BadFile: a folder cannot be written.
        MissingExtra: the sentinel's file is missing, and torch, which makes it.
    """
    if not engines:
        raise BadValue("no engines; name one at the least, for example native")
    for name in engines:
        if name not in BACKENDS:
            raise UnknownName("backend", name, BACKENDS)
    make, machine = build or built, describe()
    make_folder(folder), make_folder(models)
    sentinel = make(SENTINEL, models)
    trials = []
    for done, case in enumerate(cases):
        if progress:
            progress(f"{case.source} {case.size} px, {case.threads} threads", done, len(cases))
        path = trial_path(case, folder, machine.fingerprint)
        before = Trial.from_json(path.read_bytes(), str(path)) if path.exists() else None
        trial = begun(case, models, make, machine, None if again else before)
        if trial.error is None and not _is_enough(trial, engines, effort):
            named = list(dict.fromkeys((*engines, *(before.engines if before else ()))))
            records = measured(case, case.path(models), sentinel, named, effort)
            trial = trial.model_copy(update={"records": records})
        if trial is not before and (trial.error is None or before is None or before.error is not None):
            write_trial(trial, path)  # one that was measured stays
        trials.append(trial)
    return trials


def _is_enough(trial: Trial, engines: Sequence[str], effort: Effort) -> bool:
    processes = max((record.protocol.processes for record in trial.records), default=0)
    return {*engines} <= {*trial.engines} and processes >= effort.processes


def begun(case: Case, models: Path, make: Builder, machine: Machine, before: Trial | None = None) -> Trial:
    """Make the file of a case if need be, and count what it costs; nothing is measured yet.

    Returns:
        `before` where it is of the same file, with scores that failed asked again; else a trial without Records.
    """
    try:
        sha256 = sha256_of(make(case, models))
        if before is not None and before.sha256 == sha256:
            return _scored(before, models) if any(score.error for score in before.scores) else before
        floats = make(case.model_copy(update={"precision": "float32"}), models)
        facts = count_facts(read_onnx(floats), case.batch)
    except UnderOneError as error:
        return Trial(case=case, machine=machine, error=str(error))
    return _scored(Trial(case=case, machine=machine, sha256=sha256, facts=facts), models)


def _scored(trial: Trial, models: Path) -> Trial:
    """Ask a converted network how right it is, once for all its flows."""
    case = trial.case
    scores = scores_of(case.source, case.path(models)) if case.flow == "calls" else ()
    return trial.model_copy(update={"scores": scores})


def built(case: Case, models: Path) -> Path:
    """Return the file of a case, made where it is missing; that alone needs torch.

    Raises:
        MissingExtra: it is missing, and so is torch.
        UnderOneError: it cannot be made.
    """
    path = case.path(models)
    if path.exists():
        return path
    try:
        from .networks.build import build
    except ImportError as error:
        raise MissingExtra(f"making {path}", "torch", "train") from error
    return build(case, models)


def measured(case: Case, path: Path, sentinel: Path, engines: Sequence[str], effort: Effort) -> tuple[Record, ...]:
    """Measure a file on the engines in turns with the sentinel; return the sentinel's Record first.

    Where the whole group fails, because an engine refuses the file or answers wrongly, each engine is tried alone, and
    those that can are measured together: only rounds that meet can be compared.
    """
    arithmetic = "float32" if case.precision == "int8" else case.precision
    first = Contestant(path=str(sentinel), backend=engines[0], threads=case.threads)
    others = [
        Contestant(path=str(path), backend=name, threads=case.threads, precision=arithmetic) for name in engines
    ]  # fmt: skip
    together = _compared([first, *others], case, effort)
    if any(record.samples_ms for record in together):
        return tuple(together)
    found = {other: _compared([first, other], case, _PROBE)[1] for other in others}
    fit = [other for other in others if found[other].samples_ms]
    watch, *timed = _compared([first, *fit], case, effort)
    found |= dict(zip(fit, timed, strict=True))
    return (watch, *(found[other] for other in others))


def _compared(contestants: Sequence[Contestant], case: Case, effort: Effort) -> list[Record]:
    """Measure in turns; where the group fails, every Record says why."""
    try:
        return compare_engines(
            contestants, runs=effort.runs, seconds=effort.seconds, rounds=effort.rounds, processes=effort.processes,
            batch=case.batch, flow=case.flow,
        )  # fmt: skip
    except UnderOneError as error:
        return [failed(contestant, error) for contestant in contestants]

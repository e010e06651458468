"""Compare engines in several fresh processes: threads fixed before any library is loaded, engines taking turns in each.

`main` is one such process: a job on standard input, Records into the file that the job names.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import errors
from ..errors import BadFile, MissingExtra, UnderOneError, Unsupported
from ..runtime import Engine, load
from ..spec import Frozen
from .machine import describe
from .protocol import check_positive, interleave
from .record import PAPER_RUNS, Flow, Protocol, Record


class Contestant(Frozen):
    """One file on one engine; `precision` None is the engine's default."""

    path: str
    backend: str
    threads: int = 1
    precision: str | None = None


class Job(Frozen):
    """What one process does."""

    contestants: tuple[Contestant, ...]
    runs: int
    seconds: float
    rounds: int
    size: tuple[int, int] | None
    batch: int
    flow: Flow
    answer: str = ""  # path of the file that the process writes


def compare_engines(
    contestants: Sequence[Contestant],
    *,
    runs: int = PAPER_RUNS,
    seconds: float = 10.0,
    rounds: int = 12,
    processes: int = 3,
    progress: Callable[[str, int, int], None] | None = None,
    size: tuple[int, int] | None = None,
    batch: int = 1,
    flow: Flow = "calls",
) -> list[Record]:
    """Measure engines in turns, in fresh processes; contestants with the same number of threads meet in one run.

    Args:
        contestants: what to compare.
        runs: calls of each contestant in all, at the most.
        seconds: time of each contestant in all, at the most.
        rounds: rounds in all; spread over the processes.
        processes: fresh processes, one after the other.
        progress: told (what, processes done, processes in all).
        size: (height, width) of what is fed to networks that take any; None: what each one says.
        batch: pictures a call.
        flow: what a call is, as `feed_of` says.

    Returns:
        One Record for each contestant, in their order. An engine that cannot be loaded gives a Record with the error.

    Raises:
        ParityFailed: an engine's outputs differ from the reference's; the run is worthless.
        BadValue: no contestants, a number that is not positive, a network of another size, or one that takes no
            pictures.
    """
    check_positive(
        contestants=len(contestants), runs=runs, rounds=rounds, processes=processes, seconds=seconds, batch=batch
    )
    found: dict[int, Record] = {}
    groups = [
        [i for i, c in enumerate(contestants) if c.threads == n] for n in sorted({c.threads for c in contestants})
    ]
    for done, (group, part) in enumerate((g, p) for g in groups for p in range(processes)):
        members = [contestants[i] for i in group]
        if progress:
            what = f"{len(group)} engines, {members[0].threads} threads, process {part + 1}"
            progress(what, done, len(groups) * processes)
        job = Job(
            contestants=tuple(members), runs=_share(runs, part, processes), seconds=seconds / processes,
            rounds=_share(rounds, part, processes), size=size, batch=batch, flow=flow,
        )  # fmt: skip
        for i, record in zip(group, _in_process(job), strict=True):
            found[i] = _join(found[i], record) if i in found else record
    return [found[i] for i in range(len(contestants))]


def _share(whole: int, part: int, parts: int) -> int:
    """Return what one of several processes does of the whole, 1 at least."""
    return max(1, whole // parts + (part < whole % parts))


def _in_process(job: Job) -> list[Record]:
    group = job.contestants
    with tempfile.TemporaryDirectory(prefix="underone-") as folder:
        answer = Path(folder) / "records.json"
        job = job.model_copy(update={"answer": str(answer)})
        done = subprocess.run(
            [sys.executable, "-c", "from underone.bench.processes import main; main()"],
            input=job.model_dump_json(),
            env=_environment(group[0].threads),
            capture_output=True,
            text=True,
            check=False,
        )
        if not answer.is_file():
            reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise BadFile(f"the measuring process for {', '.join(sorted({c.path for c in group}))} died: {reason}")
        content = json.loads(answer.read_text())
    if isinstance(content, dict):
        raise _restored(content["error"], content["message"])
    return [Record.from_json(json.dumps(item)) for item in content]


def _restored(kind: str, message: str) -> UnderOneError:
    """Make an error of a child process again, whatever its constructor takes."""
    error: UnderOneError = getattr(errors, kind).__new__(getattr(errors, kind))
    error.args = (message,)
    return error


def _environment(threads: int) -> dict[str, str]:
    # two settings that make numpy's BLAS slower than it is; every thread count that a library reads at import
    kept = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return kept | dict.fromkeys(names, str(threads))


def _join(first: Record, more: Record) -> Record:
    """Append the rounds of another process."""
    if first.error is not None:
        return first
    protocol = first.protocol.model_copy(
        update={
            "processes": first.protocol.processes + 1,
            "warmup": first.protocol.warmup + more.protocol.warmup,
            "settled": first.protocol.settled and more.protocol.settled,
        }
    )
    return first.model_copy(
        update={
            "samples_ms": first.samples_ms + more.samples_ms,
            "round_sizes": first.round_sizes + more.round_sizes,
            "protocol": protocol,
            "cpu_share": _mean_share(first, more),
            "date": more.date,
        }
    )


def _mean_share(first: Record, more: Record) -> float | None:
    if first.cpu_share is None or more.cpu_share is None:
        return None
    a, b = sum(first.samples_ms), sum(more.samples_ms)
    return round((first.cpu_share * a + more.cpu_share * b) / (a + b), 3)


def _run_job(job: Job) -> list[Record]:
    opened = [_open(c) for c in job.contestants]
    nets = [net for net in opened if isinstance(net, Engine)]
    records = (
        interleave(
            nets, runs=job.runs, seconds=job.seconds, rounds=job.rounds, size=job.size, batch=job.batch, flow=job.flow
        )
        if nets
        else []
    )
    timed = iter(records)
    return [next(timed) if isinstance(net, Engine) else net for net in opened]


def _open(contestant: Contestant) -> Engine | Record:
    try:
        return load(contestant.path, contestant.backend, threads=contestant.threads, precision=contestant.precision)
    except (MissingExtra, Unsupported) as error:
        return failed(contestant, error)


def failed(contestant: Contestant, error: UnderOneError) -> Record:
    """Make the Record of a contestant that could not be measured."""
    return Record(
        model=Path(contestant.path).stem,
        engine=contestant.backend,
        threads=contestant.threads,
        precision=contestant.precision or "float32",
        machine=describe(),
        protocol=Protocol(name="interleaved"),
        error=str(error),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def main() -> None:
    """Do the job on standard input."""
    job = Job.model_validate_json(sys.stdin.read())
    content: Any
    try:
        content = [json.loads(record.to_json()) for record in _run_job(job)]
    except UnderOneError as error:
        content = {"error": type(error).__name__, "message": str(error)}
    Path(job.answer).write_text(json.dumps(content))

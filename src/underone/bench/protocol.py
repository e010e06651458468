"""Measure engines: outputs compared first, a warm-up until it is calm, then round by round in turns."""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compare import Limits, Verdict, compare_outputs
from ..errors import BadValue
from ..image import photograph, prepare
from ..runtime import Engine
from . import machine
from .record import PAPER_RUNS, Protocol, Record

Inputs = Mapping[str, NDArray[Any]]
Progress = Callable[[str, int, int], None]  # (what, done, total)

# what an engine may differ from the reference; bf16 and float16 keep 8 and 11 bits of every value
LIMITS = {
    "float32": Limits(nmse=1e-9, peak=1e-3),
    "float16": Limits(nmse=1e-5, peak=5e-2),
    "bfloat16": Limits(nmse=1e-3, peak=5e-1),
}
_WARMUP_CALLS = (8, 200)  # at least, at most
_WARMUP_SECONDS = 3.0


def measure(
    net: Engine,
    *,
    runs: int = PAPER_RUNS,
    seconds: float = 20.0,
    rounds: int = 10,
    reference: Engine | None = None,
    progress: Progress | None = None,
) -> Record:
    """Measure one engine alone.

    Args:
        net: the engine; its own threads and precision are measured.
        runs: calls at the most; with 1000 and enough seconds the record has the paper's figure.
        seconds: time at the most, warm-up not counted.
        rounds: parts that the calls are spread over; their medians judge whether the measurement is stable.
        reference: engine that the outputs are compared with first; None: the numpy reference on the same file.
        progress: told (what, calls done, calls in all) between rounds.

    Returns:
        The Record; print it, or keep its `to_json()`.

    Raises:
        ParityFailed: the outputs differ from the reference; nothing was timed.
        BadValue: runs, seconds or rounds are not positive.
    """
    records = interleave([net], runs=runs, seconds=seconds, rounds=rounds, reference=reference, progress=progress)
    return records[0]


def interleave(
    nets: Sequence[Engine],
    *,
    runs: int = PAPER_RUNS,
    seconds: float = 20.0,
    rounds: int = 10,
    reference: Engine | None = None,
    progress: Progress | None = None,
) -> list[Record]:
    """Measure several engines in turns, so that a change of the machine's speed meets all of them.

    Every round starts with another engine. The arguments are those of `measure`; `runs` and `seconds` hold for each
    engine, and each is fed its own prepared photograph, or noise.

    Raises:
        ParityFailed: an engine's outputs differ from the reference; nothing was timed.
        BadValue: an argument is not positive, or no engine was given.
    """
    if not nets or runs < 1 or seconds <= 0 or rounds < 1:
        raise BadValue(f"{len(nets)} engines, runs={runs}, seconds={seconds}, rounds={rounds}; all must be positive")
    before = machine.describe()
    whats, inputs = zip(*map(example, nets), strict=True)
    verdicts = [check_outputs(*case, reference) for case in zip(nets, inputs, whats, strict=True)]
    warm = [_warm_up(*case) for case in zip(nets, inputs, strict=True)]
    per_round = [_calls_per_round(last_ms, runs, seconds, rounds) for _, last_ms, _ in warm]
    samples: list[list[float]] = [[] for _ in nets]
    for turn in range(rounds):
        for i in _rotated(len(nets), turn):
            samples[i] += _timed(nets[i], inputs[i], per_round[i])
            if progress:
                progress(str(nets[i]), sum(map(len, samples)), rounds * sum(per_round))
    after = machine.load()
    return [
        Record(
            model=net.spec.name,
            engine=net.backend,
            threads=net.threads,
            precision=net.precision,
            form=net.spec.form,
            machine=before,
            protocol=Protocol(
                name="alone" if len(nets) == 1 else "interleaved",
                input=whats[i],
                batch=int(next(iter(inputs[i].values())).shape[0]),
                warmup=warm[i][0],
                settled=warm[i][2],
            ),
            samples_ms=tuple(samples[i]),
            round_sizes=(per_round[i],) * rounds,
            outputs=verdicts[i],
            load_after=after,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=_versions(),
        )
        for i, net in enumerate(nets)
    ]


def example(net: Engine) -> tuple[str, dict[str, NDArray[Any]]]:
    """Return what is fed while measuring: the prepared photograph, or noise where the file says no preparation.

    Returns:
        ("photo" or "noise", the inputs by name); a size that the file leaves open is 1 for the batch, 224 elsewhere.
    """
    first = net.spec.input
    if first.preparation is not None and len(net.spec.inputs) == 1:
        return "photo", {first.name: prepare(photograph(), first)}
    rng = np.random.default_rng(0)
    return "noise", {
        i.name: rng.standard_normal([_open_size(n, axis) for axis, n in enumerate(i.shape)]).astype(i.dtype)
        for i in net.spec.inputs
    }


def check_outputs(net: Engine, inputs: Inputs, what: str, reference: Engine | None = None) -> Verdict:
    """Compare an engine's outputs with the reference's before any timing.

    Args:
        net: engine under test.
        inputs: what is fed, by name.
        what: its name for the record.
        reference: trusted engine; None: the numpy reference interpreter on the same file.

    Raises:
        ParityFailed: the outputs differ by more than the limits of the engine's precision.
    """
    trusted = reference or net.clone(backend="reference")
    limits = LIMITS.get(net.precision, LIMITS["float32"])
    rows = compare_outputs(what, net.run(inputs), trusted.run(inputs), limits, top1=net.spec.task == "classify")
    verdict = Verdict(kind="bench", subject=str(net), reference=str(trusted), comparisons=tuple(rows))
    verdict.require()
    return verdict


def _open_size(size: int | None, axis: int) -> int:
    return size if size is not None else 1 if axis == 0 else 224


def _warm_up(net: Engine, inputs: Inputs) -> tuple[int, float, bool]:
    """Call until the last three differ by less than 5 %; return (calls, last median in ms, whether it came to rest)."""
    least, most = _WARMUP_CALLS
    times: list[float] = []
    stop = time.perf_counter() + _WARMUP_SECONDS
    while len(times) < least or (len(times) < most and time.perf_counter() < stop):
        times += _timed(net, inputs, 1)
        last = times[-3:]
        if len(times) >= least and max(last) < 1.05 * min(last):
            return len(times), float(np.median(last)), True
    return len(times), float(np.median(times[-3:])), False


def _calls_per_round(call_ms: float, runs: int, seconds: float, rounds: int) -> int:
    affordable = int(1000 * seconds / max(call_ms, 1e-3))
    return max(1, min(-(-runs // rounds), affordable // rounds))


def _rotated(count: int, turn: int) -> list[int]:
    return [(i + turn) % count for i in range(count)]


def _timed(net: Engine, inputs: Inputs, calls: int) -> list[float]:
    """Return the duration of each call in milliseconds."""
    clock = time.perf_counter_ns
    found = []
    for _ in range(calls):
        start = clock()
        net.run(inputs)
        found.append((clock() - start) / 1e6)
    return found


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("underone", "numpy", "onnxruntime", "openvino", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

"""Measure engines: outputs compared first, a warm-up until it is calm, then round by round in turns."""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compare import Verdict, compare_outputs, rounding
from ..errors import BadFile, BadValue, Unsupported
from ..formats.parity import with_own_rounding
from ..image import photograph, prepare
from ..runtime import Engine
from ..spec import InputSpec
from .flow import Feed, feed_of
from .machine import Machine, describe
from .record import PAPER_RUNS, Flow, Protocol, Record

Inputs = Mapping[str, NDArray[Any]]
Progress = Callable[[str, int, int], None]  # (what, done, total)
Size = tuple[int, int]  # height, width

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
        seconds: time at the most, warm-up not counted; one call a round is made in any case.
        rounds: parts that the calls are spread over; their medians judge whether the measurement is stable.
        reference: engine that the outputs are compared with first; None: the numpy reference on the same file.
        progress: told (what, calls done, calls in all) between rounds.

    Returns:
        The Record; print it, or keep its `to_json()`.

    Raises:
        ParityFailed: the outputs differ from the reference; nothing was timed.
        BadValue: runs, seconds or rounds are not positive, or `net` is no engine.
    """
    if not isinstance(net, Engine):
        raise BadValue(f"measure takes an engine, not {type(net).__name__}; load the file first: measure(load(path))")
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
    size: Size | None = None,
    batch: int = 1,
    flow: Flow = "calls",
) -> list[Record]:
    """Measure several engines in turns, so that a change of the machine's speed meets all of them.

    Every round starts with another engine. The arguments are those of `measure`; `runs` and `seconds` hold for each
    engine, and each is fed its own prepared photograph, or noise, of `size` (height, width) where it takes any, `batch`
    pictures a call; or, as `feed_of` says of `flow`, pictures through a stream.

    Raises:
        ParityFailed: an engine's outputs differ from the reference; nothing was timed.
        BadValue: an argument is not positive, no engine was given, one has another size, or takes no pictures.
    """
    check_positive(engines=len(nets), runs=runs, seconds=seconds, rounds=rounds, batch=batch)
    before = describe()
    whats, inputs = zip(*(example(net, size, batch) for net in nets), strict=True)
    feeds = [feed_of(net, given, flow, size) for net, given in zip(nets, inputs, strict=True)]
    verdicts = [check_outputs(*case, reference) for case in zip(nets, inputs, whats, strict=True)]
    warm = [_warm_up(feed) for feed in feeds]
    sizes = [round_sizes(last_ms, runs, seconds, rounds) for _, last_ms, _ in warm]
    clocks = [_Clock() for _ in nets]
    for turn in range(len(sizes[0])):
        for i in _rotated(len(nets), turn):
            clocks[i].time(feeds[i], sizes[i][turn])
            if progress:
                progress(str(nets[i]), sum(len(c.samples_ms) for c in clocks), sum(map(sum, sizes)))
    fed = [
        Protocol(
            name="alone" if len(nets) == 1 else "interleaved",
            input=what,
            batch=int(next(iter(given.values())).shape[0]),
            size=size,
            flow=flow,
            warmup=calls,
            settled=settled,
        )
        for what, given, (calls, _, settled) in zip(whats, inputs, warm, strict=True)
    ]
    return [_record(*one, before) for one in zip(nets, fed, clocks, sizes, verdicts, strict=True)]


def _record(
    net: Engine, fed: Protocol, clock: "_Clock", sizes: tuple[int, ...], outputs: Verdict, machine: Machine
) -> Record:
    """Put together what was measured of one engine."""
    return Record(
        model=net.spec.name,
        engine=net.backend,
        threads=net.threads,
        precision=_precision(net),
        form=net.spec.form,
        machine=machine,
        protocol=fed,
        samples_ms=tuple(clock.samples_ms),
        round_sizes=sizes,
        outputs=outputs,
        cpu_share=clock.cpu_share if net.threads == 1 and fed.flow == "calls" else None,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=_versions(),
    )


def check_positive(**values: float) -> None:
    """Refuse values that are not above zero.

    Raises:
        BadValue: the first of them is named.
    """
    for name, value in values.items():
        if not value > 0:
            raise BadValue(f"{name}={value}; more than 0 is required")


def round_sizes(call_ms: float, runs: int, seconds: float, rounds: int) -> tuple[int, ...]:
    """Say how many calls each round has: `runs` in all, or as many as fit into `seconds`, but one a round at least."""
    rounds = min(rounds, runs)
    total = max(rounds, min(runs, int(1000 * seconds / max(call_ms, 1e-3))))
    return tuple(total // rounds + (turn < total % rounds) for turn in range(rounds))


def example(net: Engine, size: Size | None = None, batch: int = 1) -> tuple[str, dict[str, NDArray[Any]]]:
    """Return what is fed while measuring: the prepared photograph, or noise where the file says no preparation.

    Args:
        net: the engine.
        size: (height, width), for a network that takes any.
        batch: pictures, for a network that takes any number.

    Returns:
        ("photo" or "noise", the inputs by name); a size that the file leaves open is `batch` first, 224 elsewhere.

    Raises:
        BadValue: the network has another size, or takes another number of pictures.
    """
    first = net.spec.input
    fixed = [i.shape[0] for i in net.spec.inputs if i.shape and i.shape[0] not in (None, batch)]
    if fixed and batch > 1:
        raise BadValue(f"{net.spec.name} takes {fixed[0]} pictures a call; batch={batch} was given; leave it out")
    if first.preparation is not None and len(net.spec.inputs) == 1:
        return "photo", {first.name: np.repeat(prepare(photograph(), first, size), batch, 0)}
    rng = np.random.default_rng(0)
    return "noise", {i.name: rng.standard_normal(_shape(i, size, batch)).astype(i.dtype) for i in net.spec.inputs}


def check_outputs(net: Engine, inputs: Inputs, what: str, reference: Engine | None = None) -> Verdict:
    """Compare an engine's outputs with the reference's before any timing.

    Args:
        net: engine under test.
        inputs: what is fed, by name.
        what: its name for the record.
        reference: trusted engine; None: the numpy reference interpreter on the same file.

    Raises:
        ParityFailed: the outputs differ by more than the limits of the precision that the engine or the file has, and,
            in float32, by more than the network amplifies rounding.
    """
    trusted = reference or net.clone(backend="reference")
    limits = rounding(_precision(net), net.spec.task)
    rows = compare_outputs(what, net.run(inputs), trusted.run(inputs), limits, top1=net.spec.task == "classify")
    notes = list[str]()
    if _precision(net) == "float32" and len(inputs) == 1:
        with suppress(BadFile, Unsupported):  # a network that the interpreter cannot run keeps the usual limits
            rows, notes = with_own_rounding(rows, trusted.graph, next(iter(inputs.values())))
    verdict = Verdict(
        kind="bench", subject=str(net), reference=str(trusted), comparisons=tuple(rows), notes=tuple(notes)
    )
    verdict.require()
    return verdict


def _precision(net: Engine) -> str:
    return "int8" if net.quantised else net.precision


def _shape(value: InputSpec, size: Size | None, batch: int) -> list[int]:
    """Fill the open sizes of an input: the batch, and `size` for the rest, which are height and width, in order."""
    if size is not None and sum(n is None for n in value.shape[1:]) not in (0, 2):
        raise BadValue(f"input {value.name!r} has the shape {value.shape}; size={size} says nothing about it")
    rest = list(size or (224, 224)) + [224] * len(value.shape)
    shape = [n if n is not None else batch if axis == 0 else rest.pop(0) for axis, n in enumerate(value.shape)]
    if size is not None and len(shape) == 4 and not {*size} <= {*shape[1:]}:
        raise BadValue(f"input {value.name!r} has the shape {value.shape}; size={size} was given; leave it out")
    return shape


class _Clock:
    """Collects the duration of every call of one engine, and the processor time that they took."""

    def __init__(self) -> None:
        self.samples_ms: list[float] = []
        self._cpu_ms = 0.0

    def time(self, feed: Feed, calls: int) -> None:
        """Call the engine, one sample a call."""
        cpu = time.process_time_ns()
        self.samples_ms.extend(feed(calls))
        self._cpu_ms += (time.process_time_ns() - cpu) / 1e6

    @property
    def cpu_share(self) -> float:
        """Processor time over elapsed time, 1 when nothing was in the way."""
        return round(self._cpu_ms / sum(self.samples_ms), 3)


def _warm_up(feed: Feed) -> tuple[int, float, bool]:
    """Call until the last three differ by less than 5 %; return (calls, last median in ms, whether it came to rest)."""
    least, most = _WARMUP_CALLS
    stop = time.perf_counter() + _WARMUP_SECONDS
    times = list[float]()
    with closing(feed(most)) as calls:
        for ms in calls:
            times.append(ms)
            last = times[-3:]
            if len(times) >= least and max(last) < 1.05 * min(last):
                return len(times), float(np.median(last)), True
            if len(times) >= least and time.perf_counter() > stop:
                break
    return len(times), float(np.median(times[-3:])), False


def _rotated(count: int, turn: int) -> list[int]:
    return [(i + turn) % count for i in range(count)]


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("underone", "numpy", "onnxruntime", "openvino", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

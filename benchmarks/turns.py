"""Contestants in turns, round by round, and a Record of each."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from underone.bench import Record, describe
from underone.bench.record import Protocol


def clocked(call: Callable[[], object], share: int = 1) -> Callable[[], float]:
    """Give a call that returns its own milliseconds, divided by `share`, such as the pictures of a pass."""

    def run() -> float:
        start = time.perf_counter()
        call()
        return 1000 * (time.perf_counter() - start) / share

    return run


def over(given: Sequence[Any], call: Callable[[Any], object]) -> Callable[[], None]:
    """Give a pass over files, pictures or tensors."""

    def run() -> None:
        for one in given:
            call(one)

    return run


def in_turns(
    timed: Mapping[str, Callable[[], float]],
    protocol: Protocol,
    rounds: int,
    passes: int = 1,
    packages: Iterable[str] = (),
    **facts: Any,
) -> list[Record]:
    """Time contestants in turns, each round beginning with another one.

    Args:
        timed: calls that return milliseconds, by the name of the engine; each runs `Protocol.warmup` times before.
        protocol: what is fed; its name is set here.
        rounds: how often each has its turn.
        passes: samples of one turn.
        packages: whose versions took part, beside ours.
        facts: further fields of every Record.
    """
    machine, names = describe(), list(timed)
    for _ in range(protocol.warmup):
        for call in timed.values():
            call()
    samples: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            samples[name] += [timed[name]() for _ in range(passes)]
    shared = {
        "precision": "float32", "machine": machine, "round_sizes": (passes,) * rounds,
        "protocol": protocol.model_copy(update={"name": "interleaved"}),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {package: version(package) for package in ("underone", *packages)},
    }  # fmt: skip
    return [Record(engine=name, samples_ms=tuple(samples[name]), **(shared | facts)) for name in names]

"""Record: one measurement with everything that is needed to judge it, and to compute it again from raw samples."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, computed_field

from ..compare import Verdict
from ..files import atomic_write
from ..spec import Frozen, read_record
from .machine import Machine

RECORD_VERSION = (1, 1)
Flow = Literal["calls", "stream", "answers"]
PAPER_RUNS = 1000  # MobileOne reports the minimum of 1000 round trips (arXiv 2206.04040, section 3)


class Protocol(Frozen):
    """How the samples came about.

    Attributes:
        name: ``interleaved``: engines take turns, round by round; ``alone``: nothing else is measured beside it.
        input: what the outputs were compared on, and what calls were fed: ``photo`` (prepared once, outside the clock)
            or ``noise``. A stream is fed the photograph itself.
        batch: pictures a call.
        size: height and width of the pictures, where the network takes any; None: the network's own.
        flow: ``calls``: from array to array, one after another; ``stream``: from a decoded picture to arrays, through
            three slots, time from one to the next; ``answers``: the same, to labels, boxes or a mask.
        warmup: calls before the clock, of which the last three differ by less than 5 % if `settled`.
        settled: whether the warm-up came to rest within its bounds.
        processes: fresh processes that the rounds are spread over.
    """

    name: Literal["interleaved", "alone"] = "alone"
    input: str = "noise"
    batch: int = 1
    size: tuple[int, int] | None = None
    flow: Flow = "calls"
    warmup: int = 0
    settled: bool = True
    processes: int = 1


class Record(Frozen):
    """One network on one engine.

    One sample is one call of `Engine.run`: from named arrays to named arrays, one round trip, no picture preparation;
    or, in the other flows of `Protocol`, the time from one picture's answer to the next one's.

    Attributes:
        samples_ms: all samples in the order of measurement, in milliseconds.
        round_sizes: how many samples each round has; their sum is the number of samples.
        outputs: the comparison of the outputs with the reference that was made before the clock started.
        error: why there are no samples, in one sentence; None when there are.
        cpu_share: processor time over elapsed time while calls ran on one thread; below 1 other processes were in the
            way. None where it means nothing.
        date: when the measurement ended, UTC, ISO 8601.
        versions: of the software that took part.
    """

    record_version: str = "{}.{}".format(*RECORD_VERSION)
    model: str
    engine: str
    threads: int
    precision: str
    form: str | None = None
    machine: Machine
    protocol: Protocol
    samples_ms: tuple[float, ...] = ()
    round_sizes: tuple[int, ...] = ()
    outputs: Verdict | None = None
    error: str | None = None
    cpu_share: float | None = None
    date: str = ""
    versions: dict[str, str] = Field(default_factory=dict)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def min_ms(self) -> float | None:
        """The fastest sample."""
        return min(self.samples_ms, default=None)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def median_ms(self) -> float | None:
        """The median of all samples."""
        return self._percentile(50)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def p90_ms(self) -> float | None:
        """The sample that 90 % are not slower than."""
        return self._percentile(90)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def paper_ms(self) -> float | None:
        """MobileOne's figure, the minimum of the first 1000 samples; None when there are fewer."""
        return min(self.samples_ms[:PAPER_RUNS]) if len(self.samples_ms) >= PAPER_RUNS else None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> str:
        """``stable``, or ``unstable: `` and the reasons, or ``failed: `` and the error."""
        if self.error is not None:
            return f"failed: {self.error}"
        reasons = self._reasons()
        return f"unstable: {'; '.join(reasons)}" if reasons else "stable"

    @property
    def round_medians(self) -> NDArray[np.float64]:
        """Median of each round, in milliseconds."""
        parts = np.split(np.asarray(self.samples_ms), np.cumsum(self.round_sizes)[:-1]) if self.samples_ms else []
        return np.array([np.median(part) for part in parts])

    def _percentile(self, share: float) -> float | None:
        return round(float(np.percentile(self.samples_ms, share)), 6) if self.samples_ms else None

    def _reasons(self) -> list[str]:
        # after pyperf: spread of 10 %, or a value 50 % off; here over round medians, since single calls have outliers
        rounds = self.round_medians
        mean, spread = float(rounds.mean()), float(rounds.std(ddof=1)) if len(rounds) > 1 else 0.0
        found = []
        if len(rounds) < 3:
            found.append(f"only {len(rounds)} rounds")
        if spread >= 0.1 * mean:
            found.append(f"rounds spread by {spread / mean:.0%}")
        if rounds.max() >= 1.5 * mean or rounds.min() <= 0.5 * mean:
            found.append("a round is 50 % off")
        if self.cpu_share is not None and self.cpu_share < 0.9:
            found.append(f"the process had a core only {self.cpu_share:.0%} of the time")
        if not self.protocol.settled:
            found.append("the warm-up did not come to rest")
        return found

    def to_json(self) -> str:
        """Write the record as JSON, derived figures included."""
        return self.model_dump_json(indent=1)

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "record") -> "Record":
        """Read what `to_json` wrote.

        Raises:
            BadFile: no record, or one of a newer major version.
        """
        return read_record(cls, text, RECORD_VERSION, "record_version", where)

    def __str__(self) -> str:
        head = f"{self.model} on {self.engine}, {self.threads} thread{'s' * (self.threads > 1)}, {self.precision}"
        if self.error is not None or not self.samples_ms:
            return f"{head}: {self.verdict}"
        paper = f", min of {PAPER_RUNS} {self.paper_ms:.3f}" if self.paper_ms is not None else ""
        return (
            f"{head}: median {self.median_ms:.3f} ms, p90 {self.p90_ms:.3f}, min {self.min_ms:.3f}{paper} "
            f"({len(self.samples_ms)} calls in {len(self.round_sizes)} rounds, {self.verdict})"
        )


class Ratio(Frozen):
    """How many times slower `slower_than` says one record is than another, paired round by round.

    Attributes:
        value: median over the rounds of (round median of A / round median of B).
        low: lower end of the 95 % bootstrap interval of that median.
        high: its upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f}× ({self.low:.2f}-{self.high:.2f})"


def ratio(a: Record, b: Record) -> Ratio | None:
    """Compare two records of one interleaved run; None when one of them has no samples or they are not paired.

    Args:
        a: the record above the line.
        b: the record below it.
    """
    if not a.samples_ms or not b.samples_ms or len(a.round_sizes) != len(b.round_sizes):
        return None
    pairs = a.round_medians / b.round_medians
    draws = np.random.default_rng(0).choice(pairs, (2000, len(pairs)))
    low, high = np.percentile(np.median(draws, axis=1), (2.5, 97.5))
    return Ratio(value=round(float(np.median(pairs)), 4), low=round(float(low), 4), high=round(float(high), 4))


def write_records(records: Sequence[Record], folder: Path) -> list[Path]:
    """Write each record as a JSON file of its own; return the paths.

    Args:
        records: what was measured.
        folder: where to; it must exist. A file is named by model, form, engine, threads, precision, machine and date;
            records that would share a name are numbered, so that none is lost.

    Raises:
        BadFile: the folder cannot be written.
    """
    paths: list[Path] = []
    for record in records:
        path = folder / f"{_file_name(record)}.json"
        for number in range(2, len(records) + 1):
            if path not in paths:
                break
            path = folder / f"{_file_name(record)}-{number}.json"
        with atomic_write(path) as temporary:
            temporary.write_text(record.to_json(), "utf-8")
        paths.append(path)
    return paths


def _file_name(record: Record) -> str:
    parts = (
        record.model, record.form or "as-is", record.engine, f"{record.threads}t", record.precision,
        record.machine.fingerprint, record.date[:10],
    )  # fmt: skip
    return re.sub(r"[^\w.-]+", "_", "-".join(parts)).lstrip(".")  # the model's name comes from a file: no paths in it

"""What others make of the samples of a measurement: one number for each published protocol, from the same raw times."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadValue, UnknownName
from ..spec import Frozen
from .record import PAPER_RUNS, Record

_ROUND, _TRIM = 50, 10  # ModelBench: calls of a round, and how many of its fastest and slowest are left out
_SHARE = 0.2  # of the samples, half at each end, that the trimmed mean leaves out
_DRAWS = 2000
_LONG = 1500.0  # seconds of calls: what is asked to run for 30 minutes and becomes faster on the way still counts

Samples = NDArray[np.float64]  # (calls,) or (draws, calls), milliseconds


class Figure(Frozen):
    """A time as one protocol states it.

    Attributes:
        protocol: its name, a key of `PROTOCOLS`.
        value: in milliseconds.
        low: lower end of the 95 % interval, by drawing the record's rounds again with replacement.
        high: its upper end.
        drift: of ``sustained``: how many times slower the last quarter of the rounds is than the first.
    """

    protocol: str
    value: float
    low: float
    high: float
    drift: float | None = None

    def __str__(self) -> str:
        drift = "" if self.drift is None else f", {self.drift:.2f}× the time of the first quarter"
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f}){drift}"


@dataclass(frozen=True)
class Rule:
    """How a protocol makes its figure.

    Attributes:
        make: of samples, the figure.
        calls: how many it takes.
        rounds: how many it takes, for an interval that means something.
        seconds: how long they must have taken together.
        at_the_end: whether it looks at the last quarter of the rounds alone.
        a_picture: whether it is a time for one picture of the batch.
    """

    make: Callable[[Samples], Any]
    calls: int = 1
    rounds: int = 1
    seconds: float = 0.0
    at_the_end: bool = False
    a_picture: bool = False


def _paper(samples: Samples) -> Any:
    return samples[..., :PAPER_RUNS].min(-1)


def _modelbench(samples: Samples) -> Any:
    count = samples.shape[-1] // _ROUND * _ROUND
    rounds = np.sort(samples[..., :count].reshape(*samples.shape[:-1], -1, _ROUND))
    return rounds[..., _TRIM:-_TRIM].mean((-2, -1))


def _median(samples: Samples) -> Any:
    return np.median(samples, -1)


def _mean(samples: Samples) -> Any:
    return samples.mean(-1)


def _trimmed(samples: Samples) -> Any:
    cut = int(samples.shape[-1] * _SHARE / 2)
    return np.sort(samples)[..., cut : samples.shape[-1] - cut].mean(-1)


PROTOCOLS: Mapping[str, Rule] = MappingProxyType(
    {
        "paper": Rule(_paper, PAPER_RUNS),  # MobileOne's table: the minimum of 1000 round trips, arXiv 2206.04040, 3
        "modelbench": Rule(_modelbench, PAPER_RUNS),  # apple/ml-mobileone, ModelBench: 20 rounds of 50, 10 cut each end
        "xcode": Rule(_median),  # the performance report of Xcode, as coremltools' documentation quotes it
        "trimmed-mean-20": Rule(_trimmed, 10),  # ExecuTorch's benchmark: a tenth of the calls is cut at each end
        "sustained": Rule(_median, rounds=16, seconds=_LONG, at_the_end=True),  # ours: what is left after half an hour
        "throughput": Rule(_mean, a_picture=True),  # ours: all calls count, the slow ones too
    }
)


def figure(record: Record, protocol: str) -> Figure | None:
    """State a measurement as a protocol does.

    Args:
        record: with its raw samples.
        protocol: a key of `PROTOCOLS`.

    Returns:
        The figure; None when there are fewer samples or rounds than the protocol takes, or they are too short a time.

    Raises:
        UnknownName: no such protocol.
        BadValue: the rounds of the record do not add up to its samples.
    """
    if protocol not in PROTOCOLS:
        raise UnknownName("protocol", protocol, PROTOCOLS)
    rule = PROTOCOLS[protocol]
    samples = np.asarray(record.samples_ms, np.float64) / (record.protocol.batch if rule.a_picture else 1)
    if len(samples) < rule.calls or samples.sum() < 1000 * rule.seconds:
        return None
    sizes, drift = record.round_sizes or (len(samples),), None
    if sum(sizes) != len(samples):
        raise BadValue(f"the record has {len(samples)} samples, its rounds have {sum(sizes)}; it is damaged")
    if len(sizes) < rule.rounds:
        return None
    if rule.at_the_end:
        quarter = len(sizes) // 4
        first = samples[: sum(sizes[:quarter])]
        sizes = sizes[-quarter:]
        samples = samples[-sum(sizes) :]
        drift = float(rule.make(samples) / rule.make(first))
    low, high = np.percentile(rule.make(_redrawn(samples, sizes)), (2.5, 97.5))
    value = float(rule.make(samples))
    return Figure(
        protocol=protocol, value=value, low=min(float(low), value), high=max(float(high), value), drift=drift
    )  # fmt: skip


def _redrawn(samples: Samples, sizes: Sequence[int]) -> Samples:
    """Draw rounds with replacement; calls of a round depend on each other, so it is drawn as a whole."""
    size = min(sizes)
    starts = np.cumsum((0, *sizes[:-1]))
    rounds = samples[starts[:, None] + np.arange(size)]  # (rounds, size)
    draws = np.random.default_rng(0).integers(0, len(rounds), (_DRAWS, len(rounds)))
    return rounds[draws].reshape(_DRAWS, -1)

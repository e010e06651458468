"""What others make of the samples of a measurement: one number for each published protocol, from the same raw times."""

from collections.abc import Callable, Mapping
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

Samples = NDArray[np.float64]  # (calls,) or (draws, calls), milliseconds


class Figure(Frozen):
    """A time as one protocol states it.

    Attributes:
        protocol: its name, a key of `PROTOCOLS`.
        value: in milliseconds.
        low: lower end of the 95 % interval, by drawing the record's rounds again with replacement.
        high: its upper end.
    """

    protocol: str
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


def _paper(samples: Samples) -> Any:
    return samples[..., :PAPER_RUNS].min(-1)


def _modelbench(samples: Samples) -> Any:
    count = samples.shape[-1] // _ROUND * _ROUND
    rounds = np.sort(samples[..., :count].reshape(*samples.shape[:-1], -1, _ROUND))
    return rounds[..., _TRIM:-_TRIM].mean((-2, -1))


def _median(samples: Samples) -> Any:
    return np.median(samples, -1)


def _trimmed(samples: Samples) -> Any:
    cut = int(samples.shape[-1] * _SHARE / 2)
    return np.sort(samples)[..., cut : samples.shape[-1] - cut].mean(-1)


# name → (samples it takes, what it makes of them)
PROTOCOLS: Mapping[str, tuple[int, Callable[[Samples], Any]]] = MappingProxyType(
    {
        "paper": (
            PAPER_RUNS,
            _paper,
        ),  # MobileOne's table: the minimum of 1000 round trips, arXiv 2206.04040, section 3
        "modelbench": (PAPER_RUNS, _modelbench),  # apple/ml-mobileone, ModelBench: 20 rounds of 50, 10 cut at each end
        "xcode": (1, _median),  # the performance report of Xcode, as coremltools' documentation quotes it
        "trimmed-mean-20": (10, _trimmed),  # ExecuTorch's benchmark: a tenth of the calls is cut at each end
    }
)


def figure(record: Record, protocol: str) -> Figure | None:
    """State a measurement as a protocol does.

    Args:
        record: with its raw samples.
        protocol: ``paper``, ``modelbench``, ``xcode`` or ``trimmed-mean-20``.

    Returns:
        The figure; None when there are fewer samples than the protocol takes.

    Raises:
        UnknownName: no such protocol.
        BadValue: the rounds of the record do not add up to its samples.
    """
    if protocol not in PROTOCOLS:
        raise UnknownName("protocol", protocol, PROTOCOLS)
    least, make = PROTOCOLS[protocol]
    samples = np.asarray(record.samples_ms, np.float64)
    if len(samples) < least:
        return None
    low, high = np.percentile(make(_redrawn(record, samples)), (2.5, 97.5))
    value = float(make(samples))
    return Figure(protocol=protocol, value=value, low=min(float(low), value), high=max(float(high), value))


def _redrawn(record: Record, samples: Samples) -> Samples:
    """Draw rounds with replacement; calls of a round depend on each other, so it is drawn as a whole."""
    sizes = record.round_sizes or (len(samples),)
    if sum(sizes) != len(samples):
        raise BadValue(f"the record has {len(samples)} samples, its rounds have {sum(sizes)}; it is damaged")
    size = min(sizes)
    starts = np.cumsum((0, *sizes[:-1]))
    rounds = samples[starts[:, None] + np.arange(size)]  # (rounds, size)
    draws = np.random.default_rng(0).integers(0, len(rounds), (_DRAWS, len(rounds)))
    return rounds[draws].reshape(_DRAWS, -1)

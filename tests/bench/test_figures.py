"""Each protocol on samples whose answer is known, and its interval."""

import numpy as np
import pytest

from underone.bench import PROTOCOLS, Record, describe, figure
from underone.bench.record import Protocol
from underone.errors import BadValue, UnknownName


def record(samples, rounds=20, sizes=None, batch=1):
    sizes = sizes or (len(samples) // rounds,) * rounds
    return Record(
        model="m", engine="e", threads=1, precision="float32", machine=describe(), protocol=Protocol(batch=batch),
        samples_ms=tuple(map(float, samples)), round_sizes=sizes,
    )  # fmt: skip


@pytest.fixture(scope="module")
def samples():
    return np.random.default_rng(1).gamma(2.0, 0.3, 1200) + 0.79


def test_paper_is_the_minimum_of_the_first_thousand(samples):
    late = samples.copy()
    late[1100] = 0.1
    assert figure(record(late), "paper").value == samples[:1000].min()


def test_modelbench_is_the_mean_of_trimmed_rounds(samples):
    rounds = np.sort(samples.reshape(24, 50))
    assert figure(record(samples), "modelbench").value == pytest.approx(np.mean([r[10:40].mean() for r in rounds]))


def test_xcode_is_the_median(samples):
    assert figure(record(samples), "xcode").value == np.median(samples)


def test_the_trimmed_mean_leaves_out_a_tenth_at_each_end(samples):
    kept = sorted(samples.tolist())[120:1080]
    assert figure(record(samples), "trimmed-mean-20").value == pytest.approx(sum(kept) / 960)


def test_throughput_is_the_mean_of_all_calls_by_pictures(samples):
    assert figure(record(samples, batch=8), "throughput").value == pytest.approx(samples.mean() / 8)


def test_sustained_is_the_median_of_the_last_quarter_and_its_drift(samples):
    slowing = samples * np.repeat((1.0, 1.2, 1.4, 1.5), 300) * 1000  # 32 minutes
    found = figure(record(slowing), "sustained")
    assert found.value == np.median(slowing[900:])
    assert found.drift == pytest.approx(np.median(slowing[900:]) / np.median(slowing[:300]))
    assert str(found).endswith(f"{found.drift:.2f}× the time of the first quarter")


def test_sustained_takes_half_an_hour(samples):
    assert figure(record(samples * 100), "sustained") is None


def test_sustained_takes_rounds_enough_for_an_interval(samples):
    assert figure(record(samples * 2000, rounds=15), "sustained") is None
    assert figure(record(samples * 2000, rounds=16), "sustained") is not None


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_interval_holds_the_figure_and_grows_with_the_spread_of_rounds(samples, protocol):
    samples = samples * 2000 if protocol == "sustained" else samples
    even = figure(record(samples), protocol)
    spread = samples * np.repeat(np.linspace(1, 2, 20), 60)
    wide = figure(record(spread), protocol)
    for found in (even, wide):
        assert found.low <= found.value <= found.high
    assert wide.high - wide.low > even.high - even.low
    assert str(even).startswith(f"{even.value:.3f} ({even.low:.3f}-{even.high:.3f})")


def test_too_few_samples_give_no_figure(samples):
    few = record(samples[:900])
    assert figure(few, "paper") is None
    assert figure(few, "modelbench") is None
    assert figure(few, "xcode") is not None


def test_wrong_protocols_and_damaged_records_are_refused(samples):
    with pytest.raises(UnknownName, match="Did you mean 'xcode'"):
        figure(record(samples), "xcod")
    with pytest.raises(BadValue, match="has 1200 samples, its rounds have 60; it is damaged"):
        figure(record(samples, sizes=(60,)), "xcode")

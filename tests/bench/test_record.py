"""Records: figures derived from samples, the verdict on their own stability, ratios of paired rounds."""

import numpy as np
import pytest

from underone.bench.machine import Machine, describe
from underone.bench.record import Protocol, Record, ratio, write_records
from underone.errors import BadFile

IDLE = Machine(cpu="cpu", cores=2, features=("avx2",), memory_gb=8, os="Linux", governor="performance", virtual=False)


def record(samples, rounds=10, **changes):
    sizes = tuple(len(part) for part in np.array_split(np.asarray(samples), rounds))
    fields = {
        "model": "m", "engine": "e", "threads": 1, "precision": "float32", "machine": IDLE, "protocol": Protocol(),
        "samples_ms": tuple(samples), "round_sizes": sizes,
    }  # fmt: skip
    return Record(**(fields | changes))


def calm(median=4.0, count=1000, seed=0):
    return median + np.random.default_rng(seed).uniform(0, 0.05, count)


def test_figures_are_those_of_numpy():
    samples = calm()
    r = record(samples)
    assert r.min_ms == samples.min()
    assert r.median_ms == pytest.approx(np.median(samples), abs=1e-6)
    assert r.p90_ms == pytest.approx(np.percentile(samples, 90), abs=1e-6)


def test_paper_figure_is_the_minimum_of_exactly_1000():
    samples = np.concatenate([calm(), [1.0]])  # the fastest call is number 1001
    assert record(samples).min_ms == 1.0
    assert record(samples).paper_ms == samples[:1000].min()
    assert record(samples[:999]).paper_ms is None


def test_calm_record_is_stable_in_spite_of_single_outliers():
    samples = calm()
    samples[[17, 500]] = 40.0
    assert record(samples).verdict == "stable"


UNSTABLE = {
    "rounds spread by": np.concatenate([calm(4), calm(5, seed=1)]),
    "a round is 50 % off": np.concatenate([calm(4, 900), calm(7, 100)]),
}


@pytest.mark.parametrize("reason", UNSTABLE)
def test_disturbed_record_says_so(reason):
    assert reason in record(UNSTABLE[reason]).verdict
    assert record(UNSTABLE[reason]).verdict.startswith("unstable: ")


def test_few_rounds_a_shared_core_and_a_cold_start_are_reasons():
    assert record(calm(), rounds=2).verdict == "unstable: only 2 rounds"
    assert record(calm(), cpu_share=0.6).verdict == "unstable: the process had a core only 60% of the time"
    assert record(calm(), cpu_share=0.99).verdict == "stable"
    assert record(calm(), protocol=Protocol(settled=False)).verdict == "unstable: the warm-up did not come to rest"


def test_failed_engine_is_a_record_with_the_error():
    r = record([], rounds=1, round_sizes=(), error="backend 'x' needs y")
    assert r.verdict == "failed: backend 'x' needs y"
    assert str(r) == "m on e, 1 thread, float32: failed: backend 'x' needs y"
    assert ratio(record(calm()), r) is None


def test_record_survives_the_disk_and_derives_its_figures_again():
    r = record(calm())
    assert Record.from_json(r.to_json()) == r
    forged = r.to_json().replace(f'"median_ms": {r.median_ms}', '"median_ms": 0.001')
    assert forged != r.to_json()
    assert Record.from_json(forged).median_ms == r.median_ms


def test_broken_file_is_named():
    with pytest.raises(BadFile, match=r"r\.json: no valid Record: "):
        Record.from_json("{}", "r.json")


def test_ratio_is_paired_by_rounds():
    drift = np.repeat(np.linspace(1, 3, 10), 100)  # the machine becomes three times slower
    r = ratio(record(drift * calm(4)), record(drift * calm(2, seed=1)))
    assert r.value == pytest.approx(2, rel=0.02)
    assert r.low <= r.value <= r.high
    assert r.high - r.low < 0.1


def test_ratio_of_unpaired_records_is_none():
    assert ratio(record(calm()), record(calm(), rounds=5)) is None


def test_no_record_is_lost_when_names_are_equal(tmp_path):
    records = [record(calm()), record(calm(5)), record(calm(), precision="float16"), record(calm(), form="training")]
    paths = write_records(records, tmp_path)
    assert len(set(paths)) == 4
    assert [Record.from_json(path.read_text()) for path in paths] == records


@pytest.mark.parametrize("name", ["../../escaped", "/etc/passwd", "user/model-v1", "..", ".hidden", "a b\n"])
def test_name_from_a_file_stays_inside_the_folder(tmp_path, name):
    (path,) = write_records([record(calm(), model=name)], tmp_path)
    assert path.parent == tmp_path
    assert path.resolve().parent == tmp_path.resolve()
    assert not path.name.startswith(".")


def test_machine_is_described():
    m = describe()
    assert m.cores >= 1
    assert m.memory_gb > 0.5
    assert len(m.fingerprint) == 8
    assert m.fingerprint == m.model_copy(update={"memory_gb": 9.0}).fingerprint
    assert m.fingerprint != m.model_copy(update={"cores": m.cores + 1}).fingerprint

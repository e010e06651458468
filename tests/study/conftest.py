"""Trials as a study writes them, with times that are known."""

import numpy as np
import pytest

from underone.bench import Machine, Record
from underone.bench.record import Protocol
from underone.study import Case, Trial
from underone.study.trial import Facts

MACHINE = Machine(
    cpu="Model A", cores=2, features=("avx2",), memory_gb=8.0, os="Linux 1", governor="unknown", virtual=False
)  # fmt: skip


def make_record(model, engine, ms, *, error=None, spread=0.01, machine=MACHINE, rounds=6, precision="float32"):
    round_ms = ms * (1 + spread * np.linspace(-1, 1, 10))  # the median of every round is `ms`
    samples = () if error else tuple(np.tile(round_ms, rounds).tolist())
    return Record(
        model=model, engine=engine, threads=1, precision=precision, machine=machine,
        protocol=Protocol(name="interleaved", processes=3), samples_ms=samples,
        round_sizes=() if error else (10,) * rounds, error=error, cpu_share=None if error else 1.0,
        date="2026-01-02T03:04:05+00:00",
    )  # fmt: skip


def make_trial(source, ms, *, macs=300e6, params=3e6, machine=MACHINE, sentinel=2.0, error=None, **case):
    """A trial with the times `ms` by engine; an engine whose time is a text refused for that reason."""
    facts = Facts(params=int(params), macs=int(macs), bytes_moved=int(20e6 + macs / 9), depth=90)
    if error:
        return Trial(case=Case(source=source, **case), machine=machine, error=error)
    watch = make_record("mobileone_s0", "native", sentinel, machine=machine)
    records = [
        make_record(
            source, engine, 0 if isinstance(t, str) else t, error=t if isinstance(t, str) else None, machine=machine
        )
        for engine, t in ms.items()
    ]
    return Trial(
        case=Case(source=source, **case), machine=machine, sha256="0" * 64, facts=facts, records=(watch, *records)
    )  # fmt: skip


@pytest.fixture(scope="session")
def trial():
    return make_trial


@pytest.fixture(scope="session")
def record():
    return make_record


@pytest.fixture(scope="session")
def machine():
    return MACHINE

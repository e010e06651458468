"""How many processes read ahead."""

import os

import pytest
import torch

from underone.training.batches import fitting_workers
from underone.training.distribution import Group


@pytest.mark.parametrize(
    ("count", "device", "world", "cores", "expected"),
    [
        (100, "cuda", 1, 8, 0),  # read sooner than a process is started
        (5000, "cpu", 1, 8, 1),
        (5000, "cuda", 1, 8, 8),
        (5000, "cuda", 4, 8, 2),
        (5000, "cuda", 8, 2, 1),
        (5000, "cuda", 1, 96, 16),
    ],
)
def test_workers_fit_set_and_machine(monkeypatch, count, device, world, cores, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
    assert fitting_workers(count, torch.device(device), Group(world=world)) == expected

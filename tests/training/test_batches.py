"""How many processes read ahead, and what they hand over."""

import os
import time

import pytest
import torch

from underone.errors import BadFile
from underone.training.batches import epoch_batches, fitting_workers
from underone.training.distribution import Group
from underone.training.recipe import Recipe


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


class Numbered:
    """Pictures that a sampler of numbers reads."""

    def __len__(self):
        return 80

    def name(self, index):
        return str(index)


def fill(pictures, index, seed, out):
    if index == 7:
        raise BadFile("the seventh is broken")
    time.sleep(0.0002 * (seed % 3))  # workers pass one another
    out[...] = index
    return torch.tensor(index)


def taught(workers):
    recipe, seen = Recipe(name="r", batch=5), []
    for batch in epoch_batches(Numbered(), recipe, fill, 8, 0, 0, Group(), workers):
        time.sleep(0.03)  # others are made meanwhile, and must not be made here
        assert (batch.images == batch.targets[:, None, None, None]).all()
        seen.append((batch.targets.tolist(), batch.names, batch.seed, batch.unreadable))
    return seen


def test_batches_are_the_same_with_any_number_of_workers_and_lie_still_until_the_next():
    alone = taught(0)
    assert len(alone) == 16
    learnt = sorted(number for targets, *_ in alone for number in targets)
    assert learnt == [*range(7), 8, *range(8, 80)]  # the eighth stands for the broken one
    assert [entry.name for *_, unreadable in alone for entry in unreadable] == ["7"]
    assert taught(1) == alone
    assert taught(2) == alone

"""Batches: pictures read, decoded and augmented by worker processes, in an order that any run can take up again."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from ..data.order import Draw, batches
from ..data.pictures import Listed
from ..errors import BadFile
from ..spec import Preparation
from .distribution import Group
from .recipe import Recipe
from .signals import leave_signals

_TRIES = 16  # unreadable pictures in a row
_FEW, _MOST_WORKERS = 200, 16


class Unreadable(NamedTuple):
    """A picture that could not be read, and why."""

    name: str
    reason: str


class Sample(NamedTuple):
    """A picture as it is learnt.

    Attributes:
        image: uint8 (3, H, W), augmented.
        target: what is right about it, of the same shape for every picture.
    """

    image: Tensor
    target: Tensor


Sampler = Callable[[Any, int, int], Sample]  # (pictures, index, seed); BadFile where the picture is unreadable


class Batch(NamedTuple):
    """One process's part of a step.

    Attributes:
        images: uint8 (N, 3, H, W).
        targets: (N, …).
        names: of the pictures.
        seed: of what is random about the batch as a whole.
        unreadable: pictures that were replaced by the next one in the list.
    """

    images: Tensor
    targets: Tensor
    names: tuple[str, ...]
    seed: int
    unreadable: tuple[Unreadable, ...]


class _Samples(Dataset["_Drawn"]):
    """Pictures by draw."""

    def __init__(self, pictures: Listed, sampler: Sampler) -> None:
        self.pictures, self.sampler = pictures, sampler

    def __getitem__(self, draw: Draw) -> "_Drawn":
        unreadable: list[Unreadable] = []
        for tries in range(_TRIES):
            index = (draw.picture + tries) % len(self.pictures)
            try:
                sample = self.sampler(self.pictures, index, draw.seed)
            except BadFile as error:
                unreadable.append(Unreadable(self.pictures.name(index), str(error)))
                continue
            return _Drawn(sample, self.pictures.name(index), draw.seed, unreadable)
        raise BadFile(
            f"{_TRIES} pictures in a row cannot be read; the first: {unreadable[0].name}: {unreadable[0].reason}"
        )


class _Drawn(NamedTuple):
    sample: Sample
    name: str
    seed: int
    unreadable: list[Unreadable]


def fitting_workers(count: int, device: torch.device, group: Group) -> int:
    """Return how many processes read pictures ahead, where nobody said it.

    On a processor a training step takes far longer than reading its pictures, so one is enough; a GPU needs what there
    is. A small set is read sooner than a process is started.

    Args:
        count: pictures of an epoch.
        device: that trains.
        group: the processes that share this machine's cores.
    """
    if count < _FEW:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if device.type == "cpu" else max(1, min(_MOST_WORKERS, cores // group.world))


def epoch_batches(
    pictures: Listed, recipe: Recipe, sampler: Sampler, epoch: int, first: int, group: Group, workers: int
) -> Iterator[Batch]:
    """Give this process's batches of an epoch, from step `first` on.

    Args:
        pictures: the training set.
        recipe: gives batch and seed.
        sampler: reads and augments a picture.
        epoch: from 0.
        first: steps of the epoch that are done.
        group: which process this is.
        workers: processes that read ahead; 0: none.
    """
    order = batches(len(pictures), recipe.batch, recipe.seed, epoch, first, group.rank, group.world)
    loader = DataLoader(
        _Samples(pictures, sampler),
        batch_sampler=order,
        num_workers=workers,
        collate_fn=_collate,
        generator=torch.Generator().manual_seed(recipe.seed),  # the loader would draw from the global state otherwise
        prefetch_factor=4 if workers else None,
        worker_init_fn=leave_signals,
    )
    yield from loader


def _collate(drawn: list[_Drawn]) -> Batch:
    return Batch(
        default_collate([one.sample.image for one in drawn]),  # in a worker: straight into shared memory
        default_collate([one.sample.target for one in drawn]),
        tuple(one.name for one in drawn),
        drawn[0].seed,
        tuple(entry for one in drawn for entry in one.unreadable),
    )


def normalizer(how: Preparation, device: torch.device) -> "partial[Tensor]":
    """Return the function from uint8 (N, 3, H, W) to the tensor that `Preparation` describes, on the device."""
    low, high = how.range
    mean, std = (np.asarray(v, np.float64) for v in (how.mean, how.std))
    factor, shift = (high - low) / 255 / std, (low - mean) / std
    as_tensor = partial(torch.tensor, dtype=torch.float32, device=device)
    return partial(_normalize, as_tensor(factor)[:, None, None], as_tensor(shift)[:, None, None])


def _normalize(factor: Tensor, shift: Tensor, images: Tensor) -> Tensor:
    return images.to(factor.device, torch.float32) * factor + shift


def zero_color(how: Preparation) -> tuple[int, ...]:
    """Return the colour, 0 to 255, that becomes 0 in the network's input."""
    low, high = how.range
    return tuple(round(255 * (mean - low) / (high - low)) for mean in how.mean)

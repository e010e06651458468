"""Batches: pictures read, decoded and augmented by worker processes, in an order that any run can take up again."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
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
_AHEAD = 4  # batches that each worker prepares


class Unreadable(NamedTuple):
    """A picture that could not be read, and why."""

    name: str
    reason: str


# (pictures, index, seed, out) → what is right about the picture, of the same shape for every one; the augmented picture
# is written into out, uint8 (3, size, size). BadFile where it is unreadable
Sampler = Callable[[Any, int, int, NDArray[np.uint8]], Tensor]


class Batch(NamedTuple):
    """One process's part of a step.

    Attributes:
        images: uint8 (N, 3, size, size), in memory that is used again: good until the next batch is asked for.
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


class _Place(NamedTuple):
    """A batch to be made, and where its pictures go."""

    slot: int
    draws: list[Draw]


class _Made(NamedTuple):
    """A batch whose pictures lie in their slot."""

    slot: int
    targets: Tensor
    names: tuple[str, ...]
    seed: int
    unreadable: tuple[Unreadable, ...]


class _Samples(Dataset[_Made]):
    """Batches by place. Workers write the pictures where the training process reads them."""

    def __init__(self, pictures: Listed, sampler: Sampler, slots: Tensor) -> None:
        self.pictures, self.sampler, self.slots = pictures, sampler, slots

    def __getitem__(self, place: _Place) -> _Made:
        unreadable: list[Unreadable] = []
        images = self.slots[place.slot].numpy()
        drawn = [self._fill(draw, out, unreadable) for draw, out in zip(place.draws, images, strict=False)]
        targets, names = zip(*drawn, strict=True)
        return _Made(place.slot, default_collate([*targets]), names, place.draws[0].seed, tuple(unreadable))

    def _fill(self, draw: Draw, out: NDArray[np.uint8], unreadable: list[Unreadable]) -> tuple[Tensor, str]:
        """Write a picture into `out`; return its target and its name."""
        failed: list[Unreadable] = []
        for tries in range(_TRIES):
            index = (draw.picture + tries) % len(self.pictures)
            try:
                target = self.sampler(self.pictures, index, draw.seed, out)
            except BadFile as error:
                failed.append(Unreadable(self.pictures.name(index), str(error)))
                continue
            unreadable += failed
            return target, self.pictures.name(index)
        raise BadFile(f"{_TRIES} pictures in a row cannot be read; the first: {failed[0].name}: {failed[0].reason}")


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
    pictures: Listed, recipe: Recipe, sampler: Sampler, size: int, epoch: int, first: int, group: Group, workers: int
) -> Iterator[Batch]:
    """Give this process's batches of an epoch, from step `first` on.

    Args:
        pictures: the training set.
        recipe: gives batch and seed.
        sampler: reads and augments a picture.
        size: of the square pictures that it makes, in pixels.
        epoch: from 0.
        first: steps of the epoch that are done.
        group: which process this is.
        workers: processes that read ahead; 0: none.
    """
    order = batches(len(pictures), recipe.batch, recipe.seed, epoch, first, group.rank, group.world)
    # those being made or waiting, and those that were looked at last; each worker has slots of its own
    slots = torch.empty(
        ((_AHEAD + 1) * workers or 1, -(-recipe.batch // group.world), 3, size, size), dtype=torch.uint8
    )
    if workers:
        slots.share_memory_()  # type: ignore[no-untyped-call]
    loader = DataLoader(
        _Samples(pictures, sampler, slots),
        batch_size=None,  # an item is a batch
        sampler=(_Place(number % len(slots), draws) for number, draws in enumerate(order)),
        num_workers=workers,
        collate_fn=_as_it_is,
        generator=torch.Generator().manual_seed(recipe.seed),  # the loader would draw from the global state otherwise
        prefetch_factor=_AHEAD if workers else None,
        worker_init_fn=leave_signals,
    )
    for made in loader:
        images = slots[made.slot, : len(made.names)]
        yield Batch(images, made.targets, made.names, made.seed, made.unreadable)


def _as_it_is(made: Any) -> Any:
    return made


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

"""Batches: pictures read, decoded and augmented by worker processes, in an order that any run can take up again."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..data import Pictures
from ..data.order import Draw, batches
from ..errors import BadFile
from ..image import read_image
from ..spec import Preparation
from .augmentation import augment
from .distribution import Group
from .recipe import Recipe, Stage

_TRIES = 16  # unreadable pictures in a row


class Unreadable(NamedTuple):
    """A picture that could not be read, and why."""

    name: str
    reason: str


class Batch(NamedTuple):
    """One process's part of a step.

    Attributes:
        images: uint8 (N, 3, H, W).
        targets: int64 (N,).
        names: of the pictures.
        seed: of what is random about the batch as a whole.
        unreadable: pictures that were replaced by the next one in the list.
    """

    images: Tensor
    targets: Tensor
    names: tuple[str, ...]
    seed: int
    unreadable: tuple[Unreadable, ...]


class _Augmented(Dataset[tuple[Tensor, int, str, int, list[Unreadable]]]):
    """Pictures by draw."""

    def __init__(self, pictures: Pictures, recipe: Recipe, stage: Stage) -> None:
        self.pictures, self.recipe, self.stage = pictures, recipe, stage

    def __getitem__(self, draw: Draw) -> tuple[Tensor, int, str, int, list[Unreadable]]:
        unreadable = []
        for tries in range(_TRIES):
            index = (draw.picture + tries) % len(self.pictures)
            try:
                pixels = read_image(self.pictures.read(index))
            except BadFile as error:
                unreadable.append(Unreadable(self.pictures.name(index), str(error)))
                continue
            image = augment(pixels, draw.seed, self.recipe, self.stage)
            return image, int(self.pictures.targets[index]), self.pictures.name(index), draw.seed, unreadable
        raise BadFile(
            f"{_TRIES} pictures in a row cannot be read; the first: {unreadable[0].name}: {unreadable[0].reason}"
        )


def epoch_batches(
    pictures: Pictures, recipe: Recipe, stage: Stage, epoch: int, first: int, group: Group, workers: int
) -> Iterator[Batch]:
    """Give this process's batches of an epoch, from step `first` on.

    Args:
        pictures: the training set.
        recipe: gives batch, seed and augmentation.
        stage: gives picture size and strength.
        epoch: from 0.
        first: steps of the epoch that are done.
        group: which process this is.
        workers: processes that read ahead; 0: none.
    """
    order = batches(len(pictures), recipe.batch, recipe.seed, epoch, first, group.rank, group.world)
    loader = DataLoader(
        _Augmented(pictures, recipe, stage),
        batch_sampler=order,
        num_workers=workers,
        collate_fn=_collate,
        generator=torch.Generator().manual_seed(recipe.seed),  # the loader would draw from the global state otherwise
        prefetch_factor=4 if workers else None,
    )
    yield from loader


def _collate(samples: list[tuple[Tensor, int, str, int, list[Unreadable]]]) -> Batch:
    images, targets, names, seeds, unreadable = zip(*samples, strict=True)
    listed = tuple(entry for part in unreadable for entry in part)
    return Batch(torch.stack(images), torch.tensor(targets), names, seeds[0], listed)


def normalizer(how: Preparation, device: torch.device) -> "partial[Tensor]":
    """Return the function from uint8 (N, 3, H, W) to the tensor that `Preparation` describes, on the device."""
    low, high = how.range
    mean, std = (np.asarray(v, np.float64) for v in (how.mean, how.std))
    factor, shift = (high - low) / 255 / std, (low - mean) / std
    as_tensor = partial(torch.tensor, dtype=torch.float32, device=device)
    return partial(_normalize, as_tensor(factor)[:, None, None], as_tensor(shift)[:, None, None])


def _normalize(factor: Tensor, shift: Tensor, images: Tensor) -> Tensor:
    return images.to(factor.device, torch.float32) * factor + shift

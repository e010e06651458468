"""In which order pictures are drawn: a pure function of seed and epoch, so that any step can be found again."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import BadValue


class Draw(NamedTuple):
    """One picture of a batch: which, and the seed of everything that is random about it."""

    picture: int
    seed: int


def epoch_order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return a permutation of `count` pictures, (count,) int64."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def steps_of(count: int, batch: int) -> int:
    """Return the number of whole batches in an epoch; the pictures that are left over change from epoch to epoch.

    Raises:
        BadValue: the batch is larger than the set.
    """
    if not 1 <= batch <= count:
        raise BadValue(f"the batch is {batch}, the training set has {count} pictures; 1 to {count} is required")
    return count // batch


def batches(
    count: int, batch: int, seed: int, epoch: int, first: int = 0, rank: int = 0, world: int = 1
) -> Iterator[list[Draw]]:
    """Give one rank's part of the batches of an epoch, from step `first` on.

    The batches are the same for any number of ranks; rank r takes every world-th picture of each, so the parts differ
    by one picture at the most.

    Args:
        count: pictures in the set.
        batch: pictures of one step, of all ranks together.
        seed: of the run.
        epoch: from 0.
        first: steps of this epoch that are done already.
        rank: of this process.
        world: number of processes.
    """
    order = epoch_order(count, seed, epoch)
    for step in range(first, steps_of(count, batch)):
        part = order[step * batch : (step + 1) * batch][rank::world]
        yield [Draw(int(picture), _draw_seed(seed, epoch, int(picture))) for picture in part]


def _draw_seed(seed: int, epoch: int, picture: int) -> int:
    return int(np.random.SeedSequence([seed, epoch, picture]).generate_state(1, np.uint64)[0] >> np.uint64(1))

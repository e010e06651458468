"""The order of an epoch is a function of seed and epoch, and the same for any number of processes."""

import numpy as np
import pytest

from underone.data.order import batches, epoch_order, steps_of
from underone.errors import BadValue


def test_epoch_is_a_permutation_that_changes_with_seed_and_epoch():
    orders = [epoch_order(100, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(np.array_equal(np.sort(order), np.arange(100)) for order in orders)
    assert len({order.tobytes() for order in orders}) == 4
    assert np.array_equal(orders[1], epoch_order(100, 0, 1))


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_processes_share_every_batch_and_miss_nothing(world):
    whole = list(batches(50, 8, 3, 2))
    parts = [list(batches(50, 8, 3, 2, rank=rank, world=world)) for rank in range(world)]
    for step, batch in enumerate(whole):
        assert sorted(batch) == sorted(draw for part in parts for draw in part[step])
    assert len(whole) == 6
    assert len({draw.seed for batch in whole for draw in batch}) == 48


def test_epoch_goes_on_at_any_step():
    assert list(batches(50, 8, 3, 2, first=4)) == list(batches(50, 8, 3, 2))[4:]


@pytest.mark.parametrize("batch", [0, 51])
def test_batch_larger_than_the_set_is_refused(batch):
    with pytest.raises(BadValue, match=rf"the batch is {batch}, the training set has 50 pictures; 1 to 50 is required"):
        steps_of(50, batch)

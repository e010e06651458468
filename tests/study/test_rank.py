"""Rank correlation against printed examples, its interval, and the front."""

import numpy as np
import pytest

from underone.errors import BadValue
from underone.study.rank import front, spearman


def test_rho_is_that_of_scipys_documentation():
    # scipy.stats.spearmanr, first example: ties in the second list
    assert spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]).rho == pytest.approx(0.82078, abs=1e-5)


@pytest.mark.parametrize(("order", "rho"), [(1, 1.0), (-1, -1.0)])
def test_p_of_a_perfect_order_is_two_of_all_orders(order, rho):
    found = spearman(range(6), [order * 10**i for i in range(6)])
    assert found.rho == pytest.approx(rho)
    assert found.p == pytest.approx(2 / 720, abs=2e-3)


def test_noise_has_a_large_p_and_an_interval_around_zero():
    rng = np.random.default_rng(3)
    found = spearman(rng.normal(size=30), rng.normal(size=30))
    assert found.p > 0.05
    assert found.low < 0 < found.high
    assert found.low <= found.rho <= found.high
    assert str(found) == f"{found.rho:.2f} ({found.low:.2f} to {found.high:.2f}), p {found.p:.3f}"


def test_nothing_goes_with_what_is_always_the_same():
    found = spearman([1, 2, 3, 4], [7, 7, 7, 7])
    assert (found.rho, found.p, found.low, found.high) == (0, 1, 0, 0)


def test_a_scale_that_keeps_the_order_changes_nothing():
    x, y = [3, 1, 4, 1, 5, 9], [2, 7, 1, 8, 2, 8]
    assert spearman(x, y) == spearman(np.exp(x), y)


@pytest.mark.parametrize(("x", "y"), [([1, 2], [1, 2]), ([1, 2, 3], [1, 2])])
def test_too_few_or_uneven_numbers_are_refused(x, y):
    with pytest.raises(BadValue, match="two of one length, 3 at the least"):
        spearman(x, y)


def test_the_front_is_what_nobody_beats_in_both():
    #         slow, good  fast    beaten  equal and dearer  best
    points = [(3, 76.0), (1, 60), (2, 59), (4, 76.0), (9, 80)]
    assert front(points) == [1, 0, 4]

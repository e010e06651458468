"""Rounding: whole numbers that change a layer's answers least, against trying all of them."""

import itertools

import numpy as np

from underone.quantization.rounding import best_scales, nearest, rounded, row_scales


def loss(whole, scales, rows, metric):
    error = whole * scales - rows
    return np.einsum("gok,gkl,gol->go", error, metric, error)


def correlated(rng, groups, size):
    mixed = rng.normal(size=(groups, size, size))
    return mixed @ np.swapaxes(mixed, 1, 2) / size + 0.05 * np.eye(size)


def test_rounding_is_the_best_of_all_up_and_down_in_most_rows():
    rng = np.random.default_rng(0)
    rows, metric = rng.normal(size=(1, 40, 6)), correlated(rng, 1, 6)
    scales = row_scales(rows) * 8  # coarse: 4 bits
    found = loss(rounded(rows, scales, metric), scales, rows, metric)
    down = np.floor(rows / scales)
    tried = [loss(down + np.array(up), scales, rows, metric) for up in itertools.product((0, 1), repeat=6)]
    best = np.min(tried, axis=0)
    assert (found <= best * 1.001).mean() > 0.7
    assert found.sum() < 1.1 * best.sum()
    assert found.sum() < 0.6 * loss(nearest(rows, scales), scales, rows, metric).sum()


def test_groups_do_not_see_each_other():
    rng = np.random.default_rng(1)
    rows, metric = rng.normal(size=(3, 4, 5)), correlated(rng, 3, 5)
    scales = row_scales(rows) * 8
    metric[:] = metric[:1]  # one order of weights for all
    together = rounded(rows, scales, metric)
    for g in range(3):
        np.testing.assert_array_equal(together[g], rounded(rows[g : g + 1], scales[g : g + 1], metric[:1])[0])


def test_uncorrelated_inputs_are_rounded_to_the_nearest():
    rows = np.random.default_rng(2).normal(size=(1, 8, 9))
    scales = row_scales(rows)
    np.testing.assert_array_equal(rounded(rows, scales, np.eye(9)[None]), nearest(rows, scales))


def test_scale_gives_up_a_weight_that_no_input_reaches():
    rows = np.array([[[50.0, *np.linspace(-1, 1, 20)]]])
    power = np.ones((1, 21))
    power[0, 0] = 0
    assert best_scales(rows, power).item() < 0.75 * row_scales(rows).item()
    np.testing.assert_allclose(best_scales(rows, np.ones((1, 21))), row_scales(rows))


def test_rows_of_zeros_have_a_step():
    assert (row_scales(np.zeros((1, 2, 3))) > 0).all()

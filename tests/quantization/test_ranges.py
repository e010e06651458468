"""Ranges: 0 is exact, every method holds what it promises."""

import numpy as np
import pytest

from underone.graph import Node
from underone.graph.reference import run_node
from underone.quantization.calibrate import Observed
from underone.quantization.ranges import METHODS
from underone.quantization.scheme import Range


def observed(sample):
    return Observed(np.array([sample.min()]), np.array([sample.max()]), (sample.min() / 2, sample.max() / 2), sample)


@pytest.fixture(scope="module")
def heavy():
    """Return values with a heavy tail: Student's t with 3 degrees of freedom."""
    return np.random.default_rng(0).standard_t(3, 200_000).astype(np.float32)


def error(span, values):
    return float(np.mean((span.rounded(values) - values) ** 2))


def test_minmax_holds_every_value(heavy):
    span = METHODS["minmax"](observed(heavy))
    assert (span.low, span.high) == (heavy.min(), heavy.max())


def test_mean_holds_the_mean_of_the_extremes(heavy):
    span = METHODS["mean"](observed(heavy))
    assert (span.low, span.high) == (heavy.min() / 2, heavy.max() / 2)


def test_percentile_leaves_out_one_value_in_ten_thousand_at_each_end(heavy):
    span = METHODS["percentile"](observed(heavy))
    assert (heavy > span.high).sum() == (heavy < span.low).sum() == 20


def test_mse_is_better_than_any_other_share(heavy):
    seen = observed(heavy)
    best = error(METHODS["mse"](seen), heavy)
    whole = METHODS["minmax"](seen)
    shares = np.linspace(0.02, 1, 300)
    assert best < 1.02 * min(error(Range(s * whole.low, s * whole.high), heavy) for s in shares)
    assert best < 0.8 * error(whole, heavy)


def test_entropy_cuts_a_tail_and_keeps_an_even_distribution(heavy):
    assert METHODS["entropy"](observed(heavy)).high < 0.5 * heavy.max()
    even = np.random.default_rng(0).uniform(0, 1, 100_000).astype(np.float32)
    assert METHODS["entropy"](observed(even)).high > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_a_tensor_that_is_always_zero_has_a_scale(method):
    span = METHODS[method](observed(np.zeros(100, np.float32)))
    assert span.scale > 0
    assert span.zero == 0


@pytest.mark.parametrize(("low", "high"), [(0.0, 6.0), (-1.0, 3.0), (-5.0, 0.0), (2.0, 7.0), (-3.0, -1.0)])
def test_rounding_is_what_the_operators_of_the_file_do(low, high):
    span = Range(low, high)
    values = np.random.default_rng(0).uniform(-8, 8, 1000).astype(np.float32)
    operands = [np.asarray(span.scale), np.asarray(span.zero)]
    (whole,) = run_node(Node("QuantizeLinear", ("x", "s", "z"), ("y",)), [values, *operands])
    (back,) = run_node(Node("DequantizeLinear", ("x", "s", "z"), ("y",)), [whole, *operands])
    np.testing.assert_array_equal(span.rounded(values), back)
    assert span.rounded(np.zeros(1, np.float32))[0] == 0

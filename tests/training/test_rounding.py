"""Rounding that learns, against torch's own fake quantisation and by hand."""

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from underone.quantization.scheme import Range
from underone.training.rounding import log_ends, range_of, rounded, whole_bias, whole_weight

SPANS = [Range(0.0, 6.0), Range(-5.0, 20.5), Range(-3.0, 0.0), Range(0.0, 0.0)]


@pytest.mark.parametrize("span", SPANS, ids=str)
def test_rounded_is_torchs_fake_quantisation(span):
    generator = torch.Generator().manual_seed(0)
    x = (30 * torch.randn(4000, generator=generator)).requires_grad_()
    ends = log_ends(span)
    ours, span = rounded(x, ends), range_of(ends)
    theirs = torch.fake_quantize_per_tensor_affine(x, float(span.scale), int(span.zero), 0, 255)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)
    np.testing.assert_array_equal(ours.detach().numpy(), span.rounded(x.detach().numpy()))
    gradient = torch.randn(4000, generator=generator)
    got, want = (torch.autograd.grad(y, x, gradient)[0] for y in (ours, theirs))
    torch.testing.assert_close(got, want, rtol=0, atol=0)


@pytest.mark.parametrize("span", SPANS, ids=str)
def test_range_survives_its_logarithm(span):
    again = range_of(log_ends(span))
    assert (again.low, again.high) == pytest.approx((span.low, span.high), abs=1e-7, rel=1e-6)
    assert again.zero == span.zero


def test_ranges_are_read_on_the_cpu_because_metal_has_no_float64():
    class Calls(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            names.append(getattr(function, "__name__", ""))
            return function(*args, **(kwargs or {}))

    names, ends = [], log_ends(Range(-1.0, 2.0))
    with Calls():
        range_of(ends)
    assert names.index("cpu") < names.index("double")


def test_ends_learn_as_worked_by_hand():
    """From -1 to 254 in steps of 1: 0.25 is rounded down; -7 is cut at -1, 1000 at 254.

    An end moves every value inside by what its step rounds (-0.25), shared over 255 steps; and what it cuts by itself.
    """
    ends = log_ends(Range(-1.0, 254.0)).requires_grad_()
    y = rounded(torch.tensor([0.25, -7.0, 1000.0, 3.0]), ends)
    assert y.tolist() == pytest.approx([0.0, -1.0, 254.0, 3.0])
    y.backward(torch.tensor([10.0, 20.0, 30.0, 40.0]))
    by_step = 10 * -0.25 / 255
    low, high = 20 - by_step, 30 + by_step  # gradients of the ends themselves
    assert ends.grad.tolist() == pytest.approx([-1.0 * low, 254.0 * high], rel=1e-5)


@pytest.mark.parametrize("axis", [0, 1])
def test_weights_are_whole_in_steps_of_their_output(axis):
    torch.manual_seed(0)
    weight, step = torch.randn(6, 6, 3, 3), torch.rand(6) / 40
    log_step = step.log().requires_grad_()
    whole, steps = whole_weight(weight.requires_grad_(), log_step, axis)
    assert torch.equal(whole, whole.round())
    assert whole.abs().max() == 127
    zeros = torch.zeros(6, dtype=torch.int32)
    theirs = torch.fake_quantize_per_channel_affine(weight, step, zeros, axis, -127, 127)
    torch.testing.assert_close(whole * steps, theirs, rtol=1e-5, atol=1e-6)
    gradient = torch.randn_like(weight)
    got, want = (torch.autograd.grad(y, weight, gradient, retain_graph=True)[0] for y in (whole * steps, theirs))
    torch.testing.assert_close(got, want)
    (whole * steps).backward(gradient)
    inside = whole.detach() - (weight / steps).detach() * (whole.detach().abs() < 127)  # LSQ, equation 3
    by_step = (gradient * inside).sum([a for a in range(4) if a != axis]) * step
    torch.testing.assert_close(log_step.grad, by_step, rtol=1e-3, atol=1e-5)


def test_bias_is_whole_in_steps_of_the_products():
    bias, step = torch.tensor([0.10042, -0.3711]).requires_grad_(), torch.tensor([0.01, 0.02]).reshape(2, 1, 1, 1)
    found = whole_bias(bias, step, Range(0.0, 25.5))  # steps of 0.1: products of 0.001 and 0.002
    assert found.tolist() == pytest.approx([0.1, -0.372], abs=1e-6)
    found.sum().backward()
    assert bias.grad.tolist() == [1, 1]

"""Oracle: numpy's covariance in float64, and torch's autograd."""

import numpy as np
import pytest
import torch

from underone.nn.moments import Geometry, channel_moments, covariance, output_moments


@pytest.mark.parametrize("channels", [5, 32])  # by a product of matrices, by a convolution
def test_covariance_far_from_zero_is_that_of_numpy(channels):
    x = torch.randn(4, channels, 9, 7, generator=torch.Generator().manual_seed(0)) + 1000
    mean, cov = covariance(x)
    want = np.cov(x.double().movedim(1, 0).flatten(1).numpy(), bias=True)
    assert np.abs(cov.numpy() - want).max() <= 1e-5
    np.testing.assert_allclose(mean.numpy(), x.double().mean((0, 2, 3)).numpy(), rtol=1e-6)


@pytest.mark.parametrize("channels", [3, 16])
def test_gradients_are_those_of_finite_differences(channels):
    torch.manual_seed(0)
    x = torch.randn(2, channels, 3, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, channels, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    moves = Geometry((2, 2), (1, 1), (1, 1), channels)
    assert torch.autograd.gradcheck(covariance, x)
    assert torch.autograd.gradcheck(channel_moments, x)
    assert torch.autograd.gradcheck(lambda x, w: output_moments(x, w, moves), (x, weights))

"""Oracle: torch's unfold in float64, centred there, and its autograd."""

import pytest
import torch
import torch.nn.functional as F

from underone.nn import window_moments
from underone.nn.moments import Geometry
from underone.nn.window_moments import ISAS, can_compile, window_covariance

pytestmark = pytest.mark.skipif(not ISAS, reason="the compiled part is not built")

# images, channels, height, width: one pixel, odd sizes, fewer and more channels than one vector, a row of windows alone
SIZES = [(2, 20, 1, 1), (3, 5, 7, 6), (2, 16, 5, 8), (1, 33, 8, 7), (2, 48, 13, 12), (4, 17, 1, 9), (1, 16, 150, 3)]


def covariance_by_unfold(x, stride):
    windows = F.unfold(x, 3, padding=1, stride=stride).unflatten(1, (x.shape[1], 9))  # (N, C, 9, L)
    values = windows.permute(1, 2, 0, 3).flatten(2)  # (C, 9, M)
    mean = values.mean(2)
    centred = values - mean[:, :, None]
    return mean, centred @ centred.transpose(1, 2) / values.shape[2]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("threads", [1, 3])
def test_moments_and_gradient_are_those_of_the_unfolded_windows(size, stride, isa, threads, monkeypatch):
    monkeypatch.setenv("UNDERONE_ISA", isa)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    torch.manual_seed(0)
    ours = torch.randn(size).add_(2).requires_grad_()
    theirs = ours.detach().double().requires_grad_()
    got, want = window_covariance(ours, stride), covariance_by_unfold(theirs, stride)
    pulls = [torch.randn_like(part) for part in want]
    torch.autograd.backward(got, pulls)
    torch.autograd.backward(want, pulls)
    for mine, other in zip((*got, ours.grad), (*want, theirs.grad), strict=True):
        assert (mine - other).abs().max() <= 2e-6 * other.abs().max().clamp(min=1e-3)


def test_channels_last_memory_gives_the_same_bits():
    x = torch.randn(3, 18, 9, 6)
    for mine, other in zip(
        window_covariance(x, 2), window_covariance(x.to(memory_format=torch.channels_last), 2), strict=True
    ):
        assert torch.equal(mine, other)


def test_same_threads_give_the_same_bits():
    x = torch.randn(5, 32, 20, 20)
    first = window_covariance(x, 1)
    for _ in range(20):
        assert all(map(torch.equal, first, window_covariance(x, 1)))


@pytest.mark.parametrize(
    ("x", "size", "geometry"),
    [
        (torch.ones(1, 4, 5, 5).double(), (3, 3), Geometry((1, 1), (1, 1), (1, 1), 4)),
        (torch.ones(1, 4, 5, 5), (5, 5), Geometry((1, 1), (2, 2), (1, 1), 4)),
        (torch.ones(1, 4, 5, 5), (3, 3), Geometry((1, 1), (2, 2), (2, 2), 4)),
        (torch.ones(1, 4, 5, 5), (3, 3), Geometry((3, 3), (1, 1), (1, 1), 4)),
        (torch.ones(0, 4, 5, 5), (3, 3), Geometry((1, 1), (1, 1), (1, 1), 4)),
    ],
)
def test_what_the_kernels_cannot_do_is_left_to_torch(x, size, geometry):
    assert can_compile(torch.ones(1, 4, 5, 5), (3, 3), Geometry((1, 1), (1, 1), (1, 1), 4))
    assert not can_compile(x, size, geometry)


def test_without_the_compiled_part_torch_does_it(monkeypatch):
    monkeypatch.setattr(window_moments, "ISAS", [])
    assert not can_compile(torch.ones(1, 4, 5, 5), (3, 3), Geometry((1, 1), (1, 1), (1, 1), 4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stride": 3}, "stride must be 1 or 2"),
        ({"threads": 0}, "there must be a thread"),
        ({"isa": "mmx"}, "no instruction set 'mmx'"),
        ({"shift": 5}, "a value for each channel"),
        ({"sums": 5}, r"the sums must be \(54, C\)"),
        ({"x": 0}, "must not be empty"),
    ],
)
def test_kernel_refuses_arrays_that_do_not_fit(change, message):
    sizes = {"x": 2, "shift": 4, "sums": 4} | {k: v for k, v in change.items() if k in ("x", "shift", "sums")}
    options = {"stride": 1, "isa": ISAS[0], "threads": 1} | {k: v for k, v in change.items() if k not in sizes}
    arrays = (
        torch.ones(sizes["x"], 3, 3, 4).numpy(),
        torch.ones(sizes["shift"]).numpy(),
        torch.ones(54, sizes["sums"], dtype=torch.float64).numpy(),
    )
    with pytest.raises(ValueError, match=message):
        window_moments.window_moments(*arrays, **options)


@pytest.mark.parametrize(
    ("groups", "images", "message"), [(2, 2, "a row for each 16 channels"), (1, 1, "must have the map's shape")]
)
def test_gradient_kernel_refuses_arrays_that_do_not_fit(groups, images, message):
    arrays = (
        torch.ones(2, 3, 3, 4), torch.ones(4), torch.ones(groups, 9, 9, 16), torch.ones(groups, 9, 16),
        torch.ones(images, 3, 3, 4),
    )  # fmt: skip
    with pytest.raises(ValueError, match=message):
        window_moments.window_gradient(*(a.numpy() for a in arrays), stride=1, isa=ISAS[0], threads=1)

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from underone.compare import difference
from underone.errors import BadValue, ShapeError
from underone.nn.conv import Conv2dSame
from underone.nn.folding import (
    Kernel,
    bn_kernel,
    compose_kernels,
    compose_weights,
    conv_bn_kernel,
    fold_conv_bn,
    identity_kernel,
    pad_kernel,
    sum_kernels,
    with_kernel,
)


def random_bn(channels, seed, eps=1e-5, affine=True):
    generator = torch.Generator().manual_seed(seed)
    bn = nn.BatchNorm2d(channels, eps=eps, affine=affine)
    bn.running_mean.normal_(generator=generator)
    bn.running_var.uniform_(0.2, 3, generator=generator)
    if affine:
        with torch.no_grad():
            bn.weight.normal_(generator=generator)
            bn.bias.normal_(generator=generator)
    return bn.eval()


def assert_close(got, want, nmse=1e-12):
    assert difference(got.detach().numpy(), want.detach().numpy())[0] <= nmse


@settings(deadline=None, max_examples=60)
@given(
    groups=st.integers(1, 4),
    ins=st.integers(1, 3),
    outs=st.integers(1, 3),
    kernel=st.sampled_from([1, 2, 3, (1, 5)]),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    bias=st.booleans(),
    affine=st.booleans(),
    eps=st.sampled_from([1e-5, 1e-3, 0.5]),
    seed=st.integers(0, 1000),
)
def test_folded_convolution_gives_same_output(groups, ins, outs, kernel, stride, dilation, bias, affine, eps, seed):
    torch.manual_seed(seed)
    conv = nn.Conv2d(
        groups * ins, groups * outs, kernel, stride, padding=1, dilation=dilation, groups=groups, bias=bias
    )
    bn = random_bn(groups * outs, seed, eps, affine)
    x = torch.randn(2, groups * ins, 11, 12)
    assert_close(fold_conv_bn(conv, bn)(x), bn(conv(x)))


def test_folding_by_hand():
    # W = 2, b = 1; gamma 3, beta 4, mean 5, var 6, eps 3: scale = 3 / sqrt(6 + 3) = 1
    conv, bn = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=3)
    with torch.no_grad():
        for tensor, value in [(conv.weight, 2), (conv.bias, 1), (bn.weight, 3), (bn.bias, 4)]:
            tensor.fill_(value)
    bn.running_mean.fill_(5)
    bn.running_var.fill_(6)
    kernel = conv_bn_kernel(conv, bn)
    assert kernel.weight.item() == 2
    assert kernel.bias.item() == 4 + (1 - 5)


def test_folding_leaves_its_arguments_alone():
    conv, bn = nn.Conv2d(3, 4, 3, bias=False), random_bn(4, 0)
    before = copy.deepcopy([conv.state_dict(), bn.state_dict()])
    fold_conv_bn(conv, bn)
    for want, module in zip(before, (conv, bn), strict=True):
        assert all(torch.equal(want[k], v) for k, v in module.state_dict().items())
        assert set(want) == set(module.state_dict())


def test_folding_keeps_kind_dtype_and_trainability():
    conv = Conv2dSame(3, 4, 3, stride=2, bias=False).double()
    conv.weight.requires_grad_(False)
    folded = fold_conv_bn(conv, random_bn(4, 0).double())
    assert type(folded) is Conv2dSame
    assert folded.weight.dtype == folded.bias.dtype == torch.float64
    assert not folded.weight.requires_grad
    assert not folded.bias.requires_grad
    assert fold_conv_bn(nn.Conv2d(3, 4, 1), random_bn(4, 0)).bias.requires_grad


def test_folding_other_channels_is_an_error():
    with pytest.raises(ShapeError, match="gives 4 channels, the batch norm takes 5; they must be equal"):
        fold_conv_bn(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(5))


def test_folding_without_running_statistics_is_an_error():
    with pytest.raises(BadValue, match="track_running_stats=False cannot be folded"):
        fold_conv_bn(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False))


@pytest.mark.parametrize(("channels", "groups", "size"), [(6, 1, 3), (6, 6, 3), (6, 2, 1), (6, 3, 5)])
def test_identity_kernel_gives_its_input(channels, groups, size):
    conv = nn.Conv2d(channels, channels, size, padding=size // 2, groups=groups)
    conv = with_kernel(conv, Kernel(identity_kernel(channels, groups, size), torch.zeros(channels)))
    x = torch.randn(2, channels, 7, 8)
    assert torch.equal(conv(x), x)


def test_bn_kernel_is_the_batch_norm():
    bn = random_bn(6, 1)
    conv = with_kernel(nn.Conv2d(6, 6, 3, padding=1, groups=2), bn_kernel(bn, groups=2, size=3))
    x = torch.randn(2, 6, 7, 8)
    assert_close(conv(x), bn(x))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("size", [3, 5])
def test_padded_kernel_gives_same_output(stride, dilation, size):
    small = nn.Conv2d(4, 6, 1, stride=stride, bias=False)
    large = nn.Conv2d(4, 6, size, stride=stride, padding=dilation * (size // 2), dilation=dilation)
    large = with_kernel(large, Kernel(pad_kernel(small.weight.detach(), size), torch.zeros(6)))
    x = torch.randn(2, 4, 9, 8)
    assert_close(large(x), small(x))


@pytest.mark.parametrize(("shape", "size"), [((4, 4, 3, 3), 1), ((4, 4, 1, 1), 4), ((4, 4, 2, 1), 3)])
def test_padding_without_a_centre_is_an_error(shape, size):
    with pytest.raises(ShapeError, match="odd sizes are required, the weight's not above it"):
        pad_kernel(torch.zeros(shape), size)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (3, 1), (5, 5)])
def test_padded_line_is_the_same_convolution(shape):
    small = nn.Conv2d(4, 6, shape, padding=(shape[0] // 2, shape[1] // 2), bias=False)
    x = torch.randn(2, 4, 9, 8)
    assert_close(F.conv2d(x, pad_kernel(small.weight, 5), padding=2).detach(), small(x).detach())


@pytest.mark.parametrize("sizes", [(1, 3), (3, 1), (1, 1)])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_composed_kernel_is_both_in_turn(sizes, groups):
    first = nn.Conv2d(4, 8, sizes[0], groups=groups).double()
    second = nn.Conv2d(8, 12, sizes[1], groups=groups).double()
    kernels = [Kernel(conv.weight.detach(), conv.bias.detach()) for conv in (first, second)]
    x = torch.randn(2, 4, 9, 8, dtype=torch.float64)
    assert_close(F.conv2d(x, *compose_kernels(*kernels, groups), groups=groups), second(first(x)).detach())


def test_two_windows_are_not_composed():
    weight = torch.zeros(4, 4, 3, 3)
    with pytest.raises(ShapeError, match=r"got weights \(4, 4, 3, 3\) and \(4, 4, 3, 3\); one of them must be 1x1"):
        compose_weights(weight, weight, 1)


def test_sum_of_kernels_is_the_sum_of_branches():
    convs = [nn.Conv2d(4, 6, 3) for _ in range(3)]
    total = sum_kernels(Kernel(c.weight.detach().double(), c.bias.detach().double()) for c in convs)
    x = torch.randn(2, 4, 9, 8)
    assert_close(with_kernel(convs[0], total)(x), sum(c(x) for c in convs))

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from underone.errors import BadValue
from underone.nn.conv import Conv2dSame, conv2d, same_pads


@pytest.mark.parametrize(
    ("size", "pads"),
    # TensorFlow's rule at stride 2, 3x3, for the maps of a 300 px and of a 321 px image, worked by hand
    [(300, (0, 1)), (150, (0, 1)), (75, (1, 1)), (38, (0, 1)), (19, (1, 1)), (321, (1, 1)), (1, (1, 1))],
)
def test_same_pads_follow_tensorflow(size, pads):
    assert same_pads(size, kernel=3, stride=2) == pads


def test_same_pads_of_a_stride_larger_than_the_kernel_are_none():
    assert same_pads(10, kernel=1, stride=2) == (0, 0)


def convolve_same(x, w, stride, dilation):
    """Convolve (H, W) with (k, k) by the definition of SAME: output i looks at pixels from i * stride - before on."""
    k = w.shape[0]
    outs = [-(-n // stride) for n in x.shape]
    total = [max((out - 1) * stride + (k - 1) * dilation + 1 - n, 0) for out, n in zip(outs, x.shape, strict=True)]
    y = np.zeros(outs)
    for i, j, a, b in np.ndindex(*outs, k, k):
        r, c = i * stride - total[0] // 2 + a * dilation, j * stride - total[1] // 2 + b * dilation
        if 0 <= r < x.shape[0] and 0 <= c < x.shape[1]:
            y[i, j] += x[r, c] * w[a, b]
    return y


@pytest.mark.parametrize("size", [(8, 9), (7, 12), (1, 2)])
@pytest.mark.parametrize(("stride", "dilation"), [(2, 1), (3, 1), (2, 2)])
def test_same_convolution_equals_its_definition(size, stride, dilation):
    conv = Conv2dSame(1, 1, 3, stride=stride, dilation=dilation, bias=False).double()
    x = torch.randn(1, 1, *size, dtype=torch.float64)
    want = convolve_same(x[0, 0].numpy(), conv.weight[0, 0].detach().numpy(), stride, dilation)
    np.testing.assert_allclose(conv(x)[0, 0].detach().numpy(), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("padding", ["symmetric", "tf_same"])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_output_size_is_the_input_over_the_stride_rounded_up(padding, kernel_size, stride, dilation):
    conv = conv2d(2, 4, kernel_size, stride=stride, dilation=dilation, groups=2, padding=padding)
    assert conv(torch.zeros(1, 2, 11, 12)).shape == (1, 4, -(-11 // stride), -(-12 // stride))


def test_rules_differ_only_with_a_stride():
    assert not isinstance(conv2d(2, 4, 3, padding="tf_same"), Conv2dSame)
    assert isinstance(conv2d(2, 4, 3, padding="tf_same", stride=2), Conv2dSame)


def test_even_kernel_is_an_error():
    with pytest.raises(BadValue, match="kernel_size=4; an odd size is required"):
        conv2d(2, 4, 4)


def test_unknown_padding_is_an_error():
    with pytest.raises(BadValue, match="padding='same'; one of 'symmetric', 'tf_same', 'keras' is required"):
        conv2d(2, 4, 3, padding="same")


def test_keras_pads_below_and_right_whatever_the_size():
    conv = conv2d(2, 3, 3, stride=2, padding="keras")
    for size, out in ((8, 4), (9, 4)):
        image = torch.randn(1, 2, size, size)
        by_hand = F.conv2d(F.pad(image, (0, 1, 0, 1)), conv.weight, stride=2)
        assert conv(image).shape[2:] == (out, out)
        assert torch.equal(conv(image), by_hand)

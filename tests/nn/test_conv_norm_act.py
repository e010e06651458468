import pytest
import torch
from torch import nn

from underone.compare import difference
from underone.nn.conv_norm_act import ConvNormAct, folded_conv_act
from underone.nn.inverted_residual import InvertedResidual
from underone.nn.squeeze_excite import SqueezeExcite


@pytest.mark.parametrize("padding", ["symmetric", "tf_same"])
@pytest.mark.parametrize(
    "shape", [{"stride": 2}, {"groups": 8}, {"groups": 8, "dilation": 2}, {"activation": nn.Identity}]
)
def test_folded_block_gives_same_output(padding, shape, randomize_statistics):
    arguments = {**shape, "padding": padding, "bn_eps": 1e-3}
    block = randomize_statistics(ConvNormAct(8, 16, 3, **arguments), size=16).eval()
    plain = folded_conv_act(8, 16, 3, **arguments)
    plain.load_state_dict(block.folded().state_dict())
    x = torch.randn(2, 8, 11, 12)
    assert difference(block.folded()(x).detach(), block(x).detach())[0] <= 1e-12
    assert torch.equal(plain(x), block.folded()(x))


def test_epsilon_is_the_batch_norms():
    assert ConvNormAct(2, 4, 1, bn_eps=1e-3).bn.eps == 1e-3


def test_inverted_residual_gives_both_maps_inside():
    output, expansion, depthwise = InvertedResidual(8, 16, 6, ConvNormAct, stride=2)(torch.randn(1, 8, 10, 10))
    assert output.shape == (1, 16, 5, 5)
    assert expansion.shape == (1, 48, 10, 10)
    assert depthwise.shape == (1, 48, 5, 5)


def test_inverted_residual_without_expansion_gives_its_input():
    block = InvertedResidual(8, 16, 1, ConvNormAct)
    x = torch.randn(1, 8, 10, 10)
    assert block.expand is None
    assert block(x).expansion is x


@pytest.mark.parametrize(("shape", "adds"), [((8, 8, 1), True), ((8, 16, 1), False), ((8, 8, 2), False)])
def test_inverted_residual_adds_its_input_when_the_shape_stays(shape, adds):
    before, after, stride = shape
    block = InvertedResidual(before, after, 6, ConvNormAct, stride=stride).eval()
    nn.init.zeros_(block.project.conv.weight)
    x = torch.randn(1, before, 10, 10)
    assert torch.equal(block(x).output, x if adds else torch.zeros_like(block(x).output))


def test_squeeze_excite_by_hand():
    # mean of 1 and 3 is 2; reduce: 2 * 2 - 1 = 3; expand: -3 * 3 + 9 = 0; sigmoid(0) = 0.5
    block = SqueezeExcite(1, ratio=1)
    with torch.no_grad():
        for tensor, value in [
            (block.reduce.weight, 2), (block.reduce.bias, -1), (block.expand.weight, -3), (block.expand.bias, 9),
        ]:  # fmt: skip
            tensor.fill_(value)
    assert block(torch.tensor([[[[1.0, 3.0]]]])).tolist() == [[[[0.5, 1.5]]]]


@pytest.mark.parametrize(("channels", "hidden"), [(896, 56), (2048, 128)])
def test_squeeze_excite_has_the_released_width(channels, hidden):
    assert SqueezeExcite(channels).reduce.out_channels == hidden

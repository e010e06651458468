import torch

from underone.nn.conv_norm_act import ConvNormAct
from underone.nn.separable import SeparableConv


def test_output_and_the_map_inside_are_given():
    block = SeparableConv(8, 16, ConvNormAct, stride=2, dilation=1)
    output, depthwise = block(torch.randn(1, 8, 10, 10))
    assert (output.shape, depthwise.shape) == ((1, 16, 5, 5), (1, 8, 5, 5))
    assert block.depthwise.conv.groups == 8
    assert block.pointwise.conv.kernel_size == (1, 1)

"""Convolution, batch norm, activation: the block of MobileNet V1 and V2."""

import copy
from collections.abc import Callable

from torch import Tensor, nn

from .conv import Padding, conv2d
from .folded_block import FoldedBlock
from .folding import Kernel, conv_bn_kernel, with_kernel


class ConvNormAct(nn.Module):
    """Convolution without bias, batch norm, activation.

    Args:
        in_channels: channels I.
        out_channels: channels O.
        kernel_size: odd.
        stride: of both axes.
        dilation: of both axes.
        groups: I for a depthwise convolution.
        padding: ``symmetric`` (PyTorch), ``tf_same`` or ``keras``.
        bn_eps: epsilon of the batch norm: 1e-5 in PyTorch, 1e-3 in TensorFlow's MobileNets.
        activation: makes the activation; `nn.Identity` for a linear block.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        padding: Padding = "symmetric",
        bn_eps: float = 1e-5,
        activation: Callable[[], nn.Module] = nn.ReLU6,
    ) -> None:
        super().__init__()
        self.conv = conv2d(
            in_channels, out_channels, kernel_size, stride=stride, dilation=dilation, groups=groups, padding=padding
        )
        self.bn = nn.BatchNorm2d(out_channels, eps=bn_eps)
        self.act = activation()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, I, H, W) to (N, O, ceil(H / stride), ceil(W / stride))."""
        y: Tensor = self.act(self.bn(self.conv(x)))
        return y

    def folded(self) -> FoldedBlock:
        """Return a new block with the batch norm inside the convolution."""
        conv = with_kernel(self.conv, self.folded_kernel())
        return FoldedBlock(conv, copy.deepcopy(self.act)).train(self.training)

    def folded_kernel(self) -> Kernel:
        """Return what the convolution folds into; gradients pass to the factor of the batch norm."""
        return conv_bn_kernel(self.conv, self.bn)


def folded_conv_act(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    padding: Padding = "symmetric",
    bn_eps: float = 1e-5,  # noqa: ARG001  inside the weights: taken so that both forms are built by one call
    activation: Callable[[], nn.Module] = nn.ReLU6,
) -> FoldedBlock:
    """Build the folded form of `ConvNormAct` directly, with fresh weights; the arguments are the same."""
    conv = conv2d(
        in_channels, out_channels, kernel_size,
        stride=stride, dilation=dilation, groups=groups, padding=padding, bias=True,
    )  # fmt: skip
    return FoldedBlock(conv, activation())

"""A branch of one convolution and its batch norm."""

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm

from .folding import Kernel, conv_bn_kernel, pad_kernel


class ConvNorm(nn.Module):
    """One branch: convolution without bias, batch norm.

    Args:
        conv: the convolution.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.bn = nn.BatchNorm2d(conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, I, H, W) to (N, O, H', W')."""
        y: Tensor = self.bn(self.conv(x))
        return y

    @property
    def parts(self) -> tuple[nn.Conv2d, AnyBatchNorm]:
        """The convolution and the batch norm."""
        return self.conv, self.bn

    def kernel(self, size: int) -> Kernel:
        """Return what the branch folds into, with windows of `size` pixels."""
        weight, bias = conv_bn_kernel(self.conv, self.bn)
        return Kernel(pad_kernel(weight, size), bias)

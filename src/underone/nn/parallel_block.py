"""A block of any parallel branches that fold: what the families of re-parameterised blocks have in common."""

import copy
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol, cast

from torch import Tensor, nn

from .conv import conv2d
from .folded_block import FoldedBlock
from .folding import Kernel, sum_kernels, with_kernel
from .squeeze_excite import SqueezeExcite


class Place(NamedTuple):
    """Where a block stands: the one convolution that it folds into.

    Attributes:
        in_channels: channels I.
        out_channels: channels O.
        kernel_size: odd.
        stride: of both axes.
        dilation: of both axes.
        groups: I for a depthwise convolution.
    """

    in_channels: int
    out_channels: int
    kernel_size: int
    stride: int = 1
    dilation: int = 1
    groups: int = 1

    def conv(self, *, bias: bool = False) -> nn.Conv2d:
        """Build that convolution, with fresh weights."""
        return conv2d(**self._asdict(), bias=bias)


class Branch(Protocol):
    """A module that is linear in its input but for the statistics of batch norms."""

    def __call__(self, x: Tensor) -> Tensor:
        """Map (N, I, H, W) to (N, O, H', W')."""

    def kernel(self, size: int) -> Kernel:
        """Return what the branch folds into, with windows of `size` pixels."""


class ParallelBlock(nn.Module):
    """The sum of parallel branches, then optionally squeeze and excitation, then an activation.

    Args:
        make_branches: makes the branches for a place, each a module and a `Branch`; the first is never left out.
        in_channels: channels I.
        out_channels: channels O.
        kernel_size: odd.
        stride: of both axes.
        dilation: of both axes.
        groups: I for a depthwise convolution.
        use_se: whether the sum goes through `SqueezeExcite`.
        activation: makes the activation.
    """

    def __init__(
        self,
        make_branches: Callable[[Place], Iterable[nn.Module]],
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        use_se: bool = False,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        self.place = Place(in_channels, out_channels, kernel_size, stride, dilation, groups)
        self.branches = nn.ModuleList(make_branches(self.place))
        self.se = SqueezeExcite(out_channels) if use_se else None
        self.act = activation()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, I, H, W) to (N, O, ceil(H / stride), ceil(W / stride))."""
        first, *others = self.branches
        total: Tensor = first(x)
        for branch in others:
            total = total + branch(x)
        if self.se is not None:
            total = self.se(total)
        y: Tensor = self.act(total)
        return y

    def folded(self) -> FoldedBlock:
        """Return a new block with one convolution in place of all branches."""
        like = next(self.branches.parameters())
        conv = self.place.conv(bias=True).to(like.device, like.dtype).requires_grad_(like.requires_grad)
        conv = with_kernel(conv, self.folded_kernel())
        return FoldedBlock(conv, copy.deepcopy(self.act), copy.deepcopy(self.se)).train(self.training)

    def folded_kernel(self) -> Kernel:
        """Return what all branches fold into; gradients pass to the factors of the batch norms."""
        return sum_kernels(cast(Branch, branch).kernel(self.place.kernel_size) for branch in self.branches)

"""The MobileOne block: parallel branches to train, one convolution to run.

Source: Vasu et al. (arXiv 2206.04040), section 3.2; the rule of the branches is that of the released weights.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Literal

from torch import Tensor, nn

from ..errors import BadValue
from .batch_fold import Branches, foldable, forward_folded
from .conv import conv2d
from .conv_norm import ConvNorm
from .folded_block import FoldedBlock
from .folding import Kernel, bn_kernel, sum_kernels, with_kernel
from .squeeze_excite import SqueezeExcite

TrainingForm = Literal["plain", "moments"]


class MobileOneBlock(nn.Module):
    """The sum of parallel branches, then optionally squeeze and excitation, then an activation.

    Branches: `num_branches` times convolution + batch norm; a 1x1 convolution + batch norm (``scale``) unless the
    kernel is 1x1 itself; a batch norm alone (``skip``) when input and output have one shape.

    Args:
        in_channels: channels I.
        out_channels: channels O.
        kernel_size: odd.
        stride: of both axes.
        dilation: of both axes; the 1x1 branches have no use for it.
        groups: I for a depthwise convolution.
        num_branches: the paper's k, 1 or more.
        use_se: whether the sum goes through `SqueezeExcite`.
        activation: makes the activation.

    Attributes:
        training_form: ``plain``, or ``moments``: in training mode all branches of a batch are folded into one
            convolution. The same but for rounding; `use_training_forms` sets it.

    Raises:
        BadValue: num_branches is below 1, or kernel_size is even.
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
        num_branches: int = 1,
        use_se: bool = False,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        if num_branches < 1:
            raise BadValue(f"num_branches={num_branches}; 1 or more is required")

        def branch(size: int) -> ConvNorm:
            spread = dilation if size > 1 else 1
            return ConvNorm(conv2d(in_channels, out_channels, size, stride=stride, dilation=spread, groups=groups))

        keeps_shape = in_channels == out_channels and stride == 1
        self.branches = nn.ModuleList(branch(kernel_size) for _ in range(num_branches))
        self.scale = branch(1) if kernel_size > 1 else None
        self.skip = nn.BatchNorm2d(in_channels) if keeps_shape else None
        self.se = SqueezeExcite(out_channels) if use_se else None
        self.act = activation()
        self.training_form: TrainingForm = "plain"

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, I, H, W) to (N, O, ceil(H / stride), ceil(W / stride))."""
        folds = self.training_form == "moments" and self._in_training(x)
        total = forward_folded(x, self._parallel) if folds else self._plain(x)
        if self.se is not None:
            total = self.se(total)
        elif folds and type(self.act) is nn.ReLU and not total._is_view():
            return total.relu_()  # the gradient of a convolution does not need its output; a view would be copied
        y: Tensor = self.act(total)
        return y

    @property
    def can_fold_batches(self) -> bool:
        """Whether `training_form` may be ``moments``: depthwise blocks, and dense ones with small windows."""
        return foldable(self._main)

    def _in_training(self, x: Tensor) -> bool:
        """Whether every batch norm takes the statistics of the batch, and there are some."""
        return all(norm.training for norm in self._parallel.norms) and x[:, 0].numel() > self._main.stride[0] ** 2

    def _plain(self, x: Tensor) -> Tensor:
        total: Tensor = self.branches[0](x)
        for branch in (*list(self.branches)[1:], self.scale, self.skip):
            if branch is not None:
                total = total + branch(x)
        return total

    @property
    def _parallel(self) -> Branches:
        convs = [branch.parts for branch in self.branches if isinstance(branch, ConvNorm)]
        return Branches(convs, None if self.scale is None else self.scale.parts, self.skip)

    def folded(self) -> FoldedBlock:
        """Return a new block with one convolution in place of all branches."""
        conv = with_kernel(self._main, self.folded_kernel())
        return FoldedBlock(conv, copy.deepcopy(self.act), copy.deepcopy(self.se)).train(self.training)

    def folded_kernel(self) -> Kernel:
        """Return what all branches fold into; gradients pass to the factors of the batch norms."""
        return sum_kernels(self._kernels())

    @property
    def _main(self) -> nn.Conv2d:
        first = self.branches[0]
        assert isinstance(first, ConvNorm)
        return first.conv

    def _kernels(self) -> Iterator[Kernel]:
        size = self._main.kernel_size[0]
        for branch in (*self.branches, self.scale):
            if isinstance(branch, ConvNorm):
                yield branch.kernel(size)
        if self.skip is not None:
            yield bn_kernel(self.skip, self._main.groups, size)


def folded_mobileone_block(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    num_branches: int = 1,  # noqa: ARG001  inside the weights: taken so that both forms are built by one call
    use_se: bool = False,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> FoldedBlock:
    """Build the folded form of `MobileOneBlock` directly, with fresh weights; the arguments are the same."""
    conv = conv2d(in_channels, out_channels, kernel_size, stride=stride, dilation=dilation, groups=groups, bias=True)
    return FoldedBlock(conv, activation(), SqueezeExcite(out_channels) if use_se else None)

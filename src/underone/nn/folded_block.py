"""The plain form that every folding block becomes."""

from torch import Tensor, nn


class FoldedBlock(nn.Module):
    """A convolution with bias, then optionally squeeze and excitation, then an activation.

    Args:
        conv: the convolution, (N, I, H, W) to (N, O, H', W').
        act: the activation; `nn.Identity` for a linear block.
        se: weighting of the O channels, or None.
    """

    def __init__(self, conv: nn.Conv2d, act: nn.Module, se: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = conv
        self.se = se
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, I, H, W) to (N, O, H', W')."""
        x = self.conv(x)
        if self.se is not None:
            x = self.se(x)
        y: Tensor = self.act(x)
        return y

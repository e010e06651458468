"""Mobile-Former: a MobileNet and a transformer of a few tokens side by side, with bridges between them.

Source: Chen et al. (arXiv 2108.05895), table 1 and figures 2 to 4; biases and order as in the authors' code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nn.conv_norm_act import ConvNormAct

Row = tuple[bool, int, int, int, int]  # whether it begins a stage, first expansion, channels, stride, second expansion


@dataclass(frozen=True)
class Layout:
    """One size of the network."""

    stem: int
    tokens: int
    width: int  # of a token
    hidden: int  # of the classifier
    rows: Sequence[Row]


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "96m": Layout(
            12, 4, 128, 1280,
            (
                (True, 2, 12, 1, 0), (True, 6, 16, 2, 4), (True, 6, 32, 2, 4), (False, 3, 32, 1, 3),
                (True, 6, 64, 2, 4), (False, 4, 64, 1, 4), (False, 6, 88, 1, 4), (True, 6, 128, 2, 4),
                (False, 6, 128, 1, 4),
            ),
        ),
        "52m": Layout(
            8, 3, 128, 1024,
            (
                (True, 3, 12, 2, 0), (False, 3, 12, 1, 3), (True, 6, 24, 2, 4), (False, 3, 24, 1, 3),
                (True, 6, 48, 2, 4), (False, 4, 48, 1, 4), (False, 6, 64, 1, 4), (True, 6, 96, 2, 4),
                (False, 6, 96, 1, 4),
            ),
        ),
    }
)  # fmt: skip


def linear_conv(inputs: int, outputs: int, kernel_size: int, stride: int = 1, groups: int = 1) -> ConvNormAct:
    """Make a convolution with batch norm and no activation."""
    return ConvNormAct(inputs, outputs, kernel_size, stride=stride, groups=groups, activation=nn.Identity)


class TokenReLU(nn.Module):
    """Dynamic ReLU whose two slopes of each channel come from the first token."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.slopes = nn.Sequential(nn.Linear(width, width // 4), nn.ReLU(), nn.Linear(width // 4, 2 * channels))

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Map (N, C, H, W) and (N, T, D) to (N, C, H, W)."""
        slopes = F.hardsigmoid(self.slopes(tokens[:, 0]))[:, :, None, None]  # (N, 2C, 1, 1)
        first, second = slopes.chunk(2, 1)
        return torch.maximum(x * (2 * first), x * (2 * second - 1))  # slopes in 0..2 and -1..1


def attend(queries: Tensor, keys: Tensor, values: Tensor, heads: int) -> Tensor:
    """Attend with several heads: (N, Q, C), (N, K, C), (N, K, C) to (N, Q, C)."""
    width = queries.shape[2] // heads
    q, k, v = (t.reshape(*t.shape[:2], heads, width).transpose(1, 2) for t in (queries, keys, values))
    weights = (q @ k.transpose(2, 3) * width**-0.5).softmax(-1)  # (N, heads, Q, K)
    seen: Tensor = (weights @ v).transpose(1, 2).flatten(2)
    return seen


class ToTokens(nn.Module):
    """Mobile to Former: tokens look at the pixels; these have no projections of their own."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, channels)
        self.gate = nn.Linear(width, channels)
        self.project = nn.Linear(channels, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Map (N, C, H, W) and (N, T, D) to (N, T, D)."""
        pixels = x.flatten(2).transpose(1, 2)  # (N, HW, C)
        seen = attend(self.query(tokens), pixels, pixels, 2) * (2 * F.hardsigmoid(self.gate(tokens)))
        y: Tensor = self.norm(tokens + self.project(seen))
        return y


class Former(nn.Module):
    """The transformer block: tokens look at each other, then a network of one hidden layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.project = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.last_norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T, D) to the same shape."""
        tokens = self.norm(tokens + self.project(attend(self.query(tokens), tokens, tokens, 4)))
        y: Tensor = self.last_norm(tokens + self.hidden(tokens))
        return y


class ToPixels(nn.Module):
    """Former to Mobile: pixels look at the tokens, and add what they see."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.key = nn.Linear(width, channels)
        self.value = nn.Linear(width, channels)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Map (N, C, H, W) and (N, T, D) to (N, C, H, W)."""
        pixels = x.flatten(2).transpose(1, 2)
        seen = attend(pixels, self.key(tokens), self.value(tokens), 2)  # (N, HW, C)
        return x + seen.transpose(1, 2).reshape(x.shape)


class Bottleneck(nn.Module):
    """The Mobile of a block that keeps its size: widen, 3x3 depthwise, narrow; the input is added."""

    def __init__(self, inputs: int, row: Row, width: int) -> None:
        super().__init__()
        _, expansion, outputs, stride, _ = row
        hidden = inputs * expansion
        self.widen, self.first = linear_conv(inputs, hidden, 1), TokenReLU(width, hidden)
        self.window, self.second = linear_conv(hidden, hidden, 3, stride, hidden), TokenReLU(width, hidden)
        self.narrow = linear_conv(hidden, outputs, 1)
        self.adds = inputs == outputs

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Map (N, I, H, W) and (N, T, D) to (N, O, H, W)."""
        y: Tensor = self.narrow(self.second(self.window(self.first(self.widen(x), tokens)), tokens))
        return x + y if self.adds else y


class Halving(nn.Module):
    """The Mobile of a block that begins a stage: two widening depthwise convolutions, each narrowed again."""

    def __init__(self, inputs: int, row: Row, width: int) -> None:
        super().__init__()
        _, expansion, outputs, stride, again = row
        wide, wider = inputs * expansion, outputs * again
        self.window, self.first = linear_conv(inputs, wide, 3, stride, inputs), TokenReLU(width, wide)
        self.narrow = linear_conv(wide, outputs, 1)
        self.window_again, self.second = linear_conv(outputs, wider, 3, 1, outputs), TokenReLU(width, wider)
        self.narrow_again = linear_conv(wider, outputs, 1)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Map (N, I, H, W) and (N, T, D) to (N, O, H / 2, W / 2)."""
        y = self.narrow(self.first(self.window(x), tokens))
        z: Tensor = y + self.narrow_again(self.second(self.window_again(y), tokens))
        return z


class Block(nn.Module):
    """Mobile, Former and both bridges."""

    def __init__(self, inputs: int, row: Row, width: int) -> None:
        super().__init__()
        self.to_tokens, self.former = ToTokens(inputs, width), Former(width)
        self.mobile = (Halving if row[0] else Bottleneck)(inputs, row, width)
        self.to_pixels = ToPixels(row[2], width)

    def forward(self, x: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, I, H, W) and (N, T, D) to (N, O, H', W') and (N, T, D)."""
        tokens = self.former(self.to_tokens(x, tokens))
        return self.to_pixels(self.mobile(x, tokens), tokens), tokens


class MobileFormer(nn.Module):
    """The classifier for 1000 classes.

    Args:
        layout: a key of `LAYOUTS`.
    """

    def __init__(self, layout: str) -> None:
        super().__init__()
        table = LAYOUTS[layout]
        self.tokens = nn.Parameter(torch.randn(table.tokens, table.width))
        expansion, channels, stride = table.rows[0][1:4]
        hidden = table.stem * expansion
        self.stem = nn.Sequential(
            ConvNormAct(3, table.stem, 3, stride=2),
            ConvNormAct(table.stem, hidden, 3, stride=stride, groups=table.stem),
            linear_conv(hidden, channels, 1),
        )
        self.adds = stride == 1 and table.stem == channels
        blocks = []
        for row in table.rows[1:]:
            blocks.append(Block(channels, row, table.width))
            channels = row[2]
        self.blocks = nn.ModuleList(blocks)
        self.to_tokens = ToTokens(channels, table.width)
        self.last = ConvNormAct(channels, 6 * channels, 1)
        self.hidden = nn.Linear(6 * channels + table.width, table.hidden)
        self.norm = nn.BatchNorm1d(table.hidden)
        self.classifier = nn.Linear(table.hidden, 1000)
        for layer in self.modules():  # as the authors begin: otherwise random slopes amplify every rounding
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0, 0.01)
                nn.init.zeros_(layer.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, 3, 224, 224) to (N, 1000)."""
        tokens = self.tokens[None]  # (1, T, D); the first bridge makes one set for each picture
        x = self.stem[0](image)
        y = self.stem[2](self.stem[1](x))
        x = x + y if self.adds else y
        for block in self.blocks:
            x, tokens = block(x, tokens)
        tokens = self.to_tokens(x, tokens)
        pooled = F.hardswish(self.last(x).mean((2, 3)))
        y = F.hardswish(self.norm(self.hidden(torch.cat((pooled, tokens[:, 0]), 1))))
        z: Tensor = self.classifier(y)
        return z

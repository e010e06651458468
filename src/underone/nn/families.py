"""The families of re-parameterised blocks: a literal table. All take a block's place and fold into one convolution."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from torch import nn

from .acnet import acnet_branches
from .conv_norm import ConvNorm
from .diverse_branch import dbb_branches
from .expandnet import expandnet_branches
from .mobileone_block import MobileOneBlock
from .parallel_block import ParallelBlock, Place


def plain_branches(place: Place) -> list[nn.Module]:
    """Make the one convolution with its batch norm: the network without branches."""
    return [ConvNorm(place.conv())]


# RepVGG's block (Ding et al., arXiv 2101.03697) is MobileOne's with one branch: KxK, 1x1 and identity, each normalised
FAMILIES: Mapping[str, Callable[..., nn.Module]] = MappingProxyType(
    {
        "mobileone": MobileOneBlock,
        "plain": partial(ParallelBlock, plain_branches),
        "repvgg": partial(MobileOneBlock, num_branches=1),
        "acnet": partial(ParallelBlock, acnet_branches),
        "dbb": partial(ParallelBlock, dbb_branches),
        "expandnet": partial(ParallelBlock, expandnet_branches),
    }
)

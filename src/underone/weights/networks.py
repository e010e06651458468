"""The networks of the table by the channels of their blocks, so that a file can be told by its arrays alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise, takewhile
from types import MappingProxyType
from typing import Any, NamedTuple

from .layout import Family, Form
from .store import Weights


class Known(NamedTuple):
    """Family and channels of a network; the channels of the blocks that `telling_blocks` lists."""

    family: Family
    channels: tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """What the arrays tell.

    Attributes:
        name: of the network in our table, the nearest one where the channels are no network's.
        in_chans: channels of its input picture.
        options: ``channels``, where they are no network's of the table; ``block`` and ``num_branches`` of a MobileOne.
    """

    name: str
    in_chans: int
    options: Mapping[str, Any] = field(default_factory=dict)


def _mobilenet_v1(*channels: int) -> Known:
    """Take the channels of the stem and of the blocks 0, 2, 4, 10 and 12."""
    stem, *steps = channels
    return Known("mobilenet_v1", (stem, *_repeated(steps, (1, 2, 2, 6, 2))))


def _mobilenet_v2(*channels: int) -> Known:
    """Take the channels of the stem, of the seven groups of blocks, and of the last convolution."""
    stem, *groups, last = channels
    return Known("mobilenet_v2", (stem, *_repeated(groups, (1, 2, 3, 4, 3, 3, 1)), last))


def _repeated(channels: Sequence[int], repeats: Sequence[int]) -> tuple[int, ...]:
    return tuple(c for c, n in zip(channels, repeats, strict=True) for _ in range(n))


# mobileone.md 3.5 (mmpretrain, timm); MobileNet V1 and V2: the TF-slim checkpoints; tensorflow/tpu for Lite0
CHANNELS: Mapping[str, Known] = MappingProxyType(
    {
        "mobileone_s0": Known("mobileone", (48, 128, 256, 1024)),
        "mobileone_s1": Known("mobileone", (96, 192, 512, 1280)),
        "mobileone_s2": Known("mobileone", (96, 256, 640, 2048)),
        "mobileone_s3": Known("mobileone", (128, 320, 768, 2048)),
        "mobileone_s4": Known("mobileone", (192, 448, 896, 2048)),
        "mobilenet_v1_025": _mobilenet_v1(8, 16, 32, 64, 128, 256),
        "mobilenet_v1_050": _mobilenet_v1(16, 32, 64, 128, 256, 512),
        "mobilenet_v1_075": _mobilenet_v1(24, 48, 96, 192, 384, 768),
        "mobilenet_v1_100": _mobilenet_v1(32, 64, 128, 256, 512, 1024),
        "mobilenet_v2_035": _mobilenet_v2(16, 8, 8, 16, 24, 32, 56, 112, 1280),
        "mobilenet_v2_050": _mobilenet_v2(16, 8, 16, 16, 32, 48, 80, 160, 1280),
        "mobilenet_v2_075": _mobilenet_v2(24, 16, 24, 24, 48, 72, 120, 240, 1280),
        "mobilenet_v2_100": _mobilenet_v2(32, 16, 24, 32, 64, 96, 160, 320, 1280),
        "mobilenet_v2_130": _mobilenet_v2(40, 24, 32, 40, 80, 128, 208, 416, 1664),
        "mobilenet_v2_140": _mobilenet_v2(48, 24, 32, 48, 88, 136, 224, 448, 1792),
        "efficientnet_lite0": Known(
            "efficientnet_lite", (32, *_repeated((16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1)), 1280)
        ),
    }
)

# family → the convolutions whose output channels tell its networks apart
_TELLING: Mapping[Family, tuple[str, ...]] = {
    "mobileone": tuple(f"backbone.stages.{n}.1" for n in range(4)),
    "mobilenet_v1": ("backbone.stem", *(f"backbone.blocks.{n}.pointwise" for n in range(13))),
    "mobilenet_v2": ("backbone.stem", *(f"backbone.blocks.{n}.project" for n in range(17)), "backbone.last"),
    "efficientnet_lite": ("backbone.stem", *(f"backbone.blocks.{n}.project" for n in range(16)), "backbone.last"),
}
_FIXED: tuple[Family, ...] = ("mobileone",)  # no other channels than those of the table can be built


def nearest_network(weights: Weights, family: Family, form: Form) -> Network | None:
    """Tell the network of a family from its arrays; None: no network can be built with these channels.

    Blocks that are absent, as in the backbone of a detector, fit every network. Channels for which the file has not
    enough numbers are refused, so that what is built is never much larger than the file.
    """
    end = ".branches.0.conv.weight" if (family, form) == ("mobileone", "training") else ".conv.weight"
    found = channels_of(weights, family, end)
    known = {name: entry.channels for name, entry in CHANNELS.items() if entry.family == family}
    away = {name: _distance(found, channels) for name, channels in known.items()}
    name = min(away, key=lambda name: away[name])
    stem = weights.get(f"backbone.stem{end}")
    if (away[name] and family in _FIXED) or not any(found):
        return None
    if _fewest_numbers(found, family) > sum(array.size for array in weights.values()):
        return None
    whole = tuple(c or k for c, k in zip(found, known[name], strict=True))  # what is absent is not built
    options: dict[str, Any] = {"channels": whole} if away[name] else {}
    if (family, form) == ("mobileone", "training"):
        options |= blocks_of(weights)
    return Network(name, 3 if stem is None or stem.ndim != 4 else stem.shape[1], options)


# A tensor that only this family of blocks has in its stem; others are plain or MobileOne's own
_BLOCKS: Mapping[str, str] = {
    "dbb": "branches.3.window.conv",
    "expandnet": "branches.0.reduce",
    "acnet": "branches.2.conv",
    "mobileone": "scale.conv",
}


def blocks_of(weights: Weights) -> dict[str, Any]:
    """Tell the family of a MobileOne's blocks, and the number of their branches where they have one.

    The branches are counted in the last of the telling blocks, the widest: what is built is not much larger.
    """
    tell = (block for block, part in _BLOCKS.items() if f"backbone.stem.{part}.weight" in weights)
    block = next(tell, "plain")
    if block != "mobileone":
        return {"block": block}
    last = next(place for place in reversed(_TELLING["mobileone"]) if f"{place}.branches.0.conv.weight" in weights)
    shapes = (getattr(weights.get(f"{last}.branches.{i}.conv.weight"), "shape", None) for i in count())
    first = next(shapes)
    return {"block": block, "num_branches": 1 + sum(1 for _ in takewhile(lambda shape: shape == first, shapes))}


def channels_of(weights: Weights, family: Family, end: str) -> tuple[int, ...]:
    """Read the output channels of the telling blocks; 0 for one that is absent."""
    shapes = [getattr(weights.get(block + end), "shape", ()) for block in _TELLING[family]]
    return tuple(shape[0] if shape else 0 for shape in shapes)


def _fewest_numbers(channels: Sequence[int], family: Family) -> int:
    """Count the numbers in the 1x1 convolutions between the telling blocks: a network has more."""
    pairs = list(pairwise(channels))
    if family == "mobilenet_v1":
        return sum(a * b for a, b in pairs)
    # the first block expands nothing; behind the last block stands one convolution
    return sum(6 * a * a + 6 * a * b for a, b in pairs[1:-1]) + math.prod(channels[-2:])


def _distance(found: Sequence[int], known: Sequence[int]) -> int:
    return sum(abs(a - b) for a, b in zip(found, known, strict=True) if a)

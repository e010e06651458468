"""Every segmenter by name: a head of DeepLab's and a backbone of the table. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ..errors import BadValue, UnknownName
from .table import ALIASES, MODELS

SIZE = 513  # pixels: n * 32 + 1, so that corner points lie on corner pixels at every stride
SMALLEST = 33  # pixels

Head = Literal["light", "pyramid", "decoder"]

# prefix of the name → the head. `light`: the pyramid without its 3x3 branches, which is what TensorFlow released on
# MobileNet V2 under the name DeepLab v3
FAMILIES: Mapping[str, Head] = MappingProxyType(
    {"deeplabv3light": "light", "deeplabv3": "pyramid", "deeplabv3plus": "decoder"}
)

# output stride → dilations of the pyramid's 3x3 branches (arXiv 1706.05587, section 4)
RATES: Mapping[int, tuple[int, ...]] = MappingProxyType({8: (12, 24, 36), 16: (6, 12, 18), 32: (3, 6, 9)})


@dataclass(frozen=True)
class Taps:
    """The feature maps of a backbone that the heads read.

    Attributes:
        low: of stride 4, for the decoder.
        middle: of stride 16 at most, for the auxiliary head.
        last: for the pyramid.
    """

    low: str
    middle: str
    last: str


# the backbones of a family → their maps. MobileNet V2: `layer_4/depthwise_output` and `layer_18` of
# tensorflow/models, research/deeplab/core/feature_extractor.py; of the others nobody published which; these are the
# analogue
TAPS: Mapping[str, Taps] = MappingProxyType(
    {
        "mobileone": Taps("stage1", "stage3", "stage4"),
        "mobilenet_v1": Taps("block2", "block10", "block12"),
        "mobilenet_v2": Taps("block2.depthwise", "block12", "block16"),
        "efficientnet": Taps("block2.depthwise", "block10", "block15"),
    }
)


@dataclass(frozen=True)
class Segmenter:
    """One segmenter of the zoo.

    Attributes:
        name: in our table.
        backbone: its name in the table of backbones.
        head: ``light``, ``pyramid`` (DeepLab v3) or ``decoder`` (v3+).
        taps: the feature maps of the backbone.
    """

    name: str
    backbone: str
    head: Head
    taps: Taps

    def features(self, auxiliary: bool) -> tuple[str, ...]:
        """Return the maps that the heads read, in the order of the network."""
        low, middle = (self.taps.low,) * (self.head == "decoder"), (self.taps.middle,) * auxiliary
        return (*low, *middle, self.taps.last)

    def rates(self, output_stride: int) -> tuple[int, ...]:
        """Return the dilations of the pyramid's 3x3 branches."""
        return () if self.head == "light" else RATES[output_stride]


def _segmenter(family: str, backbone: str) -> Segmenter:
    taps = next(taps for start, taps in TAPS.items() if backbone.startswith(start))
    return Segmenter(f"{family}_{backbone}", backbone, FAMILIES[family], taps)


SEGMENTERS: Mapping[str, Segmenter] = MappingProxyType(
    {
        segmenter.name: segmenter
        for family in FAMILIES
        for segmenter in (_segmenter(family, backbone) for backbone in MODELS)
    }
)


def is_segmenter(name: str) -> bool:
    """Say whether a name is that of a segmenter, or is made like one."""
    return name.partition("_")[0] in FAMILIES


def find_segmenter(name: str) -> Segmenter:
    """Return a segmenter by our name, or with an alias of its backbone in it.

    Raises:
        UnknownName: there is none.

    >>> find_segmenter("deeplabv3_mobilenetv2_100").name
    'deeplabv3_mobilenet_v2_100'
    """
    family, _, backbone = name.partition("_")
    found = SEGMENTERS.get(f"{family}_{ALIASES.get(backbone, backbone)}")
    if found is None:
        raise UnknownName("segmenter", name, SEGMENTERS, hint="`underone list 'deeplab*'` shows all.")
    return found


def require_output_stride(output_stride: int) -> None:
    """Do nothing for an output stride that the heads have dilations for.

    Raises:
        BadValue: another one.
    """
    if output_stride not in RATES:
        raise BadValue(f"output_stride={output_stride}; {', '.join(map(str, RATES))} are possible")

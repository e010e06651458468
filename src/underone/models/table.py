"""Every model by name: how its backbone is built, and what was published about it. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..errors import UnknownName
from ..spec import Published
from .groups import EFFICIENTNET_LITE0


@dataclass(frozen=True)
class Entry:
    """One model of the zoo.

    Attributes:
        builder: ``module:callable`` that builds the backbone.
        arguments: given to the builder.
        levels: one feature per stride, from 2 to 32: what `out_indices` counts.
        dropout: of the classifier.
        published: figures of the classifier for 1000 classes at 224 px.
    """

    builder: str
    levels: tuple[str, ...]
    published: Published
    arguments: Mapping[str, Any] = field(default_factory=dict)
    dropout: float = 0.0


def _mobileone(params: int, macs: int, top1: float, **arguments: Any) -> Entry:
    return Entry(
        builder="underone.models.mobileone:MobileOne",
        levels=("stem", "stage1", "stage2", "stage3", "stage4"),
        published=Published(source=_CVPR, params=params, macs=macs, top1=top1),
        arguments=arguments,
    )


def _mobilenet_v1(width: float, published: Published) -> Entry:
    return Entry(
        builder="underone.models.mobilenet_v1:MobileNetV1",
        levels=("block0", "block2", "block4", "block10", "block12"),
        published=published,
        arguments={"width": width},
        dropout=0.001,
    )


def _mobilenet_v2(width: float, published: Published) -> Entry:
    return Entry(
        builder="underone.models.mobilenet_v2:MobileNetV2",
        levels=("block0", "block2", "block5", "block12", "block16"),
        published=published,
        arguments={"width": width},
        dropout=0.2,
    )


def _slim_v1(params: int, macs: int, top1: float, top5: float) -> Published:
    return Published(source=_SLIM_V1, params=params, macs=macs, top1=top1, top5=top5)


def _slim(params: int, macs: int, top1: float, top5: float) -> Published:
    return Published(source=_SLIM, params=params, macs=macs, top1=top1, top5=top5)


_CVPR = "Vasu et al., CVPR 2023, table 9; exact params and MACs of the released folded weights"
_SLIM_V1 = "tensorflow/models, slim/nets/mobilenet_v1.md; rounded; at 0.75 the network has 325 M MACs"
_SLIM = "tensorflow/models, slim/nets/mobilenet/README.md; rounded, params without batch norm"
_LITE = "tensorflow/tpu, models/official/efficientnet/lite/README.md; exact params and MACs, printed as 407 M"
_TORCHVISION = "torchvision, MobileNet_V2_Weights.IMAGENET1K_V1; params with batch norm, MACs rounded"

MODELS: Mapping[str, Entry] = MappingProxyType(
    {
        "mobileone_s0": _mobileone(2_078_504, 275_110_400, 71.4, widths=(0.75, 1.0, 1.0, 2.0), num_branches=4),
        "mobileone_s1": _mobileone(4_764_840, 825_057_024, 75.9, widths=(1.5, 1.5, 2.0, 2.5)),
        "mobileone_s2": _mobileone(7_808_168, 1_298_426_496, 77.4, widths=(1.5, 2.0, 2.5, 4.0)),
        "mobileone_s3": _mobileone(10_078_312, 1_895_790_592, 78.1, widths=(2.0, 2.5, 3.0, 4.0)),
        "mobileone_s4": _mobileone(
            14_838_352, 2_979_269_760, 79.4, widths=(3.0, 3.5, 3.5, 4.0), se_blocks=(0, 0, 5, 1)
        ),
        "mobilenet_v1_025": _mobilenet_v1(0.25, _slim_v1(470_000, 41_000_000, 49.8, 74.2)),
        "mobilenet_v1_050": _mobilenet_v1(0.5, _slim_v1(1_340_000, 150_000_000, 63.3, 84.9)),
        "mobilenet_v1_075": _mobilenet_v1(0.75, _slim_v1(2_590_000, 317_000_000, 68.4, 88.2)),
        "mobilenet_v1_100": _mobilenet_v1(1.0, _slim_v1(4_240_000, 569_000_000, 70.9, 89.9)),
        "mobilenet_v2_035": _mobilenet_v2(0.35, _slim(1_660_000, 59_000_000, 60.3, 82.9)),
        "mobilenet_v2_050": _mobilenet_v2(0.5, _slim(1_950_000, 97_000_000, 65.4, 86.4)),
        "mobilenet_v2_075": _mobilenet_v2(0.75, _slim(2_610_000, 209_000_000, 69.8, 89.6)),
        "mobilenet_v2_100": _mobilenet_v2(
            1.0, Published(source=_TORCHVISION, params=3_504_872, macs=301_000_000, top1=71.878, top5=90.286)
        ),
        "mobilenet_v2_130": _mobilenet_v2(1.3, _slim(5_340_000, 509_000_000, 74.4, 92.1)),
        "mobilenet_v2_140": _mobilenet_v2(1.4, _slim(6_060_000, 582_000_000, 75.0, 92.5)),
        "efficientnet_lite0": Entry(
            builder="underone.models.mobilenet_v2:MobileNetV2",
            levels=("block0", "block2", "block4", "block10", "block15"),
            published=Published(source=_LITE, params=4_652_008, macs=385_187_552, top1=75.1),
            arguments={"groups": EFFICIENTNET_LITE0},
            dropout=0.2,
        ),
    }
)

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "mobilenet_v1": "mobilenet_v1_100",
        "mobilenet_v2": "mobilenet_v2_100",  # torchvision
        "mobilenetv1_100": "mobilenet_v1_100",  # timm
        "mobilenetv2_035": "mobilenet_v2_035",
        "mobilenetv2_050": "mobilenet_v2_050",
        "mobilenetv2_075": "mobilenet_v2_075",
        "mobilenetv2_100": "mobilenet_v2_100",
        "mobilenetv2_140": "mobilenet_v2_140",
        "tf_efficientnet_lite0": "efficientnet_lite0",
    }
)


def canonical(name: str) -> str:
    """Return our name of a model, given by that or by an alias.

    Raises:
        UnknownName: neither.

    >>> canonical("mobilenetv2_100")
    'mobilenet_v2_100'
    """
    name = ALIASES.get(name, name)
    if name not in MODELS:
        raise UnknownName("model", name, [*MODELS, *ALIASES], hint="`underone list` shows all.")
    return name

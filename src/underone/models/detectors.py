"""Every detector by name: a backbone of the table, an input size, a kind of heads. Imports no torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from ..boxes.families import SSD_STRIDES, Size, map_sizes, tf_ssd, torchvision_ssd
from ..errors import BadValue, UnknownName
from ..spec import AnchorGrid, DetectionSpec
from ..spec.record import first_line
from .table import ALIASES, MODELS

SMALLEST = 32  # pixels: the backbone's last map has one


@dataclass(frozen=True)
class Detector:
    """One detector of the zoo.

    Attributes:
        name: in our table.
        backbone: its name in the table of backbones.
        size: height and width of the picture in pixels, if nobody asks for another.
        taps: the feature maps of the backbone that it reads, of strides 16 and 32.
        heads: arguments of `SSD`.
        convention: of its anchors and scores, a key of `CONVENTIONS`.
    """

    name: str
    backbone: str
    size: int
    taps: tuple[str, str]
    heads: Mapping[str, Any]
    convention: Literal["tensorflow", "torchvision"]


# the backbones of a family → the maps of strides 16 and 32. MobileNet V2: the widened map that the last stage begins
# with, and the last convolution (tensorflow/models, ssd_mobilenet_v2_feature_extractor.py); MobileOne: nobody
# published which; these are the analogue
TAPS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "mobileone": ("stage3", "stage4"),
        "mobilenet_v1": ("block10", "block12"),
        "mobilenet_v2": ("block13.expand", "last"),
        "efficientnet": ("block11.expand", "last"),
    }
)

_LITE: Mapping[str, Any] = MappingProxyType({"extras": "separable", "heads": "separable"})
# TensorFlow's SSD: on MobileNet V1 all convolutions are dense and the heads 1x1; on V2 only the heads are dense
_DENSE: Mapping[str, Any] = MappingProxyType({"extras": "separable", "heads": "dense", "kernel_size": 3})
_DENSE_V1: Mapping[str, Any] = MappingProxyType({"extras": "dense", "heads": "dense", "kernel_size": 1})


def _detector(family: str, size: int, backbone: str) -> Detector:
    start = next(start for start in TAPS if backbone.startswith(start))
    dense = _DENSE_V1 if start == "mobilenet_v1" else _DENSE
    return Detector(
        name=f"{family}{size}_{backbone}",
        backbone=backbone,
        size=size,
        taps=TAPS[start],
        heads=_LITE if family == "ssdlite" else dense,
        convention="tensorflow" if size == 300 else "torchvision",
    )


DETECTORS: Mapping[str, Detector] = MappingProxyType(
    {
        detector.name: detector
        for family, size in (("ssd", 300), ("ssdlite", 300), ("ssdlite", 320))
        for detector in (_detector(family, size, backbone) for backbone in MODELS)
    }
)


def _tensorflow(maps: Sequence[Size], picture: Size) -> DetectionSpec:
    """The TensorFlow Object Detection API: one sigmoid a class; a class "no object" that is never the answer.

    It limits what is kept, not what the suppression looks at: multiclass_nms has max_size_per_class and max_total_size.
    """
    anchors = tf_ssd(maps, picture)
    return DetectionSpec(
        anchors=anchors,
        code="yxhw",
        activation="sigmoid",
        iou_threshold=0.6,
        top_k=sum(grid.count for grid in anchors),
        max_per_class=100,
        max_detections=100,
    )


def _torchvision(maps: Sequence[Size], picture: Size) -> DetectionSpec:
    """Torchvision's SSDLite: softmax over the classes and "no object"."""
    del picture  # its anchors are shares of either side
    return DetectionSpec(
        anchors=torchvision_ssd(maps),
        clip_boxes="before",
        activation="softmax",
        iou_threshold=0.55,
        top_k=300,
        max_per_class=300,
        max_detections=300,
    )


CONVENTIONS: Mapping[str, Callable[[Sequence[Size], Size], DetectionSpec]] = MappingProxyType(
    {"tensorflow": _tensorflow, "torchvision": _torchvision}
)


def is_detector(name: str) -> bool:
    """Say whether a name is that of a detector, or is made like one."""
    return name.partition("_")[0] in ("ssd300", "ssdlite300", "ssdlite320")


def find_detector(name: str) -> Detector:
    """Return a detector by our name, or with an alias of its backbone in it.

    Raises:
        UnknownName: there is none.

    >>> find_detector("ssdlite320_mobilenetv2_100").name
    'ssdlite320_mobilenet_v2_100'
    """
    family, _, backbone = name.partition("_")
    found = DETECTORS.get(f"{family}_{ALIASES.get(backbone, backbone)}")
    if found is None:
        raise UnknownName("detector", name, DETECTORS, hint="`underone list 'ssd*'` shows all.")
    return found


def detection_for(picture: Size, convention: str | DetectionSpec) -> DetectionSpec:
    """Return how the outputs become boxes, with anchors for pictures of a size.

    Args:
        picture: height and width in pixels.
        convention: a key of `CONVENTIONS`, or a record whose anchors are for this size.

    Raises:
        BadValue: the anchors of the record are not those of the network's maps, or the picture is so large that there
            would be too many.
        UnknownName: no such convention.
    """
    maps = map_sizes(picture, SSD_STRIDES)
    if isinstance(convention, DetectionSpec):
        _require_fit(convention.anchors, maps, picture)
        return convention
    if convention not in CONVENTIONS:
        raise UnknownName("detection convention", convention, CONVENTIONS)
    try:
        return CONVENTIONS[convention](maps, picture)
    except ValueError as error:  # too many anchors
        raise BadValue(f"a picture of {picture[0]} x {picture[1]} pixels is too large: {first_line(error)}") from error


def _require_fit(anchors: Sequence[AnchorGrid], maps: Sequence[Size], picture: Size) -> None:
    found = [(grid.rows, grid.columns) for grid in anchors]
    if found != list(maps):
        raise BadValue(
            f"the anchors are for maps of {found}, but a picture of {picture[0]} x {picture[1]} pixels gives "
            f"{list(maps)}; pass size=(height, width) for which they were made, or the name of a convention: "
            f"{', '.join(CONVENTIONS)}"
        )

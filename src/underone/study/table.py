"""The networks of the studies and what was published about them. Imports no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ..models.table import MODELS

_PAPER = "Vasu et al., CVPR 2023, table 9"
_DISTILLED = "Vasu et al., CVPR 2023, table 10"
_MICRO = "Vasu et al., CVPR 2023, table 13"
_TORCHVISION = "torchvision, the weights' own record"
_GHOST = "Han et al., CVPR 2020, table 6"


@dataclass(frozen=True)
class Network:
    """One row of the study.

    Attributes:
        name: as the source prints it.
        source: where the network comes from: ``zoo:`` (ours), ``timm:``, ``torchvision:`` or ``here:`` and a name.
        top1: published accuracy on ImageNet-1k, in percent.
        params: published, in millions, as printed.
        macs: published, in millions, as printed.
        published: who printed these three.
        phone_ms: MobileOne's paper: iPhone 12, Core ML, the minimum of 1000 round trips.
        cpu_ms: the same: Xeon Gold 5118; threads and runtime are not told.
        gpu_ms: the same: RTX 2080 Ti, TensorRT, the median of 100 runs.
        size: height and width of the picture.
    """

    name: str
    source: str
    top1: float
    params: float
    macs: float
    cpu_ms: float | None = None
    gpu_ms: float | None = None
    phone_ms: float | None = None
    published: str = _PAPER
    size: int = 224


# The paper's table 9 from its first row to its last, then the networks of its tables 10 and 13, then others for scale
NETWORKS: tuple[Network, ...] = (
    Network("Mobile-Former-96M", "here:mobile_former_96m", 72.8, 4.6, 96, 37.36, None, 16.95),
    Network("ConViT-tiny", "timm:convit_tiny", 73.1, 5.7, 1000, 28.95, None, 10.99),
    Network("MobileViT-S", "timm:mobilevit_s", 78.4, 5.6, 1792, 30.76, None, 9.21, size=256),
    Network("Mobile-Former-52M", "here:mobile_former_52m", 68.7, 3.6, 52, 29.23, None, 9.02),
    Network("PiT-ti", "timm:pit_ti_224", 71.3, 4.9, 710, 16.37, 1.97, 8.81),
    Network("MobileViT-XS", "timm:mobilevit_xs", 74.8, 2.3, 941, 27.21, None, 6.97, size=256),
    Network("DeiT-tiny", "timm:deit_tiny_patch16_224", 72.2, 5.9, 1300, 16.68, 1.78, 4.78),
    Network("MobileViT-XXS", "timm:mobilevit_xxs", 69.0, 1.3, 373, 23.03, None, 4.70, size=256),
    Network("RepVGG-B1", "timm:repvgg_b1", 78.4, 51.8, 11800, 193.7, 3.17, 3.73),
    Network("RepVGG-A2", "timm:repvgg_a2", 76.5, 25.5, 5100, 93.43, 2.41, 2.41),
    Network("MobileOne-S4", "zoo:mobileone_s4", 79.4, 14.8, 2978, 26.60, 0.95, 1.86),
    Network("RepVGG-B0", "timm:repvgg_b0", 75.1, 14.3, 3100, 55.97, 1.45, 1.82),
    Network("EfficientNet-B0", "timm:efficientnet_b0", 77.1, 5.3, 390, 28.71, 1.35, 1.72),
    Network("RepVGG-A1", "timm:repvgg_a1", 74.5, 12.8, 2400, 47.15, 1.42, 1.68),
    Network("MobileOne-S3", "zoo:mobileone_s3", 78.1, 10.1, 1896, 16.47, 0.76, 1.53),
    Network("MobileNetV2-x1.4", "zoo:mobilenet_v2_140", 74.7, 6.9, 585, 15.67, 0.80, 1.36),
    Network("RepVGG-A0", "timm:repvgg_a0", 72.4, 8.3, 1400, 43.61, 1.23, 1.28),
    Network("MobileNeXt-x1.4", "here:mobilenext_140", 76.1, 6.1, 590, 18.06, 1.04, 1.27),
    Network("MobileOne-S2", "zoo:mobileone_s2", 77.4, 7.8, 1299, 14.87, 0.72, 1.18),
    Network("MixNet-S", "timm:mixnet_s", 75.8, 4.1, 256, 40.09, 2.41, 1.13),
    Network("MobileNetV3-L", "timm:mobilenetv3_large_100", 75.2, 5.4, 219, 17.09, 3.8, 1.09),
    Network("ShuffleNetV2-2.0", "torchvision:shufflenet_v2_x2_0", 74.9, 7.4, 591, 20.85, 4.76, 1.08),
    Network("MNASNet-A1", "timm:semnasnet_100", 75.2, 3.9, 312, 24.06, 0.95, 1.00),
    Network("MobileNetV2-x1.0", "zoo:mobilenet_v2_100", 72.0, 3.4, 300, 13.65, 0.69, 0.98),
    Network("MobileNetV1", "zoo:mobilenet_v1_100", 70.6, 4.2, 575, 10.65, 0.58, 0.95),
    Network("MobileNeXt-x1.0", "here:mobilenext_100", 74.0, 3.4, 311, 16.04, 1.02, 0.92),
    Network("MobileOne-S1", "zoo:mobileone_s1", 75.9, 4.8, 825, 13.04, 0.66, 0.89),
    Network("MobileNetV3-S", "timm:mobilenetv3_small_100", 67.4, 2.5, 56, 10.38, 3.74, 0.83),
    Network("ShuffleNetV2-1.0", "torchvision:shufflenet_v2_x1_0", 69.4, 2.3, 146, 16.60, 4.58, 0.68),
    Network("MobileOne-S0", "zoo:mobileone_s0", 71.4, 2.1, 275, 10.55, 0.56, 0.79),
    Network("ResNet-18", "timm:resnet18", 69.8, 11.7, 1814, phone_ms=2.10, published=_DISTILLED + "; MACs torchvision"),
    Network("ResNet-50", "timm:resnet50", 79.0, 25.6, 4089, phone_ms=2.69, published=_DISTILLED + "; MACs torchvision"),
    Network("TinyNet-D (ReLU)", "timm:tinynet_d", 67.0, 2.3, 52, phone_ms=0.51, published=_MICRO, size=152),
    Network("TinyNet-E (ReLU)", "timm:tinynet_e", 59.9, 2.0, 24, phone_ms=0.49, published=_MICRO, size=106),
    Network("GhostNet-1.0", "timm:ghostnet_100", 73.9, 5.2, 141, published=_GHOST),
    Network("SqueezeNet-1.1", "torchvision:squeezenet1_1", 58.178, 1.235496, 349, published=_TORCHVISION),
    Network("MNASNet-B1", "torchvision:mnasnet1_0", 73.456, 4.383312, 314, published=_TORCHVISION),
    Network("ConvNeXt-T", "torchvision:convnext_tiny", 82.52, 28.589128, 4456, published=_TORCHVISION),
    Network("Swin-T", "torchvision:swin_t", 81.474, 28.288354, 4491, published=_TORCHVISION),
)

_MOBILEVIT = "the model cards of timm give 2.0, 1.1 and 0.4 G for S, XS and XXS; the paper's MACs are not explained"
_FORMER = "the authors' own page prints 3.5 and 4.6 M; MACs are those of convolutions and matrix products alone"
_SANDLER = "3.4 and 6.9 M are Sandler et al. (arXiv 1801.04381); slim prints 3.47 and 6.06 M"

# Why our counts are others than the published ones, as far as those are printed
DEVIATIONS: Mapping[str, str] = MappingProxyType(
    {
        "here:mobile_former_96m": _FORMER,
        "here:mobile_former_52m": _FORMER,
        "here:mobilenext_100": "3.48 M without batch norms, 3.54 M with them; the MACs are the printed ones",
        "timm:convit_tiny": "the file holds ten tables of positions that timm computes; products of attention count",
        "timm:deit_tiny_patch16_224": "5.9 M is the distilled form; the file holds its table of positions twice",
        "timm:mixnet_s": "256 M is Tan and Le (arXiv 1907.09595); the difference is not explained",
        "timm:mobilenetv3_large_100": "5.4 M is Howard et al. (arXiv 1905.02244); torchvision's has 5,483,032",
        "timm:mobilevit_s": _MOBILEVIT,
        "timm:mobilevit_xs": _MOBILEVIT,
        "timm:mobilevit_xxs": _MOBILEVIT,
        "timm:mobilenetv3_small_100": "56 M is Howard et al. (arXiv 1905.02244); torchvision prints 57 M for its own",
        "timm:pit_ti_224": "1.5 % more than convolutions and matrix products have; not explained",
        "torchvision:shufflenet_v2_x1_0": "146 M is Ma et al. (arXiv 1807.11164); torchvision prints 145 M for its own",
        "torchvision:shufflenet_v2_x2_0": "591 M is Ma et al. (arXiv 1807.11164); torchvision prints 583 M for its own",
        "torchvision:swin_t": "the file holds masks and biases of positions that torchvision computes",
        "zoo:mobilenet_v1_100": "575 M is not explained; slim prints 569 M",
        "zoo:mobilenet_v2_100": _SANDLER,
        "zoo:mobilenet_v2_140": _SANDLER,
        "zoo:mobileone_s2": "1298.4 M counted; the paper's tool may count the pooling, which has no product",
        "zoo:mobileone_s4": "2977.6 M without the convolutions of squeeze and excitation, which count here",
    }
)

BY_SOURCE: Mapping[str, Network] = MappingProxyType({network.source: network for network in NETWORKS})

# what MobileOne's paper measured, by the name of the column
LATENCIES: Mapping[str, Callable[[Network], float | None]] = MappingProxyType(
    {
        "iPhone 12 (paper)": lambda network: network.phone_ms,
        "Xeon 5118 (paper)": lambda network: network.cpu_ms,
        "2080 Ti (paper)": lambda network: network.gpu_ms,
    }
)

# tensorflow/models, slim: mobilenet_v1.md and mobilenet/README.md: top-1 by size of the picture below 224 pixels
_SLIM: Mapping[str, Mapping[int, float]] = MappingProxyType(
    {
        "mobilenet_v1_100": {192: 70.0, 160: 68.0, 128: 65.2},
        "mobilenet_v1_075": {192: 67.2, 160: 65.3, 128: 62.1},
        "mobilenet_v1_050": {192: 61.7, 160: 59.1, 128: 56.3},
        "mobilenet_v1_025": {192: 47.7, 160: 45.5, 128: 41.5},
        "mobilenet_v2_140": {},
        "mobilenet_v2_100": {192: 70.7, 160: 68.8, 128: 65.3, 96: 60.3},
        "mobilenet_v2_075": {192: 68.7, 160: 66.4, 128: 63.2, 96: 58.8},
        "mobilenet_v2_050": {192: 63.9, 160: 61.0, 128: 57.7, 96: 51.2},
        "mobilenet_v2_035": {192: 58.2, 160: 55.7, 128: 50.8, 96: 45.5},
    }
)
# the same at 224, where `MODELS` has it; there that of V2 1.0 is torchvision's
_SLIM_AT_224 = {name: top1 for name in _SLIM if (top1 := MODELS[name].published.top1)} | {"mobilenet_v2_100": 71.8}

Task = Literal["classify", "detect", "segment"]
Scores = Mapping[tuple[str, int], float]  # (source, size) → percent

WIDTHS_AND_SIZES: Scores = MappingProxyType(
    {
        (f"zoo:{name}", size): top1
        for name, smaller in _SLIM.items()
        for size, top1 in ({224: _SLIM_AT_224[name]} | {**smaller}).items()
    }
)

# Vasu et al., CVPR 2023, table 11: mAP on COCO of SSDLite; mean IoU on VOC of DeepLab v3
DETECTORS: Scores = MappingProxyType(
    {
        (f"zoo:ssdlite320_{backbone}", 320): value
        for backbone, value in (
            ("mobilenet_v1_100", 22.2), ("mobilenet_v2_100", 22.1), ("mobileone_s1", 25.7), ("mobileone_s2", 26.6),
            ("mobileone_s3", 27.3), ("mobileone_s4", 29.4),
        )
    }
)  # fmt: skip
SEGMENTERS: Scores = MappingProxyType(
    {
        (f"zoo:deeplabv3_{backbone}", 513): value
        for backbone, value in (
            ("mobilenet_v2_050", 70.2), ("mobilenet_v2_100", 75.7), ("mobileone_s0", 73.7), ("mobileone_s1", 77.3),
            ("mobileone_s2", 77.9), ("mobileone_s3", 78.8), ("mobileone_s4", 80.1),
        )
    }
)  # fmt: skip
SCORES: Mapping[Task, tuple[str, str]] = MappingProxyType(  # name of the figure, study that measures its networks
    {
        "classify": ("top-1 %", "imagenet"),
        "detect": ("mAP %", "detection"),
        "segment": ("mIoU %", "segmentation"),
    }
)


def score_of(source: str, size: int, task: Task = "classify") -> float | None:
    """Give the published accuracy of a network at that size of picture, in percent; None where nobody printed one.

    What is chosen among has one origin: of MobileNet V1 and V2, tensorflow/models at every size, not MobileOne's paper.

    Args:
        source: of the network, as in `Network`.
        size: height and width of the picture.
        task: what it is for; the figure is the one that `SCORES` names.
    """
    if task != "classify":
        return (DETECTORS if task == "detect" else SEGMENTERS).get((source, size))
    network = BY_SOURCE.get(source)
    printed = network.top1 if network is not None and network.size == size else None
    return WIDTHS_AND_SIZES.get((source, size), printed)

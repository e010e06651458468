"""What each study measures: literal lists of cases. Imports no torch."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from ..bench import Flow
from ..spec import Frozen
from .table import DETECTORS, NETWORKS, SEGMENTERS, WIDTHS_AND_SIZES


class Case(Frozen):
    """One network in one form, fed and run in one way.

    Attributes:
        source: ``zoo:``, ``timm:``, ``torchvision:``, ``here:``, ``layers:`` or ``converted:`` and a name there.
        form: ``folded``, or ``training`` with all branches.
        size: height and width of the picture.
        batch: pictures a call.
        threads: of the engine.
        precision: of the arithmetic, or ``int8``: a quantised file.
        flow: what is timed: a call, a picture through a stream, or through it to its answer, as `bench.flow` says.
    """

    source: str
    form: Literal["folded", "training"] = "folded"
    size: int = 224
    batch: int = 1
    threads: int = 1
    precision: str = "float32"
    flow: Flow = "calls"

    @property
    def file(self) -> str:
        """The name of its network's file, without suffix."""
        kind = "-int8" if self.precision == "int8" else ""
        return f"{re.sub(r'[^a-z0-9_]+', '-', self.source)}-{self.form}-{self.size}px{kind}"

    def path(self, folder: Path) -> Path:
        """Say where its network's file lies."""
        return folder / f"{self.file}.onnx"

    @property
    def key(self) -> str:
        """A name that no other case has."""
        flow = "" if self.flow == "calls" else f"-{self.flow}"
        return f"{self.file}-{self.precision}-b{self.batch}-{self.threads}t{flow}"


def _all_networks() -> tuple[Case, ...]:
    return tuple(Case(source=network.source, size=network.size) for network in NETWORKS)


def _unfolded() -> tuple[Case, ...]:
    names = ("zoo:mobileone_s0", "zoo:mobileone_s1", "zoo:mobileone_s4", "timm:repvgg_a0")
    return tuple(Case(source=name, form="training") for name in names)


def _zoo(*names: str, size: int = 224, batch: int = 1, threads: int = 1) -> tuple[Case, ...]:
    return tuple(Case(source=f"zoo:{name}", size=size, batch=batch, threads=threads) for name in names)


def _layers(*names: str, form: Literal["folded", "training"] = "folded") -> tuple[Case, ...]:
    return tuple(Case(source=f"layers:{name}", form=form) for name in names)


def _flows(cases: Sequence[Case], *flows: Flow) -> tuple[Case, ...]:
    return tuple(case.model_copy(update={"flow": flow}) for case in cases for flow in flows)


ACTIVATIONS = (
    "relu", "gelu", "se_relu", "silu", "hardswish", "dynamic_shift_max", "dynamic_relu_b", "dynamic_relu_a",
)  # fmt: skip
WIDTHS = (
    "mobilenet_v1_025", "mobilenet_v1_050", "mobilenet_v1_075", "mobilenet_v1_100",
    "mobilenet_v2_035", "mobilenet_v2_050", "mobilenet_v2_075", "mobilenet_v2_100", "mobilenet_v2_140",
)  # fmt: skip
DEPTHS = ("plain_10", "plain_20", "relu", "plain_40")
SIZES = (128, 160, 192, 224, 256, 320)
BATCHES = (1, 2, 4, 8)
THREADS = (1, 2)
SCALED = ("mobileone_s0", "mobilenet_v2_100")

SCALING: Mapping[str, tuple[Case, ...]] = MappingProxyType(
    {
        "width": _zoo(*WIDTHS),
        "depth": _layers(*DEPTHS),
        "resolution": tuple(c for name in SCALED for size in SIZES for c in _zoo(name, size=size)),
        "batch": tuple(c for name in SCALED for batch in BATCHES for c in _zoo(name, batch=batch)),
        "threads": tuple(c for name in SCALED for threads in THREADS for c in _zoo(name, threads=threads)),
    }
)

METAL = (
    *_zoo("mobilenet_v1_100", "mobilenet_v2_100"),
    *_zoo("ssd300_mobilenet_v1_100", "ssdlite300_mobilenet_v2_100", size=300),
    *_zoo("deeplabv3light_mobilenet_v2_100", size=513),
)
# trained networks of other frameworks, the nearest to MetalNet's that can be fetched; the size is in the file
CONVERTED = tuple(
    Case(source=f"converted:{name}", size=size)
    for name, size in (
        ("mobilenet_v1_frozen", 224),
        ("mobilenet_v2_torchvision", 224),
        ("ultraface_rfb_caffemodel", 320),
        ("pedestrian_ssdlite_frozen", 300),
        ("deeplab_uint8_tflite", 513),
    )
)

STUDIES: Mapping[str, tuple[Case, ...]] = MappingProxyType(
    {
        "correlation": _all_networks(),
        "activations": _layers(*ACTIVATIONS),
        "blocks": (
            *_layers("relu", "skips", "se_relu", "branches_1", "branches_2", "branches_4"),
            *_layers("branches_1", "branches_2", "branches_4", form="training"),
        ),
        "scaling": tuple(dict.fromkeys(case for cases in SCALING.values() for case in cases)),
        "imagenet": (*_all_networks(), *_unfolded()),
        "mobilenets": tuple(Case(source=source, size=size) for source, size in WIDTHS_AND_SIZES),
        "detection": tuple(Case(source=source, size=size) for source, size in DETECTORS),
        "segmentation": tuple(Case(source=source, size=size) for source, size in SEGMENTERS),
        # the answers of random heads would be of as many boxes as no trained one gives
        "metalnet": (*METAL, *_flows(METAL, "stream"), *CONVERTED, *_flows(CONVERTED, "stream", "answers")),
    }
)

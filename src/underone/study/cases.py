"""What each study measures: literal lists of cases. Imports no torch."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from ..spec import Frozen
from .table import NETWORKS


class Case(Frozen):
    """One network in one form, fed and run in one way.

    Attributes:
        source: ``zoo:``, ``timm:``, ``torchvision:``, ``here:`` or ``layers:`` and the name of a network there.
        form: ``folded``, or ``training`` with all branches.
        size: height and width of the picture.
        batch: pictures a call.
        threads: of the engine.
        precision: of the arithmetic, or ``int8``: a quantised file.
    """

    source: str
    form: Literal["folded", "training"] = "folded"
    size: int = 224
    batch: int = 1
    threads: int = 1
    precision: str = "float32"

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
        return f"{self.file}-{self.precision}-b{self.batch}-{self.threads}t"


def _all_networks() -> tuple[Case, ...]:
    return tuple(Case(source=network.source, size=network.size) for network in NETWORKS)


def _unfolded() -> tuple[Case, ...]:
    names = ("zoo:mobileone_s0", "zoo:mobileone_s1", "zoo:mobileone_s4", "timm:repvgg_a0")
    return tuple(Case(source=name, form="training") for name in names)


def _zoo(*names: str, size: int = 224, batch: int = 1, threads: int = 1) -> tuple[Case, ...]:
    return tuple(Case(source=f"zoo:{name}", size=size, batch=batch, threads=threads) for name in names)


def _layers(*names: str, form: Literal["folded", "training"] = "folded") -> tuple[Case, ...]:
    return tuple(Case(source=f"layers:{name}", form=form) for name in names)


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

_METAL = (
    ("mobilenet_v1_100", 224),
    ("mobilenet_v2_100", 224),
    ("ssd300_mobilenet_v1_100", 300),
    ("ssdlite300_mobilenet_v2_100", 300),
    ("deeplabv3light_mobilenet_v2_100", 513),
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
        "metalnet": tuple(c for name, size in _METAL for c in _zoo(name, size=size)),
    }
)

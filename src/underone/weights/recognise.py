"""Tell from names and shapes alone which network a checkpoint holds, in which layout and form."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import BadFile, WeightsMismatch
from ..spec import IMAGENET_PREPARATION, Preparation
from . import key_maps
from .rename import Rule, rename
from .store import Weights

Form = Literal["training", "folded"]
Family = Literal["mobileone", "mobilenet_v2"]


@dataclass(frozen=True)
class Layout:
    """One way to name the tensors of one family of networks.

    Attributes:
        source: who writes it.
        family: the networks it is for.
        form: what the names are of.
        marker: names that no other layout has together.
        rules: from its names to ours; none: they are ours.
        interpolation: how the source prepares a picture for its ImageNet weights; None where the file says.
    """

    source: str
    family: Family
    form: Form
    marker: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    interpolation: Literal["bilinear", "bicubic"] | None = None


LAYOUTS = (
    Layout("underone", "mobileone", "training", ("backbone.stem.branches.0.conv.weight",)),
    Layout("underone", "mobileone", "folded", ("backbone.stem.conv.bias", "backbone.stages.0.0.conv.bias")),
    Layout("underone", "mobilenet_v2", "training", ("backbone.stem.bn.weight", "backbone.blocks.0.project.bn.weight")),
    Layout("underone", "mobilenet_v2", "folded", ("backbone.stem.conv.bias", "backbone.blocks.0.project.conv.bias")),
    Layout(
        "Apple", "mobileone", "training", ("stage0.rbr_conv.0.conv.weight",),
        key_maps.APPLE_MOBILEONE, "bilinear",
    ),
    Layout(
        "Apple", "mobileone", "folded", ("stage0.reparam_conv.weight",),
        key_maps.APPLE_MOBILEONE_FOLDED, "bilinear",
    ),
    Layout(
        "timm", "mobileone", "training", ("stem.conv_kxk.0.conv.weight",),
        key_maps.TIMM_MOBILEONE, "bilinear",
    ),
    Layout(
        "timm", "mobileone", "folded", ("stem.reparam_conv.weight",),
        key_maps.TIMM_MOBILEONE_FOLDED, "bilinear",
    ),
    Layout(
        "mmpretrain", "mobileone", "training", ("backbone.stage0.branch_conv_list.0.conv.weight",),
        key_maps.MMPRETRAIN_MOBILEONE, "bilinear",
    ),
    Layout(
        "mmpretrain", "mobileone", "folded", ("backbone.stage0.branch_reparam.weight",),
        key_maps.MMPRETRAIN_MOBILEONE_FOLDED, "bilinear",
    ),
    Layout(
        "torchvision", "mobilenet_v2", "training", ("features.0.0.weight", "features.18.0.weight"),
        key_maps.TORCHVISION_MOBILENET_V2, "bilinear",
    ),
    Layout(
        "timm", "mobilenet_v2", "training", ("conv_stem.weight", "blocks.0.0.conv_dw.weight"),
        key_maps.TIMM_MOBILENET_V2, "bicubic",
    ),
)  # fmt: skip

# The blocks whose output channels tell the variants of a family apart, and those channels.
# mobileone.md 3.5 (mmpretrain, timm); MobileNet V2: the TF-slim checkpoints
_TELLING = {
    "mobileone": tuple(f"backbone.stages.{n}.1" for n in range(4)),
    "mobilenet_v2": (
        "backbone.stem",
        *(f"backbone.blocks.{n}.project" for n in (0, 1, 3, 6, 10, 13, 16)),
        "backbone.last",
    ),
}
CHANNELS: dict[str, tuple[Family, tuple[int, ...]]] = {
    "mobileone_s0": ("mobileone", (48, 128, 256, 1024)),
    "mobileone_s1": ("mobileone", (96, 192, 512, 1280)),
    "mobileone_s2": ("mobileone", (96, 256, 640, 2048)),
    "mobileone_s3": ("mobileone", (128, 320, 768, 2048)),
    "mobileone_s4": ("mobileone", (192, 448, 896, 2048)),
    "mobilenet_v2_035": ("mobilenet_v2", (16, 8, 8, 16, 24, 32, 56, 112, 1280)),
    "mobilenet_v2_050": ("mobilenet_v2", (16, 8, 16, 16, 32, 48, 80, 160, 1280)),
    "mobilenet_v2_075": ("mobilenet_v2", (24, 16, 24, 24, 48, 72, 120, 240, 1280)),
    "mobilenet_v2_100": ("mobilenet_v2", (32, 16, 24, 32, 64, 96, 160, 320, 1280)),
    "mobilenet_v2_130": ("mobilenet_v2", (40, 24, 32, 40, 80, 128, 208, 416, 1664)),
    "mobilenet_v2_140": ("mobilenet_v2", (48, 24, 32, 48, 88, 136, 224, 448, 1792)),
}


@dataclass(frozen=True)
class Recognised:
    """What a checkpoint turned out to be.

    Attributes:
        layout: how its tensors were named.
        model: name of the network in our table.
        weights: its arrays under our names.
        num_classes: rows of its classifier; None: it has none.
        in_chans: channels of its input picture.
    """

    layout: Layout
    model: str
    weights: Weights
    num_classes: int | None
    in_chans: int

    @property
    def imagenet(self) -> bool:
        """Whether it is taken for an ImageNet-1k classifier: a source's own layout with 1000 classes and RGB input."""
        return self.layout.interpolation is not None and self.num_classes == 1000 and self.in_chans == 3

    @property
    def preparation(self) -> Preparation | None:
        """How the source prepares a picture for it; None where the layout does not say."""
        if not self.imagenet:
            return None
        return preparation_for(self.layout.source, self.model, self.layout.interpolation or "bilinear")


def preparation_for(source: str, model: str, interpolation: Literal["bilinear", "bicubic"]) -> Preparation:
    """Return the preparation of a source's ImageNet weights: short side resized, centre crop, ImageNet mean and std.

    The centre crop keeps 0.9 in timm's evaluation of Apple's S1 to S4, 0.875 everywhere else (timm's
    `pretrained_cfg`; Apple states none; torchvision's and mmpretrain's 224 of 256).
    """
    wide = source in ("Apple", "timm") and model in ("mobileone_s1", "mobileone_s2", "mobileone_s3", "mobileone_s4")
    ratio = 0.9 if wide else 0.875
    return IMAGENET_PREPARATION.model_copy(update={"crop_ratio": ratio, "interpolation": interpolation})


def recognise(weights: Weights, where: str, model: str | None = None) -> Recognised:
    """Tell what a checkpoint holds.

    Args:
        weights: arrays under the names of the file.
        where: the file, for errors.
        model: the network, if the file itself says so; told from the channels otherwise.

    Raises:
        BadFile: the names are of no layout we know, or the shapes of no network.
        WeightsMismatch: single names do not fit the layout; all are listed.
    """
    layout = layout_of(weights, where)
    ours = _renamed(weights, layout, where)
    ends = ".branches.0.conv.weight" if layout.family == "mobileone" and layout.form == "training" else ".conv.weight"
    head, stem = ours.get("head.weight"), ours.get(f"backbone.stem{ends}")
    return Recognised(
        layout,
        model or _model_of(ours, layout, ends, where),
        ours,
        num_classes=None if head is None or head.ndim == 0 else head.shape[0],
        in_chans=3 if stem is None or stem.ndim != 4 else stem.shape[1],
    )


def layout_of(names: Collection[str], where: str) -> Layout:
    """Find the layout whose marker stands among the names.

    Raises:
        BadFile: none does.
    """
    for layout in LAYOUTS:
        if all(key in names for key in layout.marker):
            return layout
    known = ", ".join(sorted({f"{layout.source} {layout.family}" for layout in LAYOUTS}))
    shown = ", ".join(list(names)[:3]) or "none"
    raise BadFile(f"{where}: tensor names of no known layout (it begins: {shown}); known: {known}")


def _renamed(weights: Weights, layout: Layout, where: str) -> Weights:
    if not layout.rules:
        return dict(weights)
    try:
        return {new: weights[old] for old, new in rename(weights, layout.rules).items()}
    except WeightsMismatch as error:
        raise WeightsMismatch(f"{where} looks like {layout.source}'s {layout.family}, but: {error}") from error


def _model_of(weights: Weights, layout: Layout, ends: str, where: str) -> str:
    found = _channels(weights, layout.family, ends)
    for model, (family, channels) in CHANNELS.items():
        if family == layout.family and channels == found:
            return model
    raise BadFile(
        f"{where}: {layout.source}'s {layout.family} with the channels {found}; "
        f"the networks of that family have {_known(layout.family)}"
    )


def _channels(weights: Mapping[str, object], family: Family, ends: str) -> tuple[int, ...]:
    """Read the output channels of the telling blocks; 0 for one that is absent."""
    shapes = [getattr(weights.get(block + ends), "shape", ()) for block in _TELLING[family]]
    return tuple(shape[0] if shape else 0 for shape in shapes)


def _known(family: Family) -> str:
    return "; ".join(f"{model} {channels}" for model, (of, channels) in CHANNELS.items() if of == family)

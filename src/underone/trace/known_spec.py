"""What is known of a torch module that nobody traced yet: its own spec, or what timm says about its networks."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from ..spec import InputSpec, ModelSpec, OutputSpec, Preparation

_RESIZE = {"center": "cover", "squash": "squeeze"}  # timm's names of ours; its "border" we have not
_INTERPOLATION = ("nearest", "bilinear", "bicubic")


def spec_of(model: nn.Module) -> ModelSpec:
    """Give the spec of a network: its own ``.spec``, else one made of timm's ``.pretrained_cfg``, else its name alone.

    Args:
        model: any module. That timm describes a network says nothing about the weights in it: they may be random, so
            the spec does not name their origin.
    """
    own, theirs = getattr(model, "spec", None), getattr(model, "pretrained_cfg", None)
    if isinstance(own, ModelSpec):
        return own
    if isinstance(theirs, Mapping) and len(theirs.get("input_size") or ()) == 3:
        return _of_timm(theirs, getattr(model, "num_classes", None))
    return ModelSpec(name=type(model).__name__)


def _of_timm(cfg: Mapping[str, Any], classes: int | None) -> ModelSpec:
    name = ".".join(cfg[key] for key in ("architecture", "tag") if cfg.get(key))
    image = InputSpec(name="image", shape=(None, *cfg["input_size"]), preparation=_preparation(cfg))
    if not classes:
        return ModelSpec(name=name or "unnamed", inputs=(image,), source="timm")
    return ModelSpec(
        name=name or "unnamed",
        task="classify",
        inputs=(image,),
        outputs=(OutputSpec(name="logits", shape=(None, classes), meaning="logits"),),
        labels=_labels(cfg, classes),
        source="timm",
    )


def _preparation(cfg: Mapping[str, Any]) -> Preparation | None:
    """Translate what timm says about pictures; None where we cannot do it."""
    resize, interpolation = cfg.get("crop_mode") or "center", cfg.get("interpolation") or "bicubic"
    channels = cfg["input_size"][0]
    if resize not in _RESIZE or interpolation not in _INTERPOLATION or channels not in (1, 3):
        return None
    return Preparation.model_validate(
        {
            "color": "RGB" if channels == 3 else "GRAY",
            "resize": _RESIZE[resize],
            "crop_ratio": cfg.get("crop_pct") or 0.875,
            "interpolation": interpolation,
            "mean": cfg["mean"],
            "std": cfg["std"],
        }
    )


def _labels(cfg: Mapping[str, Any], classes: int) -> tuple[str, ...] | None:
    """Name the classes of an ImageNet classifier, if its number of classes is still that of its weights."""
    if classes != cfg.get("num_classes"):
        return None
    try:
        from timm.data import ImageNetInfo, infer_imagenet_subset
    except ImportError:  # a module that only carries timm's record
        return None
    subset = infer_imagenet_subset(dict(cfg))
    return tuple(ImageNetInfo(subset).label_descriptions()) if subset else None

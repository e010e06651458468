"""Our own names: what `save_weights` writes."""

from ..layout import Family, Layout


def _both_forms(family: Family, training: str, folded: str) -> tuple[Layout, Layout]:
    """Tell both forms by a tensor of the stem and one of the first block."""
    return (
        Layout("underone", family, "training", ("backbone.stem.bn.weight", f"backbone.{training}.bn.weight")),
        Layout("underone", family, "folded", ("backbone.stem.conv.bias", f"backbone.{folded}.conv.bias")),
    )


LAYOUTS = (
    Layout("underone", "mobileone", "training", ("backbone.stem.branches.0.conv.weight",)),
    Layout("underone", "mobileone", "folded", ("backbone.stem.conv.bias", "backbone.stages.0.0.conv.bias")),
    *_both_forms("mobilenet_v1", "blocks.0.pointwise", "blocks.0.pointwise"),
    *_both_forms("mobilenet_v2", "blocks.0.project", "blocks.0.project"),
)

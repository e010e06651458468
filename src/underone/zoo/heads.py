"""What detectors and segmenters share: heads on a backbone that may be trained."""

from typing import TYPE_CHECKING, cast

from ..spec import ModelSpec
from ..weights import Checkpoint, TrainedWeights, load_strict
from .from_weights import completed_spec, of_backbone, with_new_head

if TYPE_CHECKING:
    from torch import nn

OF_BACKBONE = "backbone"  # what stands for the trained weights of the backbone


def with_backbone(model: "nn.Module", name: str, checkpoint: Checkpoint, trained: TrainedWeights | None) -> "nn.Module":
    """Load a classifier's backbone below new heads.

    Args:
        model: a detector or segmenter with fresh weights.
        name: of its backbone.
        checkpoint: of a classifier on that backbone.
        trained: the row of our table that it is, if it is one.
    """
    backbone = model.get_submodule("backbone")
    load_strict(backbone, of_backbone(checkpoint.network.weights, backbone), name)
    classifier = completed_spec(cast(ModelSpec, backbone.spec), checkpoint, trained, new_head=False)
    return described(model, classifier, None, new_heads=True)


def described(model: "nn.Module", source: ModelSpec, labels: tuple[str, ...] | None, new_heads: bool) -> "nn.Module":
    """Write into the spec of a model where its weights come from, and how their pictures are prepared."""
    built = cast(ModelSpec, model.spec)
    how = source.input.preparation if source.inputs else None
    known = {
        "inputs": (built.input.model_copy(update={"preparation": how.whole() if how else built.input.preparation}),),
        "labels": labels,
        "weights": with_new_head(source.weights) if new_heads else source.weights or "random",
        "source": source.source,
        "licence": source.licence,
        "published": None if new_heads else source.published,
    }
    model.spec = built.model_copy(update=known)  # type: ignore[assignment]
    return model

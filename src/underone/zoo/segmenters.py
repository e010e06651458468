"""Segmenters of the zoo: with random weights, on a trained backbone, or those of a file."""

from os import PathLike
from typing import TYPE_CHECKING, Any, cast

from ..errors import BadFile
from ..models.segmenters import Segmenter, find_segmenter, is_segmenter
from ..spec import VOC_CLASSES, ModelSpec, SegmentationSpec
from ..weights import Checkpoint, TrainedWeights, Weights, load_strict
from .build import build, build_for
from .from_weights import arguments_from, checkpoint_of, completed_spec
from .heads import OF_BACKBONE, described, with_backbone

if TYPE_CHECKING:
    from torch import nn

_NUM_CLASSES = 21  # VOC's and its background, of a model with a random head when the caller names none
_CLASS_LAYERS = ("classifier.", "auxiliary.2.")  # those that give the classes


def create_segmenter(
    name: str,
    weights: str | PathLike[str] | Checkpoint | None,
    num_classes: int | None,
    in_chans: int | None,
    output_stride: int | None,
    options: dict[str, Any],
) -> "nn.Module":
    """Create a segmenter; the arguments are those of `create_model`."""
    entry = find_segmenter(name)
    asked = {"num_classes": num_classes, "in_chans": in_chans, "output_stride": output_stride, **options}
    given = {key: value for key, value in asked.items() if value is not None}
    if weights is None:
        return build(entry.name, **{"num_classes": _NUM_CLASSES, **given})
    trained, checkpoint = checkpoint_of(entry.backbone, "DEFAULT" if weights == OF_BACKBONE else weights)
    if is_segmenter(checkpoint.network.model):
        return _of_segmenter(entry, checkpoint, asked, given)
    return _on_backbone(entry, checkpoint, trained, asked, given)


def _of_segmenter(
    entry: Segmenter, checkpoint: Checkpoint, asked: dict[str, Any], given: dict[str, Any]
) -> "nn.Module":
    """Take over a whole segmenter from a file; with new class layers where other classes are asked for."""
    weights = checkpoint.network.weights
    found = _of_head(weights, checkpoint)
    decided = arguments_from(entry.name, checkpoint, asked, entry.features(found["auxiliary"]))
    made = {**found, **_made_for(checkpoint), **given, **decided}
    classes = found["num_classes"]
    model = build_for(checkpoint, entry.name, **made)
    new_head = made["num_classes"] != classes
    if new_head:
        own = {key: tensor.numpy() for key, tensor in model.state_dict().items() if key.startswith(_CLASS_LAYERS)}
        weights = {key: array for key, array in weights.items() if not key.startswith(_CLASS_LAYERS)} | own
    load_strict(model, weights, entry.name)
    stored = checkpoint.spec or completed_spec(cast(ModelSpec, model.spec), checkpoint, None, new_head)
    if stored.labels is not None and len(stored.labels) != classes:
        raise BadFile(f"{checkpoint.path}: its spec has {len(stored.labels)} labels, its tensors {classes} classes")
    return described(model, stored, None if new_head else stored.labels, new_head)


def _of_head(weights: Weights, checkpoint: Checkpoint) -> dict[str, Any]:
    """Tell from its tensors how a head was built."""
    classifier = weights.get("classifier.weight")
    if classifier is None or classifier.ndim != 4:
        raise BadFile(f"{checkpoint.path}: a segmenter without the convolution that gives the classes")
    return {
        "num_classes": classifier.shape[0],
        "head_channels": classifier.shape[1],
        "auxiliary": any(key.startswith("auxiliary.") for key in weights),
        "separable": any(key.startswith(("head.branches.1.depthwise", "decoder.convs.0.depthwise")) for key in weights),
    }


def _made_for(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what the spec of a file of ours says of pictures and map, or what the source of another file says."""
    stored = checkpoint.spec
    if stored is None:
        classes = len(checkpoint.network.weights["classifier.weight"])
        background = 0 if classes == len(VOC_CLASSES) else None
        return {"output_stride": checkpoint.network.layout.output_stride, "background": background}
    how = stored.segmentation or SegmentationSpec()
    height, width = stored.input.size if stored.inputs else (None, None)
    sized = {"size": (height, width)} if height and width else {}
    stride = {"output_stride": how.output_stride} if how.output_stride else {}
    return {**sized, **stride, "alignment": how.alignment, "background": how.background}


def _on_backbone(
    entry: Segmenter,
    checkpoint: Checkpoint,
    trained: TrainedWeights | None,
    asked: dict[str, Any],
    given: dict[str, Any],
) -> "nn.Module":
    """Put a new head on the trained backbone of a classifier."""
    decided = arguments_from(entry.backbone, checkpoint, asked, entry.features(bool(asked.get("auxiliary"))))
    model = build(entry.name, **{"num_classes": _NUM_CLASSES, **given, **decided})
    return with_backbone(model, entry.backbone, checkpoint, trained)

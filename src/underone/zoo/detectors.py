"""Detectors of the zoo: with random weights, on a trained backbone, or those of a file."""

from os import PathLike
from typing import TYPE_CHECKING, Any, cast

from ..errors import BadFile, BadValue
from ..models.detectors import CONVENTIONS, SMALLEST, Detector, detection_for, find_detector, is_detector
from ..models.picture_size import picture_size
from ..spec import ModelSpec
from ..weights import Checkpoint, TrainedWeights, Weights, load_strict
from .build import build, build_for
from .from_weights import arguments_from, checkpoint_of, completed_spec
from .heads import OF_BACKBONE, described, with_backbone

if TYPE_CHECKING:
    from torch import nn

_NUM_CLASSES = 80  # COCO's, of a model with random heads when the caller names none


def create_detector(
    name: str,
    weights: str | PathLike[str] | Checkpoint | None,
    num_classes: int | None,
    in_chans: int | None,
    options: dict[str, Any],
) -> "nn.Module":
    """Create a detector; the arguments are those of `create_model`."""
    entry = find_detector(name)
    if weights is None:
        chosen = {"num_classes": num_classes, "in_chans": in_chans}
        given = {key: value for key, value in chosen.items() if value is not None}
        return build(entry.name, **{"num_classes": _NUM_CLASSES, **given, **options})
    trained, checkpoint = checkpoint_of(entry.backbone, "DEFAULT" if weights == OF_BACKBONE else weights)
    asked = {"num_classes": num_classes, "in_chans": in_chans, **options}
    if is_detector(checkpoint.network.model):
        return _of_detector(entry, checkpoint, asked, options)
    return _on_backbone(entry, checkpoint, trained, asked, options)


def _of_detector(
    entry: Detector, checkpoint: Checkpoint, asked: dict[str, Any], options: dict[str, Any]
) -> "nn.Module":
    """Take over a whole detector from a file; with new class heads where other classes are asked for."""
    decided = arguments_from(entry.name, checkpoint, asked, entry.taps)
    classes, made_for = _classes(entry, checkpoint), _made_for(entry, checkpoint, options)
    new_classes = classes if asked["num_classes"] is None else asked["num_classes"]
    arguments = made_for | options | decided | {"num_classes": new_classes}
    new_heads = new_classes != classes
    model = build(entry.name, **arguments) if new_heads else build_for(checkpoint, entry.name, **arguments)
    if new_heads:
        _load_parts(model, checkpoint.network.weights, entry.name)
    else:
        load_strict(model, checkpoint.network.weights, entry.name)
    stored = checkpoint.spec or completed_spec(cast(ModelSpec, model.spec), checkpoint, None, new_heads)
    return described(model, stored, None if new_heads else stored.labels, new_heads)


def _classes(entry: Detector, checkpoint: Checkpoint) -> int:
    """Return the number of kinds of objects: as a file of ours says, else as many as its heads have outputs for."""
    stored = checkpoint.spec
    if stored is None:
        return _classes_of_heads(entry, checkpoint)
    if stored.classes is None:
        raise BadFile(f"{checkpoint.path}: its spec does not say how many classes it has")
    if stored.labels is not None and len(stored.labels) != stored.classes:
        raise BadFile(f"{checkpoint.path}: its spec has {len(stored.labels)} labels for {stored.classes} classes")
    return stored.classes


def _classes_of_heads(entry: Detector, checkpoint: Checkpoint) -> int:
    """Count the classes of a file of others from the heads of its first map, "no object" left out."""
    anchors = len(detection_for((entry.size, entry.size), entry.convention).anchors[0].shapes)
    place = 1 if entry.heads["heads"] == "separable" else 0
    boxes, scores = (
        getattr(checkpoint.network.weights.get(f"{kind}_heads.0.{place}.bias"), "size", 0) for kind in ("box", "class")
    )
    if boxes != 4 * anchors or scores % anchors or scores < 2 * anchors:
        raise BadFile(
            f"{checkpoint.path}: the heads of the first map have {boxes} and {scores} outputs; {4 * anchors} for "
            f"{anchors} boxes and a multiple of {anchors} for their classes are required"
        )
    return int(scores) // anchors - 1


def _made_for(entry: Detector, checkpoint: Checkpoint, options: dict[str, Any]) -> dict[str, Any]:
    """Return the size and the anchors of a file of ours; for another size the same kind of anchors."""
    stored = checkpoint.spec
    if stored is None:
        return {}
    if stored.detection is None:
        raise BadFile(f"{checkpoint.path}: its spec does not say how its outputs become boxes")
    height, width = stored.input.size if stored.inputs else (None, None)
    if "size" not in options:
        if height is None or width is None:
            raise BadValue(f"{stored.name!r} is stored without the size of its pictures; pass size=(height, width)")
        return {"size": (height, width), "detection": stored.detection}
    if height is None or width is None or "detection" in options:  # what the caller says counts more
        return {"detection": stored.detection}
    asked = picture_size(entry.size if options["size"] is None else options["size"], SMALLEST)
    for convention in CONVENTIONS:
        if detection_for((height, width), convention).anchors == stored.detection.anchors:
            made = detection_for(asked, convention)
            return {"detection": stored.detection.model_copy(update={"anchors": made.anchors, "top_k": made.top_k})}
    raise BadValue(
        f"the anchors of {stored.name!r} are of no convention of ours; leave size= out, or pass detection= for it"
    )


def _load_parts(model: "nn.Module", weights: Weights, name: str) -> None:
    """Load everything but the class heads, which are for other classes."""
    for part in ("backbone", "extras", "box_heads"):
        start = f"{part}."
        arrays = {key.removeprefix(start): array for key, array in weights.items() if key.startswith(start)}
        load_strict(model.get_submodule(part), arrays, f"{name}, {part}")


def _on_backbone(
    entry: Detector,
    checkpoint: Checkpoint,
    trained: TrainedWeights | None,
    asked: dict[str, Any],
    options: dict[str, Any],
) -> "nn.Module":
    """Put new heads on the trained backbone of a classifier."""
    decided = arguments_from(entry.backbone, checkpoint, asked, entry.taps)
    classes = _NUM_CLASSES if asked["num_classes"] is None else asked["num_classes"]
    model = build(entry.name, **options | decided, num_classes=classes)
    return with_backbone(model, entry.backbone, checkpoint, trained)

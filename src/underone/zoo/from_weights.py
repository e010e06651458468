"""What a file of weights decides about the model that takes them, and what its spec says then."""

import re
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadFile, BadValue, MissingExtra
from ..models.detectors import find_detector, is_detector
from ..models.segmenters import find_segmenter, is_segmenter
from ..models.table import ALIASES, canonical
from ..spec import VOC_CLASSES, ModelSpec
from ..weights import Checkpoint, TrainedWeights, Weights, fetch_weights, find_weights, read_checkpoint

if TYPE_CHECKING:
    from torch import nn

_NEW_HEAD = ", new head"
_COCO_IDS = 90  # the largest id of COCO's 80 kinds of objects
_DEFAULT_RULES = {"padding": "symmetric", "bn_eps": 1e-5}  # of every backbone


def split_tag(
    name: str, weights: str | PathLike[str] | Checkpoint | None
) -> tuple[str, str | PathLike[str] | Checkpoint | None]:
    """Take ``name.tag`` apart, and the alias off the name."""
    name, _, tag = name.partition(".")
    given = weights.path if isinstance(weights, Checkpoint) else weights
    if tag and given is not None and str(given) != tag:
        raise BadValue(f"the name asks for the weights {tag!r}, the argument for {str(given)!r}; give one of them")
    if is_detector(name):
        return find_detector(name).name, tag or weights
    return find_segmenter(name).name if is_segmenter(name) else canonical(name), tag or weights


def checkpoint_of(name: str, weights: str | PathLike[str] | Checkpoint) -> tuple[TrainedWeights | None, Checkpoint]:
    """Read the weights that were asked for; with their entry, where a tag names them."""
    if isinstance(weights, Checkpoint):
        return None, weights
    if _is_path(weights):
        return None, read_checkpoint(Path(weights))
    entry = find_weights(name, str(weights))
    return entry, read_checkpoint(fetch_weights(entry))


def _is_path(weights: str | PathLike[str]) -> bool:
    return not isinstance(weights, str) or "." in weights or "/" in weights or Path(weights).is_file()


def arguments_from(
    name: str, checkpoint: Checkpoint, asked: dict[str, Any], features: tuple[str, ...] | None
) -> dict[str, Any]:
    """Return the arguments that the file decides; refuse those asked for that contradict it."""
    network, spec = checkpoint.network, checkpoint.spec
    below = _backbone_of(network.model) if features is not None or asked["num_classes"] is not None else None
    if name not in (network.model, ALIASES.get(network.model), below):
        raise BadValue(f"{checkpoint.path} holds {network.model!r}, not {name!r}; ask for that name")
    if features is None and network.num_classes is None and asked["num_classes"] is None:
        raise BadValue(f"{checkpoint.path} has no classifier; pass features_only=True, or num_classes for a new head")
    rules = {key: getattr(spec, key, None) or getattr(network.layout, key) for key in _DEFAULT_RULES}
    if asked.get("block") == "repvgg":
        asked = asked | {"block": "mobileone", "num_branches": 1}  # by another name
    blocks = {key: network.options[key] for key in ("block", "num_branches") if key in network.options}
    for key, fact in {"in_chans": network.in_chans, **rules, **blocks}.items():
        given = asked.get(key)
        if given is not None and given != fact:
            raise BadValue(f"{key}={given!r}, but {checkpoint.path} has {key}={fact!r}; leave it out, {_CURES[key]}")
    decided: dict[str, Any] = {"in_chans": network.in_chans, "form": network.layout.form}
    if features is None:
        decided["num_classes"] = network.num_classes if asked["num_classes"] is None else asked["num_classes"]
    decided |= {key: value for key, value in rules.items() if value != _DEFAULT_RULES[key]}
    return decided | dict(network.options)


def _backbone_of(name: str) -> str | None:
    """Name the backbone of a detector or segmenter; None for any other network."""
    if is_detector(name):
        return find_detector(name).backbone
    return find_segmenter(name).backbone if is_segmenter(name) else None


_CURES = {
    "in_chans": "and give the image that many channels",
    "padding": "the weights were trained with that rule",
    "bn_eps": "the weights were trained with that value",
    "block": "the weights were trained with those blocks",
    "num_branches": "the weights were trained with that number",
}


def of_backbone(weights: Weights, model: "nn.Module") -> Weights:
    """Take out what a backbone alone does not have: the classifier, and the blocks after its last feature."""
    backbone = {key.removeprefix("backbone."): array for key, array in weights.items() if key.startswith("backbone.")}
    built = {_block(key) for key in model.state_dict()}
    return {key: array for key, array in backbone.items() if _block(key) in built}


def _block(key: str) -> str:
    """Name the block of a tensor: stem, stages.2, blocks.14, last."""
    match = re.match(r"\w+(\.\d+)?", key)
    return match[0] if match else key


def completed_spec(built: ModelSpec, checkpoint: Checkpoint, entry: TrainedWeights | None, new_head: bool) -> ModelSpec:
    """Complete the spec of a model by what its weights are."""
    spec = _trained_spec(built, checkpoint, entry, new_head)
    if new_head:
        return spec.model_copy(update={"weights": with_new_head(spec.weights), "published": None})
    return spec


def with_new_head(origin: str | None) -> str:
    """Say where weights come from once there is a new, random head on them.

    >>> with_new_head("torchvision_in1k"), with_new_head("random")
    ('torchvision_in1k, new head', 'random')
    """
    origin = origin or "random"
    return origin if origin == "random" or origin.endswith(_NEW_HEAD) else origin + _NEW_HEAD


def _trained_spec(built: ModelSpec, checkpoint: Checkpoint, entry: TrainedWeights | None, new_head: bool) -> ModelSpec:
    if checkpoint.spec is not None:
        return _own_spec(built, checkpoint.spec, checkpoint.path, new_head)
    network = checkpoint.network
    known: dict[str, Any] = {"weights": checkpoint.path.name, "source": network.layout.source}
    if entry is not None:
        known |= {"weights": entry.tag, "source": entry.source, "licence": entry.licence, "published": entry.published}
    from_file = checkpoint.file and checkpoint.file.preparation
    preparation = entry.preparation if entry else from_file or network.preparation
    if preparation is not None:
        known["inputs"] = (built.input.model_copy(update={"preparation": preparation}),)
    if not new_head:
        known["labels"] = _labels(built, checkpoint)
    return built.model_copy(update=known)


def _labels(built: ModelSpec, checkpoint: Checkpoint) -> tuple[str, ...] | None:
    """Return the class names that a file holds, or those of the data set that has as many."""
    network = checkpoint.network
    own = checkpoint.file.labels if checkpoint.file else None
    if own and built.task == "classify":
        return own if len(own) == network.num_classes else None
    if network.imagenet and built.task == "classify":
        return imagenet_labels() if network.num_classes == 1000 else ("background", *imagenet_labels())
    if built.task == "segment" and built.classes == len(VOC_CLASSES):
        return VOC_CLASSES
    return coco_labels() if built.task == "detect" and built.classes == _COCO_IDS else None


def _own_spec(built: ModelSpec, stored: ModelSpec, path: Path, new_head: bool) -> ModelSpec:
    """Take over what a file of ours says, where it agrees with its own tensors."""
    known = {key: getattr(stored, key) for key in ("weights", "source", "licence", "published")}
    if stored.inputs:
        if stored.input.shape[1:2] != built.input.shape[1:2]:
            raise BadFile(f"{path}: its spec says input {stored.input.shape}, its tensors {built.input.shape}")
        known["inputs"] = stored.inputs
    if stored.labels and built.task == "classify" and not new_head:
        classes = built.outputs[0].shape[1]
        if len(stored.labels) != classes:
            raise BadFile(f"{path}: its spec has {len(stored.labels)} labels, its tensors {classes} classes")
        known["labels"] = stored.labels
    return built.model_copy(update=known)


def imagenet_labels() -> tuple[str, ...]:
    """Return torchvision's names of the 1000 ImageNet-1k classes, in the usual order (0 = tench).

    Raises:
        MissingExtra: torchvision is not installed.
    """
    try:
        from torchvision.models import MobileNet_V2_Weights
    except ImportError as error:
        raise MissingExtra("naming the ImageNet classes", "torchvision", "train") from error
    return tuple(MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"])


def coco_labels() -> tuple[str, ...]:
    """Return torchvision's names of COCO's 80 kinds of objects by their ids from 1 to 90; ten are ``N/A``.

    Raises:
        MissingExtra: torchvision is not installed.
    """
    try:
        from torchvision.models.detection import SSDLite320_MobileNet_V3_Large_Weights
    except ImportError as error:
        raise MissingExtra("naming COCO's classes", "torchvision", "train") from error
    return tuple(SSDLite320_MobileNet_V3_Large_Weights.COCO_V1.meta["categories"][1:])

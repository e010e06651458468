"""The zoo: models by name, with random weights, trained ones by tag, or those of a file. Listing needs no torch."""

import fnmatch
import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .errors import BadFile, BadValue, MissingExtra
from .models.table import ALIASES, MODELS, canonical
from .spec import Frozen, ModelSpec, Preparation, Published
from .weights import (
    SUFFIXES,
    Checkpoint,
    TrainedWeights,
    Weights,
    fetch_weights,
    find_weights,
    load_strict,
    read_checkpoint,
    save_weights,
    weights_of,
)

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ModelInfo", "WeightsInfo", "create_model", "imagenet_labels", "list_models", "model_info", "save_weights"]

_NUM_CLASSES, _IN_CHANS = 1000, 3  # of a model with random weights when the caller names none
_DEFAULT_RULES = {"padding": "symmetric", "bn_eps": 1e-5}  # of every backbone


def create_model(
    name: str,
    weights: str | PathLike[str] | Checkpoint | None = None,
    *,
    num_classes: int | None = None,
    in_chans: int | None = None,
    features_only: bool = False,
    out_indices: Sequence[int | str] | None = None,
    output_stride: int = 32,
    labels: Sequence[str] | None = None,
    **options: Any,
) -> "nn.Module":
    """Create a model of the zoo.

    Args:
        name: a name of `list_models`, an alias of timm or torchvision, or ``name.tag`` with a tag of trained weights.
        weights: None: random; ``"DEFAULT"`` or a tag: trained ones, fetched once; a path: a .safetensors or torch file
            in our names, Apple's, timm's, torchvision's, mmpretrain's or Hugging Face's, or a file of TensorFlow or
            Keras; of the training form or folded. Or what `read_checkpoint` gave.
        num_classes: length of the logits; None: as the weights have it, 1000 for random ones. Another number than the
            weights have gives the trained backbone with a new, random head.
        in_chans: channels of the image; None: as the weights have it, 3 for random ones.
        features_only: give the backbone alone, which maps an image to feature maps by name.
        out_indices: the wanted feature maps, with `features_only`: positions among one map per stride, from stride 2 on
            (0 to 4, or -1 for the last), or names. None: all five.
        output_stride: 8, 16 or 32; below 32 the last layers are dilated.
        labels: class names by index of the logits, for the spec; None: those of the weights, if they are known.
        options: further arguments of the backbone, for example ``padding`` and ``bn_eps`` of MobileNet V2.

    Returns:
        A torch module in training mode that maps an image (N, in_chans, H, W) to logits (N, num_classes), or to
        {name: map}. In the training form, unless the weights are folded. Its `.spec` says what it is.

    Raises:
        UnknownName: no such model, tag, feature or option.
        BadValue: an argument that contradicts another or the weights, or weights that cannot be fetched.
        BadFile: the file is corrupt, hostile, or of no layout we know.
        WeightsMismatch: tensors that do not fit; all are listed.
        FetchFailed: the pinned file could not be had.
        MissingExtra: torch is not installed.
    """
    _check_arguments(name, weights, out_indices, options)
    name, weights = _split_tag(name, weights)
    features = _features(name, features_only, out_indices)
    arguments = {"features": features, "output_stride": output_stride, **options}
    if weights is None:
        model = _build(
            name,
            num_classes=_NUM_CLASSES if num_classes is None else num_classes,
            in_chans=_IN_CHANS if in_chans is None else in_chans,
            **arguments,
        )
        return _labelled(model, labels)
    entry, checkpoint = _checkpoint(name, weights)
    asked = {"num_classes": num_classes, "in_chans": in_chans, **options}
    model = _build(name, **arguments | _from_file(name, checkpoint, asked, features))
    new_head = features is None and num_classes not in (None, checkpoint.network.num_classes)
    if features is None and not new_head:
        load_strict(model, checkpoint.network.weights, name)
    else:
        backbone = cast("nn.Module", model.backbone) if new_head else model
        load_strict(backbone, _of_backbone(checkpoint.network.weights, backbone), name)
    spec = _spec(cast(ModelSpec, model.spec), checkpoint, entry, new_head)
    model.spec = spec  # type: ignore[assignment]
    return _labelled(model, labels)


def _checkpoint(name: str, weights: str | PathLike[str] | Checkpoint) -> tuple[TrainedWeights | None, Checkpoint]:
    """Read the weights that were asked for; with their entry, where a tag names them."""
    if isinstance(weights, Checkpoint):
        return None, weights
    if _is_path(weights):
        return None, read_checkpoint(Path(weights))
    entry = find_weights(name, str(weights))
    return entry, read_checkpoint(fetch_weights(entry))


def list_models(pattern: str = "*", weights: bool = False) -> list[str]:
    """List the names that `create_model` takes, in natural order.

    Args:
        pattern: shell pattern, for example ``mobileone*``.
        weights: list ``name.tag`` of the trained weights that can be fetched instead.

    >>> list_models("mobileone_s[01]")
    ['mobileone_s0', 'mobileone_s1']
    """
    names = [entry.name for model in MODELS for entry in weights_of(model) if entry.fetchable] if weights else MODELS
    return sorted(fnmatch.filter(names, pattern), key=_natural)


class WeightsInfo(Frozen):
    """Trained weights that we know of.

    Attributes:
        tag: what `create_model` takes.
        fetchable: False: named only; download a file of `urls` and give its path.
        source: who publishes it.
        licence: of the weights.
        urls: where the files are.
        size_bytes: of the file, where it is fetched.
        preparation: how its publisher evaluates it.
        published: accuracy that somebody states, and who.
        measured: what we measured ourselves.
    """

    tag: str
    fetchable: bool
    source: str
    licence: str
    urls: tuple[str, ...]
    size_bytes: int | None = None
    preparation: Preparation
    published: Published | None = None
    measured: str | None = None


class ModelInfo(Frozen):
    """What is known of a model before it is built.

    Attributes:
        name: in our table.
        aliases: other names that are taken for it.
        features: one feature map per stride, from 2 to 32; more can be asked for by name.
        published: figures of others, for 1000 classes at 224 px.
        weights: trained weights; what "DEFAULT" gives is the first that can be fetched.
    """

    name: str
    aliases: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    published: Published | None = None
    weights: tuple[WeightsInfo, ...] = ()


def model_info(name: str) -> ModelInfo:
    """Say what is known of a model, without building it and without torch.

    Raises:
        UnknownName: no such model.
    """
    name = canonical(name.partition(".")[0])
    return ModelInfo(
        name=name,
        aliases=tuple(alias for alias, of in ALIASES.items() if of == name),
        features=MODELS[name].levels,
        published=MODELS[name].published,
        weights=tuple(_weights_info(entry) for entry in weights_of(name)),
    )


def _weights_info(entry: TrainedWeights) -> WeightsInfo:
    return WeightsInfo(
        tag=entry.tag,
        fetchable=entry.fetchable,
        source=entry.source,
        licence=entry.licence,
        urls=entry.urls,
        size_bytes=entry.file.size_bytes if entry.file else None,
        preparation=entry.preparation,
        published=entry.published,
        measured=entry.measured,
    )


def _check_arguments(name: Any, weights: Any, out_indices: Any, options: dict[str, Any]) -> None:
    """Refuse what is often given by mistake, with the argument that was meant."""
    if not isinstance(name, str):
        raise BadValue(f"a {type(name).__name__} was given as name; a text is required, for example 'mobileone_s0'")
    if name.endswith(".onnx"):
        raise BadValue(f"{name!r} is a network in a file; load({name!r}) runs it")
    if name.endswith((".safetensors", *SUFFIXES)) or "/" in name:
        raise BadValue(f"{name!r} is no model but a file: name the model, and pass weights={name!r}")
    if weights is not None and not isinstance(weights, str | PathLike | Checkpoint):
        raise BadValue(
            f'weights came as {type(weights).__name__}; None for random ones, "DEFAULT", a tag, or the path of a file '
            "is required"
        )
    if out_indices is not None and (isinstance(out_indices, str) or not isinstance(out_indices, Sequence)):
        raise BadValue(f"out_indices={out_indices!r}; a sequence is required: ({out_indices!r},)")
    if "pretrained" in options:
        raise BadValue('pretrained is no argument; pass weights="DEFAULT" for trained weights, None for random ones')


def _labelled(model: "nn.Module", labels: Sequence[str] | None) -> "nn.Module":
    """Write class names into the spec of a model that was just made."""
    if labels is None:
        return model
    spec = cast(ModelSpec, model.spec)
    if spec.task != "classify" or isinstance(labels, str):
        raise BadValue(f"labels={labels!r}; a sequence of class names is required, for a model with a classifier")
    classes = spec.outputs[0].shape[1]
    if len(labels) != classes:
        raise BadValue(f"{len(labels)} labels for {classes} classes; pass num_classes={len(labels)} too")
    model.spec = spec.model_copy(update={"labels": tuple(map(str, labels))})  # type: ignore[assignment]
    return model


def _split_tag(
    name: str, weights: str | PathLike[str] | Checkpoint | None
) -> tuple[str, str | PathLike[str] | Checkpoint | None]:
    """Take ``name.tag`` apart, and the alias off the name."""
    name, _, tag = name.partition(".")
    if tag and weights is not None and str(weights) != tag:
        raise BadValue(f"the name asks for the weights {tag!r}, the argument for {str(weights)!r}; give one of them")
    return canonical(name), tag or weights


def _is_path(weights: str | PathLike[str]) -> bool:
    return not isinstance(weights, str) or "." in weights or "/" in weights or Path(weights).is_file()


def _features(name: str, features_only: bool, out_indices: Sequence[int | str] | None) -> tuple[str, ...] | None:
    if not features_only:
        if out_indices is not None:
            raise BadValue(f"out_indices={out_indices!r} without features_only=True; give both or neither")
        return None
    levels = MODELS[name].levels
    if out_indices is None:
        return levels
    for index in out_indices:
        if isinstance(index, int) and not -len(levels) <= index < len(levels):
            raise BadValue(f"out_indices has {index}; {name} has {len(levels)} levels: 0 to {len(levels) - 1}")
    return tuple(index if isinstance(index, str) else levels[index] for index in out_indices)


def _build(name: str, **arguments: Any) -> "nn.Module":
    try:
        from .models.build import build_model  # torch is needed from here on
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtra(f"create_model({name!r})", "torch", "train") from error
    return build_model(name, **arguments)


def _from_file(
    name: str, checkpoint: Checkpoint, asked: dict[str, Any], features: tuple[str, ...] | None
) -> dict[str, Any]:
    """Return the arguments that the file decides; refuse those asked for that contradict it."""
    network, spec = checkpoint.network, checkpoint.spec
    if canonical(network.model) != name:
        raise BadValue(f"{checkpoint.path} holds {network.model!r}, not {name!r}; ask for that name")
    if features is None and network.num_classes is None and asked["num_classes"] is None:
        raise BadValue(f"{checkpoint.path} has no classifier; pass features_only=True, or num_classes for a new head")
    rules = {key: getattr(spec, key, None) or getattr(network.layout, key) for key in _DEFAULT_RULES}
    for key, fact in {"in_chans": network.in_chans, **rules}.items():
        given = asked.get(key)
        if given is not None and given != fact:
            raise BadValue(f"{key}={given!r}, but {checkpoint.path} has {key}={fact!r}; leave it out, {_CURES[key]}")
    decided: dict[str, Any] = {"in_chans": network.in_chans, "form": network.layout.form}
    if features is None:
        decided["num_classes"] = network.num_classes if asked["num_classes"] is None else asked["num_classes"]
    decided |= {key: value for key, value in rules.items() if value != _DEFAULT_RULES[key]}
    return decided | dict(network.options)


_CURES = {
    "in_chans": "and give the image that many channels",
    "padding": "the weights were trained with that rule",
    "bn_eps": "the weights were trained with that value",
}


def _of_backbone(weights: Weights, model: "nn.Module") -> Weights:
    """Take out what a backbone alone does not have: the classifier, and the blocks after its last feature."""
    backbone = {key.removeprefix("backbone."): array for key, array in weights.items() if key.startswith("backbone.")}
    built = {_block(key) for key in model.state_dict()}
    return {key: array for key, array in backbone.items() if _block(key) in built}


def _block(key: str) -> str:
    """Name the block of a tensor: stem, stages.2, blocks.14, last."""
    match = re.match(r"\w+(\.\d+)?", key)
    return match[0] if match else key


def _spec(built: ModelSpec, checkpoint: Checkpoint, entry: TrainedWeights | None, new_head: bool) -> ModelSpec:
    """Complete the spec of a model by what its weights are."""
    spec = _trained_spec(built, checkpoint, entry, new_head)
    if new_head and spec.weights != "random":
        return spec.model_copy(update={"weights": f"{spec.weights}, new head", "published": None})
    return spec


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
    own = checkpoint.file.labels if checkpoint.file else None
    if own and built.task == "classify" and not new_head:
        known["labels"] = own if len(own) == network.num_classes else None
    elif network.imagenet and built.task == "classify" and not new_head:
        known["labels"] = imagenet_labels() if network.num_classes == 1000 else ("background", *imagenet_labels())
    return built.model_copy(update=known)


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


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key under which s2 stands before s10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]

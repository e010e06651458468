"""create_model: a network of the zoo with random weights, trained ones by tag, or those of a file."""

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, cast

from ..errors import BadValue
from ..models.detectors import is_detector
from ..models.segmenters import is_segmenter
from ..models.table import MODELS
from ..spec import ModelSpec
from ..weights import SUFFIXES, Checkpoint, load_strict
from .build import build, build_for
from .detectors import create_detector
from .from_weights import arguments_from, checkpoint_of, completed_spec, of_backbone, split_tag
from .segmenters import create_segmenter

if TYPE_CHECKING:
    from torch import nn

_NUM_CLASSES, _IN_CHANS = 1000, 3  # of a model with random weights when the caller names none


def create_model(
    name: str,
    weights: str | PathLike[str] | Checkpoint | None = None,
    *,
    num_classes: int | None = None,
    in_chans: int | None = None,
    features_only: bool = False,
    out_indices: Sequence[int | str] | None = None,
    output_stride: int | None = None,
    labels: Sequence[str] | None = None,
    **options: Any,
) -> "nn.Module":
    """Create a model of the zoo.

    Args:
        name: a name of `list_models`, an alias of timm or torchvision, or ``name.tag`` with a tag of trained weights.
        weights: None: random; ``"DEFAULT"`` or a tag: trained ones, fetched once; for a detector or a segmenter
            ``"backbone"``, or a tag or path of its backbone's weights: those below new heads; a path: a .safetensors or
            torch file in our names, Apple's, timm's, torchvision's, mmpretrain's or Hugging Face's, or a file of
            TensorFlow or Keras; of the training form or folded. Of a detector's or segmenter's file its backbone is
            taken, with `features_only` or `num_classes`. Or what `read_checkpoint` gave.
        num_classes: length of the logits, of a detector without "no object"; None: as the weights have it, 1000 for
            random ones, 80 for new heads of a detector, 21 of a segmenter. Another number than the weights have gives
            the trained backbone with a new, random head.
        in_chans: channels of the image; None: as the weights have it, 3 for random ones.
        features_only: give the backbone alone, which maps an image to feature maps by name.
        out_indices: the wanted feature maps, with `features_only`: positions among one map per stride, from stride 2 on
            (0 to 4, or -1 for the last), or names. None: all five.
        output_stride: 8, 16 or 32; below 32 the last layers are dilated. None: 32, of a segmenter 16 or as its file.
        labels: class names by index of the logits, for the spec; None: those of the weights, if they are known.
        options: further arguments of the backbone, for example ``padding`` and ``bn_eps`` of MobileNet V2,
            ``block`` (a family: mobileone, plain, repvgg, acnet, dbb, expandnet) and ``num_branches`` of MobileOne.

    Returns:
        A torch module in training mode that maps an image (N, in_chans, H, W) to logits (N, num_classes), or to
        {name: map}, a detector to {"box_codes": (N, anchors, 4), "logits": (N, anchors, classes)}, a segmenter to
        {"logits": (N, num_classes, h, w)}. In the training
        form, unless the weights are folded. Its `.spec` says what it is.

    Raises:
        UnknownName: no such model, tag, feature or option.
        BadValue: an argument that contradicts another or the weights, or weights that cannot be fetched.
        BadFile: the file is corrupt, hostile, or of no layout we know.
        WeightsMismatch: tensors that do not fit; all are listed.
        FetchFailed: the pinned file could not be had.
        MissingExtra: torch is not installed.
    """
    _check_arguments(name, weights, out_indices, options)
    name, weights = split_tag(name, weights)
    if is_detector(name):
        _refuse_for_heads("detector", features_only, out_indices, output_stride not in (None, 32))
        return _labelled(create_detector(name, weights, num_classes, in_chans, options), labels)
    if is_segmenter(name):
        _refuse_for_heads("segmenter", features_only, out_indices, False)
        return _labelled(create_segmenter(name, weights, num_classes, in_chans, output_stride, options), labels)
    features = _features(name, features_only, out_indices)
    arguments = {"features": features, "output_stride": 32 if output_stride is None else output_stride, **options}
    if weights is None:
        model = build(
            name,
            num_classes=_NUM_CLASSES if num_classes is None else num_classes,
            in_chans=_IN_CHANS if in_chans is None else in_chans,
            **arguments,
        )
        return _labelled(model, labels)
    entry, checkpoint = checkpoint_of(name, weights)
    asked = {"num_classes": num_classes, "in_chans": in_chans, **options}
    arguments |= arguments_from(name, checkpoint, asked, features)
    new_head = features is None and num_classes not in (None, checkpoint.network.num_classes)
    model = build(name, **arguments) if new_head else build_for(checkpoint, name, **arguments)
    if features is None and not new_head:
        load_strict(model, checkpoint.network.weights, name)
    else:
        backbone = cast("nn.Module", model.backbone) if new_head else model
        load_strict(backbone, of_backbone(checkpoint.network.weights, backbone), name)
    spec = completed_spec(cast(ModelSpec, model.spec), checkpoint, entry, new_head)
    model.spec = spec  # type: ignore[assignment]
    return _labelled(model, labels)


def _labelled(model: "nn.Module", labels: Sequence[str] | None) -> "nn.Module":
    """Write class names into the spec of a model that was just made."""
    if labels is None:
        return model
    spec = cast(ModelSpec, model.spec)
    if spec.task not in ("classify", "detect", "segment") or isinstance(labels, str):
        raise BadValue(f"labels={labels!r}; a sequence of class names is required, for a model with a classifier")
    classes = spec.classes
    if len(labels) != classes:
        raise BadValue(f"{len(labels)} labels for {classes} classes; pass num_classes={len(labels)} too")
    model.spec = spec.model_copy(update={"labels": tuple(map(str, labels))})  # type: ignore[assignment]
    return model


def _refuse_for_heads(
    what: str, features_only: bool, out_indices: Sequence[int | str] | None, with_stride: bool
) -> None:
    given = {"features_only": features_only, "out_indices": out_indices is not None, "output_stride": with_stride}
    for argument in (name for name, is_given in given.items() if is_given):
        raise BadValue(f"a {what} has no {argument}; create its backbone for that")


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

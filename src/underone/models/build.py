"""A model from the table: the backbone, the classifier on top, and the spec that says what it is."""

import importlib
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from torch import nn

from ..errors import BadValue, UnknownName
from ..spec import IMAGENET_PREPARATION, InputSpec, ModelSpec, OutputSpec, Preparation
from .classifier import Classifier
from .feature import Feature
from .table import MODELS, canonical

SIZE = 224  # pixels: what the published figures are for


def build_model(
    name: str,
    *,
    num_classes: int = 1000,
    in_chans: int = 3,
    features: Iterable[str] | None = None,
    output_stride: int = 32,
    form: Literal["training", "folded"] = "training",
    **options: Any,
) -> nn.Module:
    """Build a model with fresh weights.

    Args:
        name: a name of the table, or an alias.
        num_classes: length of the logits, 1 or more.
        in_chans: channels of the image, 1 or more.
        features: names of the wanted feature maps: the backbone alone is returned. None: a classifier.
        output_stride: 8, 16 or 32; below 32 the last layers are dilated.
        form: ``training``, or ``folded``: the plain form directly.
        options: further arguments of the backbone, for example ``padding`` and ``bn_eps`` of the MobileNets,
            ``block`` and ``num_branches`` of MobileOne.

    Returns:
        A `Classifier` that maps (N, in_chans, H, W) to logits (N, num_classes), or a backbone that maps it to feature
        maps by name. Its `.spec` is complete but for the origin of the weights and the labels.

    Raises:
        UnknownName: the model, a feature or an option does not exist.
        BadValue: a number is outside what is allowed.
    """
    name = canonical(name)
    entry = MODELS[name]
    if not isinstance(in_chans, int) or in_chans < 1:
        raise BadValue(f"in_chans={in_chans!r}; a whole number, 1 or more, is required")
    builder = _resolve(entry.builder)
    _check_options(name, builder, options)
    if features is not None:
        options["features"] = tuple(features)
    backbone = builder(**{**entry.arguments, **options}, in_chans=in_chans, output_stride=output_stride, form=form)
    model = backbone if features is not None else Classifier(backbone, num_classes, entry.dropout)
    model.spec = spec_for(
        name,
        num_classes=None if features is not None else num_classes,
        features=backbone.features,
        in_chans=in_chans,
        form=form,
        padding=backbone.padding,
        bn_eps=backbone.bn_eps,
    )
    return model


def spec_for(
    name: str,
    *,
    num_classes: int | None = 1000,
    features: Sequence[Feature] = (),
    in_chans: int = 3,
    form: Literal["training", "folded"] = "training",
    padding: Literal["symmetric", "tf_same", "keras"] = "symmetric",
    bn_eps: float = 1e-5,
) -> ModelSpec:
    """Say what a model of the table takes, gives and is; the weights are random until somebody loads others.

    Args:
        name: a name of the table.
        num_classes: length of the logits; None: the outputs are `features`.
        features: what the backbone gives.
        in_chans: channels of the image.
        form: ``training`` or ``folded``.
        padding: of the strided convolutions.
        bn_eps: of the batch norms.
    """
    if num_classes is None:
        outputs = tuple(
            OutputSpec(name=f.name, shape=(None, f.channels, SIZE // f.stride, SIZE // f.stride), meaning="features")
            for f in features
        )
    else:
        outputs = (OutputSpec(name="logits", shape=(None, num_classes), meaning="logits"),)
    image = InputSpec(name="image", shape=(None, in_chans, SIZE, SIZE), preparation=_preparation(in_chans))
    return ModelSpec(
        name=name,
        task="features" if num_classes is None else "classify",
        form=form,
        inputs=(image,),
        outputs=outputs,
        padding=padding,
        bn_eps=bn_eps,
        weights="random",
    )


def _preparation(in_chans: int) -> Preparation | None:
    if in_chans == 3:
        return IMAGENET_PREPARATION
    if in_chans == 1:
        return Preparation(color="GRAY", mean=(0.449,), std=(0.226,))  # the means of ImageNet's three
    return None  # no picture has so many channels: the caller prepares


def _resolve(builder: str) -> Callable[..., Any]:
    module, _, attribute = builder.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return found


def _check_options(name: str, builder: Callable[..., Any], options: dict[str, Any]) -> None:
    fixed = set(MODELS[name].arguments) - _FREE
    known = set(inspect.signature(builder).parameters) - fixed - _SET_HERE
    for option in options:
        if option not in known:
            raise UnknownName(f"option of {name}", option, known)
    if "num_branches" in options and options.get("block", "mobileone") != "mobileone":
        raise BadValue(f"num_branches with block={options['block']!r}; only 'mobileone' blocks take one: leave it out")


_SET_HERE = {"features", "form", "in_chans", "output_stride"}  # arguments of build_model itself
_FREE = {"num_branches", "se_blocks"}  # of the table, but a caller may have others

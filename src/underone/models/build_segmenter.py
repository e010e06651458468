"""A segmenter from its table: the backbone, DeepLab's head, and the spec that says how its map lies on the picture."""

from functools import partial
from typing import Any, Literal

from torch import nn

from ..errors import BadValue
from ..spec import InputSpec, ModelSpec, OutputSpec, SegmentationSpec
from .build import build_model
from .deeplab import CHANNELS, DeepLab
from .forms import FORMS
from .picture_size import picture_size
from .segmenters import SIZE, SMALLEST, find_segmenter, require_output_stride

HEAD_EPS = 1e-5  # of the head's batch norms, also in TensorFlow, whose backbones have 1e-3


def build_segmenter(
    name: str,
    *,
    num_classes: int = 21,
    in_chans: int = 3,
    size: int | tuple[int, int] | None = None,
    output_stride: int = 16,
    head_channels: int = CHANNELS,
    separable: bool = False,
    auxiliary: bool = False,
    alignment: Literal["corners", "borders"] = "corners",
    background: int | None = None,
    form: Literal["training", "folded"] = "training",
    **options: Any,
) -> nn.Module:
    """Build a segmenter with fresh weights.

    Args:
        name: of a segmenter, for example ``deeplabv3plus_mobilenet_v2_100``.
        num_classes: 2 or more, the background counted.
        in_chans: channels of the image, 1 or more.
        size: height and width of the picture in pixels; None: 513.
        output_stride: of the backbone's last map: 8, 16 or 32.
        head_channels: of every map of the head.
        separable: 3x3 convolutions of the head are a depthwise and a pointwise one.
        auxiliary: with a second head, which helps to train and is not run otherwise.
        alignment: how maps are enlarged, as in `SegmentationSpec`.
        background: index of the class that is nothing in particular, if there is one.
        form: ``training``, or ``folded``: the plain form directly.
        options: further arguments of the backbone.

    Returns:
        A `DeepLab`; its `.spec` is complete but for the origin of the weights and the labels.

    Raises:
        UnknownName: the segmenter or an option does not exist.
        BadValue: a number is outside what is allowed.
    """
    entry = find_segmenter(name)
    _check_classes(num_classes, background)
    require_output_stride(output_stride)
    picture = picture_size(SIZE if size is None else size, SMALLEST)
    how = SegmentationSpec.model_validate(
        {"alignment": alignment, "background": background, "output_stride": output_stride}
    )
    backbone = build_model(
        entry.backbone,
        in_chans=in_chans,
        features=entry.features(auxiliary),
        output_stride=output_stride,
        form=form,
        **options,
    )
    model = DeepLab(
        backbone,
        num_classes,
        partial(FORMS[form], bn_eps=HEAD_EPS, activation=nn.ReLU),
        rates=entry.rates(output_stride),
        decoder=entry.head == "decoder",
        separable=separable,
        auxiliary=auxiliary,
        channels=head_channels,
        align_corners=alignment == "corners",
    )
    stride = 4 if entry.head == "decoder" else output_stride
    points = (None, None) if backbone.padding == "keras" else tuple(-(-n // stride) for n in picture)
    output = OutputSpec(name="logits", shape=(None, num_classes, *points), meaning="logits")
    model.spec = _spec(entry.name, backbone.spec, picture, output, how)  # type: ignore[arg-type, assignment]
    return model


def _spec(
    name: str, backbone: ModelSpec, picture: tuple[int, int], output: OutputSpec, how: SegmentationSpec
) -> ModelSpec:
    image = InputSpec(
        name="image",
        shape=(None, backbone.input.shape[1], *picture),
        preparation=backbone.input.preparation and backbone.input.preparation.whole(),
    )
    known = {"name": name, "task": "segment", "inputs": (image,), "outputs": (output,), "segmentation": how}
    return backbone.model_copy(update=known)


def _check_classes(num_classes: Any, background: Any) -> None:
    if not isinstance(num_classes, int) or num_classes < 2:
        raise BadValue(f"num_classes={num_classes!r}; a whole number, 2 or more, the background counted, is required")
    if background is not None and background not in range(num_classes):
        raise BadValue(f"background={background!r} with {num_classes} classes; 0 to {num_classes - 1} is required")

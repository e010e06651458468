"""A detector from its table: the backbone, the heads, and the spec with the anchors of its input size."""

from functools import partial
from typing import Any, Literal

from torch import nn

from ..errors import BadValue
from ..spec import DetectionSpec, InputSpec, ModelSpec, OutputSpec
from .build import build_model
from .detectors import SMALLEST, detection_for, find_detector
from .forms import FORMS
from .picture_size import picture_size
from .ssd import SSD


def build_detector(
    name: str,
    *,
    num_classes: int = 80,
    in_chans: int = 3,
    size: int | tuple[int, int] | None = None,
    detection: str | DetectionSpec | None = None,
    form: Literal["training", "folded"] = "training",
    **options: Any,
) -> nn.Module:
    """Build a detector with fresh weights.

    Args:
        name: of a detector, for example ``ssdlite320_mobilenet_v2_100``.
        num_classes: kinds of objects, 1 or more; "no object" is not counted.
        in_chans: channels of the image, 1 or more.
        size: height and width of the picture in pixels; None: as the name says.
        detection: ``tensorflow`` or ``torchvision``: the convention of anchors, codes and scores; or a whole record.
            None: TensorFlow's at 300 pixels, torchvision's at 320.
        form: ``training``, or ``folded``: the plain form directly.
        options: further arguments of the backbone.

    Returns:
        An `SSD`; its `.spec` is complete but for the origin of the weights and the labels.

    Raises:
        UnknownName: the detector, the convention or an option does not exist.
        BadValue: a number is outside what is allowed, or the anchors do not fit the size.
    """
    entry = find_detector(name)
    if not isinstance(num_classes, int) or num_classes < 1:
        raise BadValue(f"num_classes={num_classes!r}; a whole number of kinds of objects, 1 or more, is required")
    picture = picture_size(entry.size if size is None else size, SMALLEST)
    how = detection_for(picture, entry.convention if detection is None else detection)
    backbone = build_model(entry.backbone, in_chans=in_chans, features=entry.taps, form=form, **options)
    _require_same_maps(backbone.padding, picture)
    padding = "tf_same" if backbone.padding == "keras" else backbone.padding
    make = partial(FORMS[form], padding=padding, bn_eps=backbone.bn_eps)
    outputs = num_classes + (how.background is not None)
    per_cell = [len(grid.shapes) for grid in how.anchors]
    model = SSD(backbone, per_cell, outputs, make, **entry.heads)
    model.spec = _spec(entry.name, backbone.spec, picture, how, outputs)  # type: ignore[arg-type, assignment]
    return model


def _spec(name: str, backbone: ModelSpec, picture: tuple[int, int], how: DetectionSpec, outputs: int) -> ModelSpec:
    image = InputSpec(
        name="image",
        shape=(None, backbone.input.shape[1], *picture),
        preparation=backbone.input.preparation and backbone.input.preparation.whole(),
    )
    rows = how.anchor_count
    return backbone.model_copy(
        update={
            "name": name,
            "task": "detect",
            "inputs": (image,),
            "outputs": (
                OutputSpec(name="box_codes", shape=(None, rows, 4), meaning="box_codes"),
                OutputSpec(name="logits", shape=(None, rows, outputs), meaning="logits"),
            ),
            "detection": how,
        }
    )


def _require_same_maps(padding: Any, picture: tuple[int, int]) -> None:
    """Refuse sizes at which Keras' rule gives smaller maps than the anchors are for."""
    if padding == "keras" and any(n % 32 for n in picture):
        raise BadValue(f"padding='keras' and a picture of {picture} pixels; multiples of 32 are required")

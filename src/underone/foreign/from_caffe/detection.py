"""What a DetectionOutput layer does with the heads of an SSD, read from its settings and those of the prior boxes.

Source: weiliu89/caffe, detection_output_layer.cpp, bbox_util.cpp.
"""

from collections.abc import Mapping

from ...errors import BadFile
from ...spec import DetectionSpec
from ...spec.record import first_line
from ..detector import shown_from
from .call import Prior
from .config import Layer
from .fields import Fields

Found = tuple[DetectionSpec, tuple[str, ...]]


def detection_of(end: Layer, makers: Mapping[str, Layer], priors: Mapping[str, Prior]) -> Found | str:
    """Say how the heads of an SSD become boxes.

    Args:
        end: the DetectionOutput layer; it reads codes, scores and prior boxes.
        makers: the last layer that writes each blob.
        priors: the prior boxes of each blob that a PriorBox layer writes.

    Returns:
        The spec, and sentences about what was changed; or why it cannot be said.

    Raises:
        BadFile: settings are outside what they may be.
    """
    param = end.fields.fields("detection_output_param")
    if len(end.bottoms) != 3:
        return f"it reads {len(end.bottoms)} blobs; 3 are required"
    if param.text("code_type", "CORNER") != "CENTER_SIZE" or not param.flag("share_location", True):
        return "its code_type is not CENTER_SIZE, or each class has boxes of its own"
    maker = makers.get(end.bottoms[2])
    names = maker.bottoms if maker is not None and maker.kind == "Concat" else end.bottoms[2:]
    parts = [priors[name] for name in names if name in priors]
    if len(parts) != len(names) or len({(p.clip, p.variances) for p in parts}) != 1:
        return "its prior boxes are not those of PriorBox layers of one kind"
    variances = (1.0,) * 4 if param.flag("variance_encoded_in_target", False) else parts[0].variances
    threshold, notes = shown_from(param.number("confidence_threshold", 0.0))
    how = {
        "anchors": tuple(p.grid for p in parts),
        "clip_anchors": parts[0].clip,
        "variances": variances,
        "activation": "none",
        "background": _background(param),
        "score_threshold": threshold,
        **_limits(param),
    }
    try:
        return DetectionSpec.model_validate(how), notes
    except ValueError as error:
        name = f"layer {end.name!r} ({end.kind})"
        raise BadFile(f"{end.fields.owner}: {name} makes no sense: {first_line(error)}") from error


def _background(param: Fields) -> int | None:
    number = param.integer("background_label_id", 0)
    return number if number >= 0 else None


def _limits(param: Fields) -> dict[str, float | int]:
    """Give limits; those that the layer leaves open, by -1, stay those of a spec."""
    suppression = param.fields("nms_param")
    found = {"top_k": suppression.integer("top_k", -1), "max_detections": param.integer("keep_top_k", -1)}
    found = {name: number for name, number in found.items() if number > 0}
    most = {"max_per_class": found["max_detections"]} if "max_detections" in found else {}
    return {"iou_threshold": suppression.number("nms_threshold", 0.3), **found, **most}

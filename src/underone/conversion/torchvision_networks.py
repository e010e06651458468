"""Weights under the names of torchvision's detectors and segmenters: torchvision builds the network, we take it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..compare import Verdict
from ..errors import MissingExtra, WeightsMismatch
from ..foreign import Network
from ..formats.compare_roads import compare_roads
from ..graph import Array
from ..graph.passes import fold_batch_norm
from ..models.detectors import detection_for
from ..spec import (
    IMAGENET_PREPARATION,
    VOC_CLASSES,
    InputSpec,
    ModelSpec,
    OutputSpec,
    Preparation,
    SegmentationSpec,
)
from ..trace import trace
from ..weights import load_strict
from ..zoo import coco_labels

_COCO_OUTPUTS = 91  # ids to 90, and "no object"
_AUXILIARY = "aux_classifier."  # a second head, which helps to train


@dataclass(frozen=True)
class Entry:
    """One network of torchvision.

    Attributes:
        name: of its builder.
        marker: tensors that no network before it in the table has together.
        counts: the tensor whose first axis tells the number of class outputs, and how many there are for each class.
        wrapped: makes its part that we take over.
        described: gives the spec for a number of class outputs.
    """

    name: str
    marker: tuple[str, ...]
    counts: tuple[str, int]
    wrapped: Callable[[nn.Module], nn.Module]
    described: Callable[[str, int], ModelSpec]


class _Heads(nn.Module):
    """A detector up to its heads."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = network.backbone, network.head

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        outputs = self.head(list(self.backbone(image).values()))  # type: ignore[operator]
        return {"box_codes": outputs["bbox_regression"], "logits": outputs["cls_logits"]}


class _Map(nn.Module):
    """A segmenter up to its class outputs, before they are enlarged."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.backbone, self.classifier = network.backbone, network.classifier

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        maps = self.backbone(image)  # type: ignore[operator]
        return {"logits": self.classifier(maps["out"] if len(maps) == 1 else maps)}  # type: ignore[operator]


def _detector(name: str, outputs: int) -> ModelSpec:
    """Describe SSDLite: pictures of 320 x 320 from -1 to 1."""
    detection = detection_for((320, 320), "torchvision")
    rows = detection.anchor_count
    return ModelSpec(
        name=name,
        task="detect",
        inputs=(_image(320, Preparation(resize="squeeze", mean=(0.5,) * 3, std=(0.5,) * 3)),),
        outputs=(
            OutputSpec(name="box_codes", shape=(None, rows, 4), meaning="box_codes"),
            OutputSpec(name="logits", shape=(None, rows, outputs), meaning="logits"),
        ),
        labels=coco_labels() if outputs == _COCO_OUTPUTS else None,
        detection=detection,
        source="torchvision",
    )


def _segmenter(name: str, outputs: int) -> ModelSpec:
    """Describe a segmenter: pictures of 520 x 520, as torchvision resizes them, class outputs at a share of that."""
    is_voc = outputs == len(VOC_CLASSES)
    return ModelSpec(
        name=name,
        task="segment",
        inputs=(_image(520, IMAGENET_PREPARATION.whole()),),
        outputs=(OutputSpec(name="logits", shape=(None, outputs, None, None), meaning="logits"),),
        labels=VOC_CLASSES if is_voc else None,
        segmentation=SegmentationSpec(alignment="borders", background=0 if is_voc else None),
        source="torchvision",
    )


def _image(side: int, preparation: Preparation) -> InputSpec:
    return InputSpec(name="image", shape=(None, 3, side, side), preparation=preparation)


_PYRAMID = "classifier.0.convs.4.1.weight"
NETWORKS: tuple[Entry, ...] = (
    Entry(
        "ssdlite320_mobilenet_v3_large",
        ("backbone.features.0.0.0.weight", "head.classification_head.module_list.0.1.weight"),
        ("head.classification_head.module_list.0.1.weight", 6),
        _Heads,
        _detector,
    ),
    Entry(
        "lraspp_mobilenet_v3_large",
        ("backbone.16.0.weight", "classifier.low_classifier.weight"),
        ("classifier.low_classifier.weight", 1),
        _Map,
        _segmenter,
    ),
    Entry(
        "deeplabv3_mobilenet_v3_large",
        ("backbone.16.0.weight", _PYRAMID, "classifier.4.weight"),
        ("classifier.4.weight", 1),
        _Map,
        _segmenter,
    ),
    Entry(
        "deeplabv3_resnet101",
        ("backbone.layer3.22.conv3.weight", _PYRAMID, "classifier.4.weight"),
        ("classifier.4.weight", 1),
        _Map,
        _segmenter,
    ),
    Entry(
        "deeplabv3_resnet50",
        ("backbone.layer3.5.conv3.weight", _PYRAMID, "classifier.4.weight"),
        ("classifier.4.weight", 1),
        _Map,
        _segmenter,
    ),
)


def read_torchvision(tensors: Mapping[str, Array], where: str) -> tuple[Network, Verdict | None] | None:
    """Make the network of a state dict of torchvision's.

    Args:
        tensors: of the file.
        where: the file's name.

    Returns:
        The network, batch norms folded, with a full spec, and its comparison with torchvision's own module; None where
        the names are of no network of the table.

    Raises:
        WeightsMismatch: tensors are missing, left over, or of another shape; all are listed.
        MissingExtra: torchvision is not installed.
    """
    entry = next((entry for entry in NETWORKS if set(entry.marker) <= tensors.keys()), None)
    if entry is None:
        return None
    outputs = _class_outputs(entry, tensors, where)
    kept = {name: array for name, array in tensors.items() if not name.startswith(_AUXILIARY)}
    with torch.device("meta"):  # shapes are compared before any memory is taken
        load_strict(_built(entry, outputs, where), kept, entry.name)
    network = _built(entry, outputs, where)
    load_strict(network, kept, entry.name)
    model = entry.wrapped(network).eval()
    spec = entry.described(entry.name, outputs)
    graph = fold_batch_norm(trace(model, spec))
    notes = ["size of the pictures, preparation and thresholds are those with which torchvision published it"]
    notes += ["the second head, which helps to train, is left out"] * (len(kept) < len(tensors))
    return Network(graph, tuple(notes)), compare_roads(model, spec, graph)


def _class_outputs(entry: Entry, tensors: Mapping[str, Array], where: str) -> int:
    """Return the number of class outputs of a file."""
    name, each = entry.counts
    rows = tensors[name].shape[0] if tensors[name].size else 0
    if rows < 2 * each or rows % each:
        raise WeightsMismatch(f"{where}: {name!r} has {rows} rows; {each} for each of 2 classes at least are required")
    return rows // each


def _built(entry: Entry, outputs: int, where: str) -> nn.Module:
    """Build torchvision's network with fresh weights."""
    try:
        from torchvision.models import get_model
    except ImportError as error:
        raise MissingExtra(f"reading {where}", "torchvision", "train") from error
    options: dict[str, Any] = {"weights": None, "weights_backbone": None, "num_classes": outputs}
    return cast(nn.Module, get_model(entry.name, **options))

"""How right converted networks are on labelled photographs, beside what their own frameworks say of the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from .. import settings
from ..data.masked import IGNORED, open_mask
from ..errors import BadFile, UnderOneError
from ..evaluation.segmentation import confusion_of
from ..files import fetch
from ..runtime import Engine, load
from ..spec import Frozen
from ..weights.face_photographs import FACE_PHOTOGRAPHS
from ..weights.labelled_photographs import LABELLED_PHOTOGRAPHS

_MASKS = {"perched_bird": 3, "samoyed": 12}  # photograph with a drawn mask → its class of VOC


class Score(Frozen):
    """A share of right answers.

    Attributes:
        metric: what is counted.
        value: in percent; None where `error` says why.
        original: in percent, what the network's own framework gave on the same pictures.
        error: why there is no value, in one sentence.
    """

    metric: str
    value: float | None = None
    original: float
    error: str | None = None


@dataclass(frozen=True)
class Asked:
    """What a converted network is asked.

    Attributes:
        metrics: name → what its own framework gave, in percent.
        ask: gives the percentages, in the order of the metrics.
    """

    metrics: Mapping[str, float]
    ask: Callable[[Engine], Sequence[float]]


def scores_of(source: str, path: Path) -> tuple[Score, ...]:
    """Score a converted network.

    Args:
        source: of its case; others than those of `ASKED` have no scores.
        path: of its file.

    Returns:
        A score for each metric; where the pictures cannot be had, or the network cannot be asked, scores that say so.
    """
    asked = ASKED.get(source)
    if asked is None:
        return ()
    try:
        with load(path, threads=1) as net:
            found = asked.ask(net)
    except UnderOneError as error:
        return tuple(Score(metric=m, original=o, error=str(error)) for m, o in asked.metrics.items())
    return tuple(
        Score(metric=m, original=o, value=round(v, 1)) for (m, o), v in zip(asked.metrics.items(), found, strict=True)
    )


def _of_classes(net: Engine) -> tuple[float, float]:
    background = int((net.spec.labels or ())[:1] == ("background",))
    ranks = []
    for photograph in LABELLED_PHOTOGRAPHS:
        best = [label.index - background for label in net.classify(fetch(photograph.file)).top(5)]
        ranks.append(best.index(photograph.imagenet_index) if photograph.imagenet_index in best else 5)
    return 100 * float(np.mean(np.less(ranks, 1))), 100 * float(np.mean(np.less(ranks, 5)))


def _of_faces(net: Engine) -> tuple[float]:
    right = [len(net.detect(fetch(one.file), 0.7)) == one.faces for one in FACE_PHOTOGRAPHS]
    return (100 * float(np.mean(right)),)


def _of_masks(net: Engine) -> list[float]:
    folder = settings.assets_dir()
    if folder is None:
        raise BadFile("the masks are drawn ones that nobody publishes; UNDERONE_ASSETS names no folder with them")
    return [_overlap(net, folder / "photos", name, index) for name, index in _MASKS.items()]


def _overlap(net: Engine, folder: Path, name: str, index: int) -> float:
    said = net.segment(folder / f"{name}.jpg").mask
    truth = open_mask(folder / "masks" / f"{name}.png", said.shape, with_colors=False)
    areas = confusion_of(np.where(truth == IGNORED, IGNORED, truth == index), said == index, 2)
    return 100 * float(areas[1, 1] / (areas.sum() - areas[0, 0]))


_CLASSES = f"top-1, {len(LABELLED_PHOTOGRAPHS)} photographs of ImageNet classes", "top-5, the same"

# what the own frameworks gave: TensorFlow, torchvision, onnxruntime, LiteRT
ASKED: Mapping[str, Asked] = MappingProxyType(
    {
        "converted:mobilenet_v1_frozen": Asked(dict(zip(_CLASSES, (80.0, 100.0), strict=True)), _of_classes),
        "converted:mobilenet_v2_torchvision": Asked(dict(zip(_CLASSES, (90.0, 100.0), strict=True)), _of_classes),
        "converted:ultraface_rfb_caffemodel": Asked(
            {f"right number of faces, {len(FACE_PHOTOGRAPHS)} photographs": 100.0}, _of_faces
        ),
        "converted:deeplab_uint8_tflite": Asked(
            {"IoU, drawn mask of a bird": 91.8, "IoU, drawn mask of a dog": 98.8}, _of_masks
        ),
    }
)

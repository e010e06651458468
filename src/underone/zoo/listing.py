"""What the zoo has, said without building anything and without torch."""

import fnmatch
import re

from ..models.detectors import DETECTORS, find_detector, is_detector
from ..models.segmenters import SEGMENTERS, find_segmenter, is_segmenter
from ..models.table import ALIASES, MODELS, canonical
from ..spec import Frozen, Preparation, Published
from ..weights import TrainedWeights, weights_of


def list_models(pattern: str = "*", weights: bool = False) -> list[str]:
    """List the names that `create_model` takes, in natural order.

    Args:
        pattern: shell pattern, for example ``mobileone*``.
        weights: list ``name.tag`` of the trained weights that can be fetched instead.

    >>> list_models("mobileone_s[01]")
    ['mobileone_s0', 'mobileone_s1']
    """
    trained = [entry.name for model in MODELS for entry in weights_of(model) if entry.fetchable]
    names = trained if weights else [*MODELS, *DETECTORS, *SEGMENTERS]
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
        data: what it was trained on last, and whose classes it has.
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
    data: str


class ModelInfo(Frozen):
    """What is known of a model before it is built.

    Attributes:
        name: in our table.
        aliases: other names that are taken for it.
        features: one feature map per stride, from 2 to 32; more can be asked for by name. Of a detector or segmenter:
            the maps of its backbone that it reads.
        backbone: of a detector or segmenter: the network below its heads.
        size: of a detector: height and width of its pictures in pixels, if nobody asks for another.
        published: figures of others, for 1000 classes at 224 px.
        weights: trained weights; "DEFAULT" gives the first of ImageNet that can be fetched.
    """

    name: str
    aliases: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    backbone: str | None = None
    size: int | None = None
    published: Published | None = None
    weights: tuple[WeightsInfo, ...] = ()


def model_info(name: str) -> ModelInfo:
    """Say what is known of a model, without building it and without torch.

    Raises:
        UnknownName: no such model.
    """
    name = name.partition(".")[0]
    if is_detector(name):
        entry = find_detector(name)
        return ModelInfo(name=entry.name, features=entry.taps, backbone=entry.backbone, size=entry.size)
    if is_segmenter(name):
        segmenter = find_segmenter(name)
        features = segmenter.features(auxiliary=False)
        return ModelInfo(name=segmenter.name, features=features, backbone=segmenter.backbone)
    name = canonical(name)
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
        data=entry.data,
    )


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key under which s2 stands before s10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]

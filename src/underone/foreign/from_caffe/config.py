"""A network of Caffe as it runs: its inputs, and the layers that are left when it is not trained."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...errors import BadFile, Unsupported
from . import schema
from .fields import Fields

_MOST_LAYERS = 1 << 12
_OLD_NAMES = dict(schema.OLD_TYPES.values())
_DATA = ("Data", "AnnotatedData", "ImageData", "MemoryData", "HDF5Data", "WindowData", "DummyData", "VideoData")
_TRAINING = ("Accuracy", "Silence", "MultiBoxLoss", "DetectionEvaluate", "HDF5Output")


@dataclass(frozen=True)
class Layer:
    """A layer: its name, class, what it reads, what it writes, its settings."""

    name: str
    kind: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    fields: Fields


@dataclass(frozen=True)
class Net:
    """A network.

    Attributes:
        name: the file's.
        inputs: shapes by name, as stated.
        layers: in the order in which they run; blobs may be written over.
    """

    name: str
    inputs: Mapping[str, tuple[int, ...]]
    layers: Sequence[Layer]


def network_of(root: Fields) -> Net:
    """Make a network of a file's fields.

    Raises:
        BadFile: an input has no shape, or there are far too many layers.
        Unsupported: the network reads its pictures from a database, as for training.
    """
    inputs, layers = dict(_stated_inputs(root)), []
    for fields in _layers(root):
        layer = _layer(fields)
        if layer.kind == "Input":
            inputs |= zip(layer.tops, _shapes(fields.fields("input_param").each("shape"), layer), strict=False)
        elif not _only_trains(layer):
            layers.append(layer)
    if not inputs:
        raise Unsupported(f"{root.owner} states no input, as a network for training; "
                          "give the .prototxt that it is deployed with")  # fmt: skip
    return Net(root.text("name") or "caffe", inputs, layers)


def _layers(root: Fields) -> Iterator[Fields]:
    found = root.each("layer") + root.each("layers")
    if len(found) > _MOST_LAYERS:
        raise BadFile(f"{root.owner} has {len(found)} layers; at most {_MOST_LAYERS} are read")
    for fields in found:
        if "layer" in fields:
            raise Unsupported(f"{fields.owner}: layers in the notation of before 2013; upgrade the file with Caffe's "
                              "upgrade_net_proto_text")  # fmt: skip
        if _runs(fields):
            yield fields


def _layer(fields: Fields) -> Layer:
    kind = fields.text("type")
    return Layer(
        fields.text("name"),
        _OLD_NAMES.get(kind, kind),
        tuple(fields.texts("bottom")),
        tuple(fields.texts("top")),
        fields,
    )


def _runs(fields: Fields) -> bool:
    """Say whether a layer is part of the network in the phase TEST, at level 0 and in no stage."""
    include, exclude = fields.each("include"), fields.each("exclude")
    return any(map(_meets, include)) if include else not any(map(_meets, exclude))


def _meets(rule: Fields) -> bool:
    level = rule.integer("min_level") <= 0 <= rule.integer("max_level")
    return rule.text("phase", "TEST") == "TEST" and level and not rule.texts("stage")


def _only_trains(layer: Layer) -> bool:
    return layer.kind in _DATA or layer.kind in _TRAINING or layer.kind.endswith("Loss") or "WithLoss" in layer.kind


def _stated_inputs(root: Fields) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Give the inputs of the older notation: names at the top, with shapes or with four numbers each."""
    names, sizes = root.texts("input"), root.integers("input_dim")
    shapes = [tuple(s.integers("dim")) for s in root.each("input_shape")]
    shapes = shapes or [tuple(sizes[i : i + 4]) for i in range(0, len(sizes), 4)]
    if len(shapes) < len(names):
        raise BadFile(f"{root.owner} states {len(names)} inputs with {len(shapes)} shapes")
    return zip(names, shapes, strict=False)


def _shapes(given: Sequence[Fields], layer: Layer) -> list[tuple[int, ...]]:
    shapes = [tuple(s.integers("dim")) for s in given]
    if len(shapes) not in (1, len(layer.tops)):
        raise BadFile(
            f"{layer.fields.owner}: input {layer.name!r} has {len(shapes)} shapes for {len(layer.tops)} blobs"
        )
    return shapes if len(shapes) > 1 else shapes * len(layer.tops)

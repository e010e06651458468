"""A network of Caffe as a Graph: layer by layer in the order of the file, blobs that are written over renamed."""

from collections.abc import Mapping, Sequence
from typing import Literal

from ...errors import BadFile, UnknownName, Unsupported
from ...graph import Array
from ...spec import DetectionSpec, Preparation
from ..builder import TO_FIRST, Builder
from ..detector import Scores, as_detector
from ..foreign_file import Cut, Network
from .call import Call, Prior
from .config import Layer, Net
from .detection import detection_of
from .fields import Fields
from .layers import LAYERS, Row

_END = "DetectionOutput"
_PICTURE_CHANNELS = (1, 3, 4)
_MOST_COMPUTED = 1 << 22  # elements of constants beside the file's own, for example prior boxes

_Found = tuple[tuple[str, Literal["box_codes"]], tuple[str, Scores], DetectionSpec, tuple[str, ...]]


def build_network(
    net: Net, arrays: Mapping[str, Sequence[Array]], where: str, preparation: Preparation | None, cut: Cut
) -> Network:
    """Make the graph of a network.

    Args:
        net: inputs and layers.
        arrays: of each layer, by its name.
        where: the file's name, for errors.
        preparation: of the picture, where the file says it.
        cut: which outputs are wanted; names of blobs, the last of a name.

    Raises:
        BadFile: layers, blobs and arrays do not fit together.
        Unsupported: a layer that is not read, or an input other than the network's own.
        UnknownName: no blob has the name of a wanted output.
    """
    if set(cut.inputs) - set(net.inputs):
        raise Unsupported(f"{where}: a Caffe network is read from its own inputs {list(net.inputs)} on")
    walk = _Walk(net, arrays, where)
    for layer, after in _with_scales(net.layers):
        walk.add(layer, after)
    detector = None if cut.outputs else _detector_heads(net, walk)
    if detector is not None:
        heads, found = detector
        return as_detector(_finished(net, heads, walk, preparation), *found)
    wanted = cut.outputs or [name for name in walk.blobs if name in walk.written - walk.read]
    for name in wanted:
        if name not in walk.blobs:
            raise UnknownName("blob", name, walk.blobs)
    if not cut.outputs:
        _flatten_answer(net, wanted, walk)
    return _finished(net, wanted, walk, preparation)


def _finished(net: Net, wanted: Sequence[str], walk: "_Walk", preparation: Preparation | None) -> Network:
    for name in wanted:
        walk.builder.output(name, walk.blobs[name])
    graph = walk.builder.finish(net.name, preparation=preparation, meanings=_meanings(net, wanted, walk))
    return Network(graph, tuple(walk.builder.notes))


def _detector_heads(net: Net, walk: "_Walk") -> tuple[tuple[str, str], _Found] | None:
    """Give codes and scores, one row for each prior box, and how they become boxes; None where that cannot be said."""
    if walk.end is None:
        return None
    name = f"layer {walk.end.name!r} ({_END})"
    priors = {blob: walk.priors[tensor] for blob, tensor in walk.blobs.items() if tensor in walk.priors}
    found = detection_of(walk.end, _makers(net), priors)
    if isinstance(found, str):
        walk.builder.note(f"{name} is left out, for {found}; what it reads are outputs: {', '.join(walk.end.bottoms)}")
        return None
    detection, notes = found
    codes, scores = walk.end.bottoms[:2]
    for blob in (codes, scores):
        rows = (0, detection.anchor_count, -1)
        walk.blobs[blob] = walk.builder.add("Reshape", [walk.blobs[blob]], f"{blob}/rows", shape=rows)
    walk.builder.note(f"{name} is left out; the spec says what it does")
    return (codes, scores), ((codes, "box_codes"), (scores, "probabilities"), detection, notes)


def _flatten_answer(net: Net, wanted: Sequence[str], walk: "_Walk") -> None:
    """Give the only answer of a classifier as (N, K), where the network ends in a map of one pixel, and say so."""
    if len(wanted) != 1 or _makers(net)[wanted[0]].kind != "Softmax":
        return
    tensor = walk.blobs[wanted[0]]
    if walk.builder.shape(tensor)[2:] == (1, 1):
        walk.blobs[wanted[0]] = walk.builder.add("Flatten", [tensor], f"{wanted[0]}/flat", axis=1)
        walk.builder.note(f"output {wanted[0]!r} of one pixel is given as (N, classes)")


def _with_scales(layers: Sequence[Layer]) -> list[tuple[Layer, Layer | None]]:
    """Put each Scale with the BatchNorm right before it, where nothing else can read between the two."""
    found: list[tuple[Layer, Layer | None]] = []
    for layer in layers:
        norm = found[-1][0] if found else None
        if (
            norm is not None and found[-1][1] is None
            and (norm.kind, layer.kind) == ("BatchNorm", "Scale")
            and layer.bottoms == norm.tops == layer.tops
        ):  # fmt: skip
            found[-1] = norm, layer
        else:
            found.append((layer, None))
    return found


class _Walk:
    def __init__(self, net: Net, arrays: Mapping[str, Sequence[Array]], where: str) -> None:
        size = sum(a.size for layer in arrays.values() for a in layer)
        self.builder, self.arrays, self.where = Builder(where, size + _MOST_COMPUTED), arrays, where
        self.blobs: dict[str, str] = {}
        self.read: set[str] = set()  # by a later layer than the one that wrote it
        self.written: set[str] = set()
        self.end: Layer | None = None
        self.priors: dict[str, Prior] = {}  # by tensor
        free = not any(_fixes_batch(layer) for layer in net.layers)
        for name, shape in net.inputs.items():
            self.blobs[name] = self.input(name, shape, free)

    def input(self, name: str, shape: tuple[int, ...], free: bool) -> str:
        """Add an input, in Caffe's layout; a batch of one is any batch, where the layers allow it."""
        if not shape or min(shape) < 1 or max(shape) >= 1 << 31:
            raise BadFile(f"{self.where}: input {name!r} has shape {shape}; sizes above 0 are required")
        opened = (None if free and shape[0] == 1 and len(shape) > 1 else shape[0], *shape[1:])
        if len(shape) == 4 and shape[1] in _PICTURE_CHANNELS:
            batch, channels, height, width = opened
            last = self.builder.input(name, (batch, height, width, channels))
            return self.builder.add("Transpose", [last], f"{name}/first", perm=TO_FIRST)
        return self.builder.input(name, opened)

    def add(self, layer: Layer, after: Layer | None) -> None:
        """Add what one layer computes."""
        inputs = [self.blob(layer, name) for name in layer.bottoms]
        self.read |= set(layer.bottoms) - set(layer.tops)
        if layer.kind == _END:
            self.read -= set(layer.bottoms)
            self.written |= set(layer.bottoms)
            self.end = layer
            return
        row = LAYERS.get(layer.kind)
        if row is None:
            raise Unsupported(f"{self.where}: layer {layer.name!r} is of class {layer.kind!r}; "
                              f"{', '.join(LAYERS)} are read")  # fmt: skip
        call = self.call(layer, row, inputs, after)
        made = row.rule(call)
        tensors = [made] if isinstance(made, str) else made
        if len(tensors) < len(layer.tops):
            raise BadFile(f"{self.where}: layer {layer.name!r} ({layer.kind}) writes {len(layer.tops)} blobs; "
                          f"it makes {len(tensors)}")  # fmt: skip
        for name, tensor in zip(layer.tops, tensors, strict=False):
            self.blobs[name] = tensor
            self.read.discard(name)
            self.written.add(name)

    def call(self, layer: Layer, row: Row, inputs: list[str], after: Layer | None) -> Call:
        """Put together what the rule of a layer is given."""
        param = layer.fields.fields(row.param) if row.param else Fields(layer.fields.owner)
        arrays = self.arrays.get(layer.name, ())
        after_arrays = self.arrays.get(after.name, ()) if after is not None else ()
        tops = len(layer.tops)
        return Call(self.builder, layer.name, layer.kind, param, arrays, inputs, tops, after_arrays, self.priors)

    def blob(self, layer: Layer, name: str) -> str:
        """Look up a blob that a layer reads."""
        if name not in self.blobs:
            raise BadFile(f"{self.where}: layer {layer.name!r} ({layer.kind}) reads {name!r}, which nothing writes")
        return self.blobs[name]


def _fixes_batch(layer: Layer) -> bool:
    """Say whether a layer writes the size of the batch into the network."""
    param = layer.fields.fields("reshape_param")
    return layer.kind == "Reshape" and param.integer("axis") == 0 and param.fields("shape").integers("dim")[:1] != [0]


def _makers(net: Net) -> dict[str, Layer]:
    """Give the last layer that writes each blob."""
    return {name: layer for layer in net.layers for name in layer.tops}


def _meanings(net: Net, wanted: Sequence[str], walk: _Walk) -> dict[str, str]:
    """Say which outputs are probabilities of classes: a softmax over (N, K)."""
    makers = _makers(net)
    return {
        name: "probabilities"
        for name in wanted
        if name in makers and makers[name].kind == "Softmax" and walk.builder.rank(walk.blobs[name]) == 2
    }

"""The zoo's road: weights under names that we know go into a network of ours, compared with the file's own."""

from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, cast

from torch import nn

from ..compare import Verdict
from ..errors import UnknownName, Unsupported
from ..foreign import ForeignFile
from ..formats.compare_roads import compare_roads
from ..graph import Graph
from ..spec import ModelSpec
from ..weights import Checkpoint, Layout
from .borders import Borders
from .models import write_model
from .result import Conversion


class Opened(NamedTuple):
    """A checkpoint in a network of ours."""

    model: nn.Module
    checkpoint: Checkpoint
    parity: Verdict | None
    notes: tuple[str, ...]


def open_checkpoint(checkpoint: Checkpoint, to: str | None, borders: Borders) -> Opened:
    """Build the zoo's network with the weights; compare it with the file's own, if there is one.

    Raises:
        BadValue: the weights are not the network's, or what the caller says of its borders does not fit.
        WeightsMismatch: the weights are not the network's.
    """
    network, file = checkpoint.network, checkpoint.file
    model = borders.create(to or network.model, checkpoint)
    notes = [*(file.notes if file else ()), *network.notes]
    if network.options:
        notes.append(f"the channels are read from the file, they are not those of {network.model}")
    assumed = (network.layout.note,) * bool(network.layout.note)
    if file is None or file.build is None:
        return Opened(model, checkpoint, None, (*notes, *assumed))
    borders.refuse_size(checkpoint.path)
    try:
        graph = _graph_between(file, network.layout)
    except Unsupported as error:
        reason = f"the file's own network could not be compared: {error}"
        return Opened(model, checkpoint, None, (*notes, *assumed, reason))
    stride = _other_stride(cast(ModelSpec, model.spec), graph)
    if stride is not None:
        model = borders.create(to or network.model, checkpoint, output_stride=stride)
    model.spec = _completed(cast(ModelSpec, model.spec), graph)  # type: ignore[assignment]
    parity = compare_roads(model, cast(ModelSpec, model.spec), graph)
    if parity is None:
        notes.append("the file's own network has no input and output to compare")
    return Opened(model, checkpoint, parity, tuple(notes))


def _graph_between(file: ForeignFile, layout: Layout) -> Graph:
    """Give the file's network from the prepared picture to the logits where those have known names, else as a whole."""
    for picture, logits in [*product((*layout.picture, ""), (*layout.logits, ""))][:-1]:  # the last names nothing
        with suppress(UnknownName):
            return file.network([picture] * bool(picture), [logits] * bool(logits)).graph
    return file.network().graph


def _other_stride(spec: ModelSpec, graph: Graph) -> int | None:
    """Tell a segmenter's output stride, where it is not the spec's, from the sizes of the file's picture and map."""
    (picture, *_), (points, *_) = graph.inputs, graph.outputs
    if spec.segmentation is None or len(picture.shape) != 4 or len(points.shape) != 4:
        return None
    size, rows = picture.shape[2] or 0, points.shape[1]
    strides = (stride for stride in (8, 16) if stride != spec.segmentation.output_stride)
    return next((stride for stride in strides if rows == -(-size // stride)), None)


def _completed(spec: ModelSpec, graph: Graph) -> ModelSpec:
    """Let pictures have the size that the file's own network takes, and boxes be made as that makes them."""
    shape, known = graph.inputs[0].shape, dict[str, Any]()
    if len(shape) == 4 and None not in shape[2:]:
        image = spec.input.model_copy(update={"shape": (None, spec.input.shape[1], *shape[2:])})
        known["inputs"] = (image, *spec.inputs[1:])
    theirs, ours = graph.spec.detection, spec.detection
    if theirs is not None and ours is not None and theirs.anchor_count == ours.anchor_count:
        known["detection"] = theirs.model_copy(update={"activation": ours.activation})
    return spec.model_copy(update=known)


def write_zoo(opened: Opened, output: Path) -> Conversion:
    """Write a checkpoint as weights or as a folded network.

    Raises:
        ParityFailed: it answers otherwise than the file's own network; nothing was written.
    """
    if opened.parity is not None:
        opened.parity.require()
    network, file = opened.checkpoint.network, opened.checkpoint.file
    verdict = write_model(opened.model, output)
    place = {name: number for number, name in enumerate(opened.model.state_dict())}
    return Conversion(
        source=str(opened.checkpoint.path),
        format=file.format if file else opened.checkpoint.path.suffix.lstrip("."),
        road="zoo",
        layout=network.layout.source,
        form=network.layout.form,
        output=str(output),
        spec=cast(ModelSpec, opened.model.spec),
        rows=tuple(sorted(network.rows, key=lambda row: place.get(row.ours, len(place)))),
        notes=opened.notes,
        parity=opened.parity,
        verdict=verdict,
    )

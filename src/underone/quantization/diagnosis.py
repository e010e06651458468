"""The quantisation doctor: what each layer costs, where channels lie far apart, what each remedy gains."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..files import atomic_write
from ..graph import Array, Graph, to_onnx
from ..spec import Frozen
from ..weights import read_safetensors
from .branches import widest_branch
from .layers import Layer
from .qdq import to_qdq
from .quantize import agreement
from .sensitivity import Outputs, accumulated, alone, error, run_all
from .stages import REMEDIES, USUAL_REMEDIES, Quantizer, Stage

_JUDGED = 32  # pictures that errors are taken on
_DRAWN = 4  # layers, the worst, that are shown with their channels
_KEPT = (0, 1, 3, 8)  # layers, the worst, that stay in float32 in the options
_BINS = 60


class LayerFinding(Frozen):
    """What is known of one layer.

    Attributes:
        name: as in `Engine.profile`.
        op: its operator.
        alone: error of the network when this layer alone is quantised, its channels as they were folded.
        accumulated: error of what the layer gives when all are quantised, with every remedy.
        weights_apart: largest weight of the widest output channel over that of the median channel, as folded.
        inputs_apart: greatest value of the widest channel that the layer reads over that of the median channel.
        widened_by: the branch that made the widest output channel wide when it was folded; empty where unknown.
    """

    name: str
    op: str
    alone: float
    accumulated: float
    weights_apart: float
    inputs_apart: float
    widened_by: str = ""


class Gain(Frozen):
    """What the network is like after some remedies.

    Attributes:
        remedies: that were applied.
        nmse: squared error of its outputs over their squared signal.
        same_top1: pictures with the same best class, in percent; None where it is no classifier.
    """

    remedies: tuple[str, ...]
    nmse: float
    same_top1: float | None


class Spread(Frozen):
    """What a layer reads.

    Attributes:
        channels: greatest size of a value in each channel, from the widest down.
        edges: (least, greatest) value of the histogram.
        counts: values of a sample in each of its equal bins.
        range: (least, greatest) value that uint8 holds.
    """

    channels: tuple[float, ...]
    edges: tuple[float, float]
    counts: tuple[int, ...]
    range: tuple[float, float]


class Channels(Frozen):
    """What a layer reads before and after equalisation.

    Attributes:
        layer: that reads it.
        before: as it was folded.
        after: in the equalised network.
    """

    layer: str
    before: Spread
    after: Spread


class Option(Frozen):
    """What the network is like when some layers stay in float32, with the usual remedies.

    Attributes:
        kept: their names, the most sensitive ones.
        nmse: squared error of the outputs over their squared signal.
        same_top1: pictures with the same best class, in percent; None where it is no classifier.
        file: its ONNX file, where one was asked for.
    """

    kept: tuple[str, ...]
    nmse: float
    same_top1: float | None
    file: str | None = None


class Diagnosis(Frozen):
    """What quantising does to a network.

    Attributes:
        model: its name.
        calibration: how ranges were found.
        pictures: that they were found on; errors are taken on some of them.
        layers: in the order of the network.
        gains: without any remedy, then with one more each time.
        channels: of the worst layers.
        options: from the least accurate to the slowest.
    """

    model: str
    calibration: str
    pictures: int
    layers: tuple[LayerFinding, ...]
    gains: tuple[Gain, ...]
    channels: tuple[Channels, ...]
    options: tuple[Option, ...] = ()


def diagnose(
    quantizer: Quantizer,
    remedies: Sequence[str] = REMEDIES,
    *,
    trained: str | Path | None = None,
    files: Path | None = None,
) -> Diagnosis:
    """Find out what quantising does to a network, layer by layer and remedy by remedy.

    Args:
        quantizer: of `open_network`.
        remedies: tried in their order, each on top of those before it.
        trained: safetensors file of the same network in training form, by which the branches are named that widened
            channels.
        files: folder where every option is written, to be measured.

    Raises:
        BadFile: `trained` cannot be read.
        BadValue: `trained` has other channels than the network, or the network has activations that are not finite.
        UnknownName: no such calibration or remedy.
    """
    training = read_safetensors(trained)[0] if trained is not None else {}
    pictures = quantizer.pictures.batch(_JUDGED)
    want = run_all(quantizer.graph, pictures, quantizer.threads)
    tried = [tuple(remedies[:count]) for count in range(len(remedies) + 1)]
    stages = [quantizer.stage(names) for names in tried]
    layers = _layers(quantizer, stages[0], stages[-1], pictures, want, training)
    names = [layer.name for layer in _worst(layers)]
    return Diagnosis(
        model=quantizer.graph.spec.name,
        calibration=quantizer.calibration,
        pictures=len(quantizer.pictures),
        layers=layers,
        gains=tuple(_gain(quantizer, *pair, pictures, want) for pair in zip(tried, stages, strict=True)),
        channels=_channels(stages[0], quantizer.stage(("equalization",)), layers),
        options=tuple(
            _option(quantizer, quantizer.stage(USUAL_REMEDIES, kept), kept, pictures, want, files)
            for kept in (tuple(names[:count]) for count in _KEPT if count < len(names))
        ),
    )


def _gain(quantizer: Quantizer, remedies: tuple[str, ...], stage: Stage, pictures: Array, want: Outputs) -> Gain:
    nmse, same = _judged(quantizer, to_qdq(stage.graph, stage.scheme), pictures, want)
    return Gain(remedies=remedies, nmse=nmse, same_top1=same)


def _option(
    quantizer: Quantizer, stage: Stage, kept: tuple[str, ...], pictures: Array, want: Outputs, files: Path | None
) -> Option:
    graph = to_qdq(stage.graph, stage.scheme)
    nmse, same = _judged(quantizer, graph, pictures, want)
    path = files and files / f"keep_{len(kept)}.onnx"
    if path:
        with atomic_write(path) as temporary:
            temporary.write_bytes(to_onnx(graph))
    return Option(kept=kept, nmse=nmse, same_top1=same, file=path and str(path))


def _judged(quantizer: Quantizer, graph: Graph, pictures: Array, want: Outputs) -> tuple[float, float | None]:
    """Give error and share of the same best class of a quantised network."""
    got = run_all(graph, pictures, quantizer.threads)
    return error(got, want), agreement(got, want) if quantizer.graph.spec.task == "classify" else None


def _worst(layers: Sequence[LayerFinding]) -> list[LayerFinding]:
    return sorted(layers, key=lambda layer: -layer.alone)


def _layers(
    quantizer: Quantizer,
    first: Stage,
    last: Stage,
    pictures: Array,
    want: Outputs,
    training: Mapping[str, Array],
) -> tuple[LayerFinding, ...]:
    costs = alone(first, pictures, want, quantizer.threads, lambda n, of: quantizer.progress("layers alone", n, of))
    adding = accumulated(last, pictures, quantizer.threads)
    return tuple(
        LayerFinding(
            name=layer.name,
            op=layer.node.op,
            alone=costs[layer.name],
            accumulated=adding[layer.name],
            weights_apart=_apart(np.abs(_rows(first, layer)).max(axis=1)),
            inputs_apart=_apart(_spans(first, layer)),
            widened_by=widest_branch(training, layer.name, _rows(first, layer)),
        )
        for layer in first.layers
    )


def _channels(first: Stage, even: Stage, layers: Sequence[LayerFinding]) -> tuple[Channels, ...]:
    read = {layer.name: layer for layer in first.layers}
    names = [layer.name for layer in _worst(layers)[:_DRAWN]]
    return tuple(Channels(layer=n, before=_spread(first, read[n]), after=_spread(even, read[n])) for n in names)


def _spread(stage: Stage, layer: Layer) -> Spread:
    source = layer.node.inputs[0]
    sample, span = stage.seen[stage.owners[source]].sample, stage.scheme.ranges[source]
    counts, edges = np.histogram(sample, _BINS)
    return Spread(
        channels=tuple(float(v) for v in np.sort(_spans(stage, layer))[::-1]),
        edges=(float(edges[0]), float(edges[-1])),
        counts=tuple(counts.tolist()),
        range=(span.low, span.high),
    )


def _rows(stage: Stage, layer: Layer) -> Array:
    rows = layer.rows(stage.graph.constants[layer.node.inputs[1]])
    return rows.reshape(-1, rows.shape[2])


def _spans(stage: Stage, layer: Layer) -> Array:
    """Give the greatest size of a value in each channel that a layer reads, (C,)."""
    seen = stage.seen[stage.owners[layer.node.inputs[0]]]
    return np.maximum(np.abs(seen.low), np.abs(seen.high))


def _apart(values: Array) -> float:
    middle = float(np.median(values[values > 0])) if (values > 0).any() else 1.0
    return float(values.max()) / middle

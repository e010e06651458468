"""What values the tensors of a network take on pictures: extremes, channel by channel, and a sample."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import BadValue
from ..graph import Array, Graph, Value, infer_shapes, to_onnx
from ..runtime import Engine
from ..runtime.engine import open_engine
from ..runtime.model_file import open_model
from .pictures import Calibration

_ANY = 224  # height and width, where the network takes any
_SAMPLES = 1 << 18  # values of a tensor that are kept, over all pictures


@dataclass(frozen=True)
class Observed:
    """What was seen of a tensor.

    Attributes:
        low: least value of each channel, (C,); axis 1 counts channels.
        high: greatest value of each channel, (C,).
        usual: (least, greatest) value of a picture, the mean over all pictures.
        sample: some of its values.
    """

    low: Array
    high: Array
    usual: tuple[float, float]
    sample: Array


def observe(
    graph: Graph,
    names: Collection[str],
    pictures: Calibration,
    threads: int,
    progress: Callable[[int, int], None],
) -> dict[str, Observed]:
    """Run a network on prepared pictures and look at some of its tensors.

    Args:
        graph: the network, in float32, with one input.
        names: tensors to look at.
        pictures: to run on.
        threads: of the engine.
        progress: told (done, total).

    Raises:
        BadValue: a tensor holds NaN or infinity.
    """
    seen: dict[str, list[Observed]] = {}
    each = max(1, _SAMPLES // len(pictures))
    rng = np.random.default_rng(0)
    (image,) = graph.inputs
    inside = [name for name in names if name != image.name]
    with open_graph(with_outputs(graph, inside), threads) as engine:
        for number, picture in enumerate(pictures):
            values = engine.run({image.name: picture}) | {image.name: picture}
            for name in names:
                _look(seen, name, values[name], each, rng)
            progress(number + 1, len(pictures))
    return {name: _joined(parts) for name, parts in seen.items()}


def with_outputs(graph: Graph, names: Collection[str]) -> Graph:
    """Give the network with other outputs."""
    sizes = {v.name: [d or _ANY for d in v.shape] for v in graph.inputs}  # the result is used for ranks alone
    types = infer_shapes(graph, sizes=sizes)
    outputs = tuple(Value(n, (None,) * len(types[n].shape)) for n in names)
    return replace(graph, outputs=outputs, spec=graph.spec.model_copy(update={"outputs": ()}))


def open_graph(graph: Graph, threads: int, backend: str = "auto") -> Engine:
    """Open a graph on an engine; the arguments are those of `load`."""
    return open_engine(open_model(to_onnx(graph)), backend, threads, None)


def _look(seen: dict[str, list[Observed]], name: str, values: Array, each: int, rng: np.random.Generator) -> None:
    if not np.isfinite(values).all():
        raise BadValue(f"tensor {name!r} holds NaN or infinity on a calibration picture; check the network's weights")
    axes = tuple(a for a in range(values.ndim) if a != 1)
    low, high = values.min(axis=axes), values.max(axis=axes)
    flat = values.reshape(-1)
    sample = flat if flat.size <= each else flat[rng.integers(0, flat.size, each)]
    seen.setdefault(name, []).append(Observed(low, high, (float(low.min()), float(high.max())), sample))


def _joined(parts: Sequence[Observed]) -> Observed:
    return Observed(
        np.minimum.reduce([p.low for p in parts]),
        np.maximum.reduce([p.high for p in parts]),
        (float(np.mean([p.usual[0] for p in parts])), float(np.mean([p.usual[1] for p in parts]))),
        np.concatenate([p.sample for p in parts]),
    )

"""What each layer costs: the error of the network when that layer alone is quantised, and how errors add up."""

from collections.abc import Callable, Mapping

import numpy as np

from ..compare import difference
from ..graph import Array, Graph
from ..runtime import installed_backends
from .calibrate import open_graph, with_outputs
from .qdq import to_qdq
from .scheme import Scheme
from .stages import Stage

Outputs = Mapping[str, Array]


def run_all(graph: Graph, pictures: Array, threads: int) -> dict[str, Array]:
    """Run a network, quantised or not, on the engine that does so fastest."""
    backend = "onnxruntime" if "onnxruntime" in installed_backends() else "auto"
    with open_graph(graph, threads, backend) as engine:
        return engine.run({graph.inputs[0].name: pictures})


def error(got: Outputs, want: Outputs) -> float:
    """Give the squared error over the squared signal, the mean of all outputs that are not zero."""
    return float(np.mean([difference(got[name], array)[0] for name, array in want.items() if array.any()]))


def alone(
    stage: Stage, pictures: Array, want: Outputs, threads: int, progress: Callable[[int, int], None]
) -> dict[str, float]:
    """Quantise one layer after the other, each alone: its weights and the tensor that it reads.

    Args:
        stage: what is quantised how.
        pictures: prepared, (N, …).
        want: what the float32 network of the stage gives for them.
        threads: of the engine.
        progress: told (done, total) layers.

    Returns:
        The error of the network's outputs by name of the layer.
    """
    found = {}
    for number, layer in enumerate(stage.layers):
        source = layer.node.inputs[0]
        scheme = Scheme({source: stage.scheme.ranges[source]}, {layer.output: stage.scheme.weights[layer.output]})
        found[layer.name] = error(run_all(to_qdq(stage.graph, scheme), pictures, threads), want)
        progress(number + 1, len(stage.layers))
    return found


def accumulated(stage: Stage, pictures: Array, threads: int) -> dict[str, float]:
    """Give the error of what each layer of the quantised network gives, by name of the layer."""
    names = list(dict.fromkeys(layer.result for layer in stage.layers))
    want = run_all(with_outputs(stage.graph, names), pictures, threads)
    got = run_all(with_outputs(to_qdq(stage.graph, stage.scheme), names), pictures, threads)
    pairs = {layer.name: (got[layer.result], want[layer.result]) for layer in stage.layers}
    return {name: difference(*pair)[0] if pair[1].any() else 0.0 for name, pair in pairs.items()}

"""The graph's road: the network that a file holds is taken over as it is."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..compare import Verdict
from ..errors import BadValue, Unsupported
from ..foreign import Network
from ..foreign.task import IMAGENET_CLASSES, with_name
from ..formats import export
from ..graph import Array, Graph, read_verdict
from ..weights import Row
from ..zoo import imagenet_labels
from .borders import Borders
from .result import Conversion


def write_graph(
    source: Path,
    kind: str,
    network: Network,
    output: Path,
    borders: Borders,
    tensors: Mapping[str, Array] | None = None,
    parity: Verdict | None = None,
) -> Conversion:
    """Write a network that was taken over; its constants are listed beside the tensors of the file.

    Args:
        source: the file.
        kind: its format.
        network: as it was read.
        output: the file to be written.
        borders: what the caller says where the source is silent.
        tensors: of the source, by its names.
        parity: of the network with the program that it comes from, if that ran.

    Raises:
        BadValue: the output is to hold weights, or what the caller says does not fit.
        Unsupported: the network has several inputs.
        ParityFailed: it answers otherwise than that program, or the written file otherwise than it.
    """
    if output.suffix != ".onnx":
        raise BadValue(
            f"{output}: {source} is taken over as a network, whose weights have no names of ours; give a name that "
            f"ends in .onnx. {' '.join(network.notes)}"
        )
    given = [value.name for value in network.graph.inputs]
    if len(given) != 1:
        raise Unsupported(
            f"{source} is a network of {len(given)} inputs, {', '.join(given[:8])}; one is required: cut it to the "
            "part behind one tensor, with inputs= and outputs=, or an .onnx file with onnx.utils.extract_model"
        )
    if parity is not None:
        parity.require()
    borders.refuse_size(source)
    graph = with_name(network.graph, source)
    network = network._replace(graph=replace(graph, spec=borders.named(graph.spec)))
    verdict = read_verdict(export(network.graph, output))
    return Conversion(
        source=str(source),
        format=kind,
        road="graph",
        output=str(output),
        spec=network.graph.spec,
        rows=_graph_rows(network, tensors or {}),
        notes=network.notes,
        parity=parity,
        verdict=verdict,
    )


def with_imagenet_labels(graph: Graph) -> Graph:
    """Name the classes of a classifier without labels that has as many as ImageNet."""
    spec = graph.spec
    classes = spec.outputs[0].shape[-1] if spec.task == "classify" and spec.labels is None else None
    if classes not in IMAGENET_CLASSES:
        return graph
    labels = ("background",) * (classes == 1001) + imagenet_labels()
    return replace(graph, spec=spec.model_copy(update={"labels": labels}))


def _graph_rows(network: Network, tensors: Mapping[str, Array]) -> tuple[Row, ...]:
    """List the constants in the order in which they are used, with their shape in the file where that differs."""
    constants = network.graph.constants
    used = dict.fromkeys(name for node in network.graph.nodes for name in node.inputs if name in constants)
    rows = []
    for name in used:
        shape, theirs = constants[name].shape, tensors[name].shape if name in tensors else None
        change = f"{theirs} → {shape}" if theirs is not None and theirs != shape else ""
        rows.append(Row(name if theirs is not None else "", name, change, shape))
    return tuple(rows)

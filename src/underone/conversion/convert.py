"""convert: which road a file takes."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from ..compare import Verdict
from ..errors import BadFile, BadValue, WeightsMismatch
from ..foreign import Cut, ForeignFile, Network, read_foreign
from ..foreign.families import as_known_detector
from ..foreign.foreign_file import Quantised
from ..foreign.from_pytorch_ssd import read_pytorch_ssd
from ..foreign.read import find_format
from ..foreign.task import with_task
from ..graph import read_onnx
from ..weights import LAYOUTS, SUFFIXES, Layout, read_arrays, read_checkpoint, recognise_file
from ..weights.recognise import HELP
from ..zoo import list_models
from .borders import Borders
from .graph_road import with_imagenet_labels, write_graph
from .result import Conversion
from .torchvision_networks import read_torchvision
from .zoo_road import open_checkpoint, write_zoo

_SUFFIXES = (".safetensors", ".onnx")
_FORMS = ".safetensors (weights) or .onnx (network)"


def convert(
    source: str | Path,
    output: str | Path,
    to: str | None = None,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    labels: Sequence[str] = (),
    size: int | tuple[int, int] | None = None,
    layouts: Sequence[Layout] = LAYOUTS,
    quantised: Quantised = "dequantised",
) -> Conversion:
    """Read a trained network of any framework and write it in our names, or as a network that runs.

    Weights under names that we know go into a network of the zoo. Where the file holds its network too, both must give
    the same answers. A file whose network we do not know by name is taken over as it is, as a Graph.

    Args:
        source: a file of weights or a network: torch, safetensors, TensorFlow, Keras, Caffe, TFLite or ONNX.
        output: .safetensors for the weights in the form found, .onnx for the folded network.
        to: a network of the zoo, which the file must hold; ``graph``: take the file's own network; None: the zoo where
            it fits, the graph otherwise.
        inputs: tensors of the file's own network that are given; () for its own inputs.
        outputs: tensors of the file's own network that are wanted, for example what comes before its post-processing;
            () for its own outputs. With names, the graph is taken.
        labels: class names, for a detector without "no object"; () for those that the file or its source has.
        size: (height, width) of the pictures, or one number for both, for weights of a network of the zoo, whose
            anchors follow it; None: as the network has it.
        layouts: the tensor names that are known; put one of your own before `weights.LAYOUTS`.
        quantised: what becomes of a quantised network of TFLite or TensorFlow: ``dequantised``: float weights, no
            rounding in between; ``kept``: every tensor is rounded where the file rounds it. Kept, the graph is taken.

    Raises:
        BadFile: the source is not readable, or of no layout we know and without a network; or the output cannot be
            written.
        BadValue: the output has another suffix, or is to hold the weights of a graph; a network that is not the file's;
            a cut of a file that holds no network, of ONNX, or beside a network of the zoo; a name of the zoo; labels or
            a size that do not fit.
        Unsupported: the file's network has operators that are not implemented.
        UnknownName: no tensor of the file has that name.
        WeightsMismatch: the file does not fit the network.
        ParityFailed: the written network, or the zoo's network asked for, computes something else than the source.
    """
    source, output = Path(source), Path(output)
    if output.suffix not in _SUFFIXES:
        raise BadValue(f"{output}: the suffix says the form; {_FORMS} is required")
    if quantised not in get_args(Quantised):
        raise BadValue(f"quantised={quantised!r}; {' or '.join(map(repr, get_args(Quantised)))} is required")
    cut, borders = Cut(tuple(inputs), tuple(outputs), quantised), Borders(labels, size)
    if source.suffix.lower() == ".onnx":
        if to not in (None, "graph"):
            raise BadValue(f"{source} holds a network, which is taken over as it is; leave out to={to!r}")
        _refuse_cut(cut, f"{source} is taken over whole; leave them out, onnx.utils.extract_model cuts such a file")
        return write_graph(source, "ONNX", as_known_detector(Network(read_onnx(source))), output, borders)
    file = read_foreign(source) if find_format(source) else None
    if file is None:
        _refuse_name_of_zoo(source)
        _refuse_cut(cut, f"{source} holds weights and no network to cut; leave them out")
        if to == "graph":
            raise BadValue(f"{source} holds weights and no network; leave out to='graph', or name a network")
        return _convert_weights(source, output, to, borders, layouts)
    if to not in (None, "graph"):
        _refuse_cut(cut, f"they cut the file's own network, which to={to!r} does not take; leave out one or the other")
    return _convert_foreign(source, file, output, to if cut == Cut() else "graph", cut, borders, layouts)


def _convert_weights(
    source: Path, output: Path, to: str | None, borders: Borders, layouts: Sequence[Layout]
) -> Conversion:
    """Take the zoo's road, or for names of a network that the zoo has not, that network as it is."""
    try:
        checkpoint = read_checkpoint(source, layouts)
    except BadFile:
        whole = _whole_network(source) if to is None and source.suffix in (".safetensors", *SUFFIXES) else None
        if whole is None:
            raise
        network, parity = whole
        return write_graph(source, source.suffix.lstrip("."), network, output, borders, parity=parity)
    return write_zoo(open_checkpoint(checkpoint, to, borders), output)


def _whole_network(source: Path) -> tuple[Network, Verdict | None] | None:
    """Make the network of a file whose names are those of a detector or segmenter that the zoo has not."""
    tensors = read_arrays(source)
    network = read_pytorch_ssd(tensors, str(source))
    return read_torchvision(tensors, str(source)) if network is None else (network, None)


def _refuse_cut(cut: Cut, reason: str) -> None:
    given = [f"{name}={','.join(names)}" for name, names in (("inputs", cut.inputs), ("outputs", cut.outputs)) if names]
    given += ["quantised=kept"] * (cut.quantised == "kept")
    if given:
        raise BadValue(f"{' and '.join(given)}: {reason}")


def _refuse_name_of_zoo(source: Path) -> None:
    name = str(source)
    if name in (*list_models(), *list_models(weights=True)) and not source.exists():
        raise BadValue(f"{name} is a name of the zoo and no file; `underone export {name} -o FILE` writes its network")


def _convert_foreign(
    source: Path, file: ForeignFile, output: Path, to: str | None, cut: Cut, borders: Borders, layouts: Sequence[Layout]
) -> Conversion:
    """Take the zoo's road where it leads to the answers of the file's own network, the graph's otherwise."""
    reason = ""
    if to is None and file.format == "TFLite":
        to = "graph"  # its weights are those of a folded network
    if to != "graph":
        try:
            opened = open_checkpoint(recognise_file(source, file, layouts), to, borders)
            if opened.parity is None or opened.parity.passed or to is not None:
                return write_zoo(opened, output)
            reason = f"the zoo's {opened.checkpoint.network.model} with its weights answers otherwise: {opened.parity}"
        except (BadFile, BadValue, WeightsMismatch) as error:
            if to is not None or file.build is None:
                raise
            reason = f"into no network of the zoo: {str(error).splitlines()[0].partition(HELP)[0]}"
    network = as_known_detector(file.network(cut.inputs, cut.outputs, cut.quantised))
    notes = (*file.notes, *network.notes, *[reason] * bool(reason))
    graph, assumed = with_task(network.graph, file.format, tuple(borders.labels) or file.labels)
    graph = with_imagenet_labels(graph)
    return write_graph(source, file.format, Network(graph, (*notes, *assumed)), output, borders, file.tensors)

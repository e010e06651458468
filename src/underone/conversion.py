"""From a name or a foreign file to a model, and from a model to the file that its suffix names."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple, cast

from torch import nn

from .compare import Verdict
from .errors import BadFile, BadValue, UnknownName, Unsupported, WeightsMismatch
from .fold import reparameterize
from .foreign import Cut, ForeignFile, Network, read_foreign
from .foreign.families import as_known_detector
from .foreign.read import find_format
from .foreign.task import IMAGENET_CLASSES, with_name, with_task
from .formats import export
from .formats.compare_roads import compare_roads
from .graph import Array, Graph, read_onnx, read_verdict
from .spec import Frozen, ModelSpec
from .weights import LAYOUTS, Checkpoint, Layout, Row, read_checkpoint, recognise_file, save_weights
from .weights.recognise import HELP
from .zoo import create_model, imagenet_labels, list_models

_SUFFIXES = (".safetensors", ".onnx")
_FORMS = ".safetensors (weights) or .onnx (network)"


class Conversion(Frozen):
    """What was read and what was written.

    Attributes:
        source: the given file.
        format: of that file.
        road: ``zoo``: its weights went into a network of ours; ``graph``: its own network was taken over.
        layout: whose tensor names it had; None for a graph.
        form: ``training`` or ``folded``, as found; None for a graph.
        output: the written file.
        spec: what the network is, preparation and origin included.
        rows: every tensor that was read, in our order: its name in the file, ours, the change of its axes, its shape.
        notes: sentences about what was left out, completed or assumed, and why.
        parity: the network of ours against the file's own network, on the same pictures; None where there is one road.
        verdict: the proof of the written network; None when only weights were written.
    """

    source: str
    format: str
    road: Literal["zoo", "graph"]
    layout: str | None = None
    form: Literal["training", "folded"] | None = None
    output: str
    spec: ModelSpec
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    parity: Verdict | None = None
    verdict: Verdict | None = None


def open_model(source: str, name: str | None = None) -> nn.Module:
    """Build the model that a name of the zoo or a weight file stands for, in eval mode.

    Args:
        source: ``mobileone_s0``, ``mobilenet_v2_100.torchvision_in1k``, or the path of a weight file.
        name: network of a weight file; recognised from its tensors when left out.

    Raises:
        UnknownName: no such network or tag.
        BadFile: the file is not readable, or of no layout we know.
        WeightsMismatch: the file does not fit the network.
    """
    path = Path(source)
    if not (path.suffix in (".safetensors", ".pth", ".pt", ".tar", ".ckpt") or path.exists() or find_format(path)):
        return create_model(name or source).eval()
    return create_model(name or read_checkpoint(path).network.model, weights=path).eval()


def convert(
    source: str | Path,
    output: str | Path,
    to: str | None = None,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    layouts: Sequence[Layout] = LAYOUTS,
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
        layouts: the tensor names that are known; put one of your own before `weights.LAYOUTS`.

    Raises:
        BadFile: the source is not readable, or of no layout we know and without a network; or the output cannot be
            written.
        BadValue: the output has another suffix, or is to hold the weights of a graph; a network that is not the file's;
            a cut of a file that holds no network, of ONNX, or beside a network of the zoo; a name of the zoo.
        Unsupported: the file's network has operators that are not implemented.
        UnknownName: no tensor of the file has that name.
        WeightsMismatch: the file does not fit the network.
        ParityFailed: the written network, or the zoo's network asked for, computes something else than the source.
    """
    source, output = Path(source), Path(output)
    if output.suffix not in _SUFFIXES:
        raise BadValue(f"{output}: the suffix says the form; {_FORMS} is required")
    cut = Cut(tuple(inputs), tuple(outputs))
    if source.suffix.lower() == ".onnx":
        if to not in (None, "graph"):
            raise BadValue(f"{source} holds a network, which is taken over as it is; leave out to={to!r}")
        _refuse_cut(cut, f"{source} is taken over whole; leave them out, onnx.utils.extract_model cuts such a file")
        return _write_graph(source, "ONNX", as_known_detector(Network(read_onnx(source))), output)
    file = read_foreign(source) if find_format(source) else None
    if file is None:
        _refuse_name_of_zoo(source)
        _refuse_cut(cut, f"{source} holds weights and no network to cut; leave them out")
        if to == "graph":
            raise BadValue(f"{source} holds weights and no network; leave out to='graph', or name a network")
        return _write_zoo(_open(read_checkpoint(source, layouts), to), output)
    if to not in (None, "graph"):
        _refuse_cut(cut, f"they cut the file's own network, which to={to!r} does not take; leave out one or the other")
    return _convert_foreign(source, file, output, "graph" if inputs or outputs else to, cut, layouts)


def _refuse_cut(cut: Cut, reason: str) -> None:
    given = [f"{name}={','.join(names)}" for name, names in (("inputs", cut.inputs), ("outputs", cut.outputs)) if names]
    if given:
        raise BadValue(f"{' and '.join(given)}: {reason}")


def _refuse_name_of_zoo(source: Path) -> None:
    name = str(source)
    if name in (*list_models(), *list_models(weights=True)) and not source.exists():
        raise BadValue(f"{name} is a name of the zoo and no file; `underone export {name} -o FILE` writes its network")


def _convert_foreign(
    source: Path, file: ForeignFile, output: Path, to: str | None, cut: Cut, layouts: Sequence[Layout]
) -> Conversion:
    """Take the zoo's road where it leads to the answers of the file's own network, the graph's otherwise."""
    reason = ""
    if to is None and file.format == "TFLite":
        to = "graph"  # its weights are those of a folded network
    if to != "graph":
        try:
            opened = _open(recognise_file(source, file, layouts), to)
            if opened.parity is None or opened.parity.passed or to is not None:
                return _write_zoo(opened, output)
            reason = f"the zoo's {opened.checkpoint.network.model} with its weights answers otherwise: {opened.parity}"
        except (BadFile, BadValue, WeightsMismatch) as error:
            if to is not None or file.build is None:
                raise
            reason = f"into no network of the zoo: {str(error).splitlines()[0].partition(HELP)[0]}"
    network = as_known_detector(file.network(cut.inputs, cut.outputs))
    notes = (*file.notes, *network.notes, *[reason] * bool(reason))
    graph, assumed = with_task(network.graph, file.format, file.labels)
    graph = _with_imagenet_labels(graph)
    return _write_graph(source, file.format, Network(graph, (*notes, *assumed)), output, file.tensors)


def fold_model(source: str, output: Path, name: str | None = None) -> Verdict:
    """Fold what `open_model` gives, write it, and return the certificate.

    Raises:
        ParityFailed: the folded form differs; nothing was written.
    """
    folded = reparameterize(open_model(source, name))
    write_model(folded, output)
    return cast(Verdict, folded.certificate)


def write_model(model: nn.Module, output: Path) -> Verdict | None:
    """Write a model as weights (.safetensors) or as a folded network (.onnx); return the network's verdict."""
    if output.suffix == ".safetensors":
        save_weights(model, output)
        return None
    if output.suffix != ".onnx":
        raise BadValue(f"{output}: the suffix says the form; .safetensors (weights) or .onnx (network) is required")
    folded = model if cast(ModelSpec, model.spec).form == "folded" else reparameterize(model)
    return read_verdict(export(folded, output))


class _Opened(NamedTuple):
    """A checkpoint in a network of ours."""

    model: nn.Module
    checkpoint: Checkpoint
    parity: Verdict | None
    notes: tuple[str, ...]


def _open(checkpoint: Checkpoint, to: str | None) -> _Opened:
    """Build the zoo's network with the weights; compare it with the file's own, if there is one.

    Raises:
        BadValue, WeightsMismatch: the weights are not the network's.
    """
    network, file = checkpoint.network, checkpoint.file
    model = create_model(to or network.model, weights=checkpoint).eval()
    notes = [*(file.notes if file else ()), *network.notes]
    if network.options:
        notes.append(f"the channels are read from the file, they are not those of {network.model}")
    if file is None or file.build is None:
        return _Opened(model, checkpoint, None, tuple(notes))
    try:
        graph = _graph_with_logits(file, network.layout)
    except Unsupported as error:
        return _Opened(model, checkpoint, None, (*notes, f"the file's own network could not be compared: {error}"))
    model.spec = _sized(cast(ModelSpec, model.spec), graph.inputs[0].shape)  # type: ignore[assignment]
    parity = compare_roads(model, cast(ModelSpec, model.spec), graph)
    if parity is None:
        notes.append("the file's own network has no input and output to compare")
    return _Opened(model, checkpoint, parity, tuple(notes))


def _graph_with_logits(file: ForeignFile, layout: Layout) -> Graph:
    """Give the file's network up to the logits where those have a known name, as a whole otherwise."""
    for name in layout.logits:
        try:
            return file.network(outputs=[name]).graph
        except UnknownName:
            continue
    return file.network().graph


def _sized(spec: ModelSpec, shape: tuple[int | None, ...]) -> ModelSpec:
    """Let pictures have the size that the file's own network takes, where it takes one."""
    if len(shape) != 4 or None in shape[2:]:
        return spec
    image = spec.input.model_copy(update={"shape": (None, spec.input.shape[1], *shape[2:])})
    return spec.model_copy(update={"inputs": (image, *spec.inputs[1:])})


def _write_zoo(opened: _Opened, output: Path) -> Conversion:
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


def _write_graph(
    source: Path, kind: str, network: Network, output: Path, tensors: Mapping[str, Array] | None = None
) -> Conversion:
    if output.suffix != ".onnx":
        raise BadValue(
            f"{output}: {source} is taken over as a network, whose weights have no names of ours; give a name that "
            f"ends in .onnx. {' '.join(network.notes)}"
        )
    network = network._replace(graph=with_name(network.graph, source))
    verdict = read_verdict(export(network.graph, output))
    return Conversion(
        source=str(source),
        format=kind,
        road="graph",
        output=str(output),
        spec=network.graph.spec,
        rows=_graph_rows(network, tensors or {}),
        notes=network.notes,
        verdict=verdict,
    )


def _with_imagenet_labels(graph: Graph) -> Graph:
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

"""From the nodes of a TensorFlow graph to a network."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ...errors import BadFile, Unsupported
from ...graph import Array
from ...graph.fold_scales import fold_scales
from ...graph.passes import fold_batch_norm, fold_pad_into_conv
from ...spec import Shape
from ..builder import Builder
from ..detector import as_detector
from ..foreign_file import Cut, Network
from .arithmetic import FUNCTIONS
from .border import DETECTORS, INPUTS, Border, find_border, picture_channels, stated_shape
from .detection import detection_of
from .dilation import with_dilations
from .fake_quantisation import FAKE_QUANTISATION
from .fixed_numbers import FOLDS
from .graph_def import TfNode, needed, plain, split_tensor
from .layers import LAYERS
from .moves import MOVES
from .tensor_proto import stated_bytes
from .translation import NUMBERS_OF_SHAPE, PASSED, VARIABLES, Translation

_SPARE = 1 << 25  # bytes of constants that a small file may become
_MOST_COMPUTED = 1 << 24  # elements of constants that a small file may make
RULES = {**LAYERS, **FUNCTIONS, **MOVES, **FAKE_QUANTISATION}
READ = frozenset((*RULES, *FOLDS, *PASSED, *NUMBERS_OF_SHAPE, *INPUTS, *VARIABLES, "Const"))


@dataclass(frozen=True)
class Source:
    """A graph with what belongs to it.

    Attributes:
        nodes: by name.
        where: the file's name, for messages.
        name: of the network.
        size: of the file in bytes, which bounds what is computed from it.
        variables: their values by the names of their nodes.
        names: by which inputs and outputs are known, where these are not the names of their tensors.
    """

    nodes: Mapping[str, TfNode]
    where: str
    name: str
    size: int
    variables: Mapping[str, Array] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


def require_bounded(nodes: Mapping[str, TfNode], size: int, where: str) -> None:
    """Refuse constants that become much larger than the file of `size` bytes.

    Raises:
        BadFile: they do.
    """
    total = sum(stated_bytes(n.attrs["value"].message(8)) for n in nodes.values() if n.op == "Const" and n.has("value"))
    if total > 4 * size + _SPARE:
        raise BadFile(f"{where}: its constants state {total} bytes; at most {4 * size + _SPARE} are read")


def stored_tensors(nodes: Mapping[str, TfNode]) -> dict[str, Array]:
    """Give the tensors of floats that nodes hold, by name."""
    floats = [n for n in nodes.values() if n.op == "Const" and _is_float(n)]
    return {node.name: node.tensor() for node in floats}


def _is_float(node: TfNode) -> bool:
    try:
        dtype = node.dtype("dtype")
    except Unsupported:  # texts
        return False
    return dtype is not None and np.dtype(dtype).kind == "f"


def read_network(source: Source, cut: Cut) -> Network:
    """Make the network of a graph.

    The number of pictures is left open where the graph would take any but states one. An input of the cut may state its
    shape, "NAME[1x224x224x3]", in the source's layout.

    Raises:
        Unsupported: operations are not implemented.
        BadFile: the graph is damaged.
        UnknownName: the cut names tensors that are not there.
        BadValue: the cut states a shape that is none.
    """
    source = replace(source, nodes=with_dilations(source.nodes))
    kept = cut.quantised == "kept"
    stated = {plain(name): shape for name, shape in map(stated_shape, cut.inputs)}
    border = find_border(source.nodes, replace(cut, inputs=tuple(stated)), READ, source.where)
    shapes = {
        tensor: stated.get(tensor) or _input_shape(source.nodes, tensor, source.where) for tensor in border.inputs
    }
    network = _with_open_batch(source, border, shapes, stated, kept)
    return network if cut.outputs else _as_detector(network, source, border, shapes)


def _with_open_batch(
    source: Source, border: Border, shapes: Mapping[str, Shape], stated: Mapping[str, Shape | None], kept: bool
) -> Network:
    """Translate for any number of pictures where that can be done, for the stated number otherwise."""
    opened = {t: shape if not shape or stated.get(t) else (None, *shape[1:]) for t, shape in shapes.items()}
    if opened != shapes:
        try:
            network = _translated(source, border, opened, kept)
            if all(v.shape and v.shape[0] is None for v in network.graph.outputs):
                return network
        except (BadFile, Unsupported):
            pass  # something in it counts on the stated number of pictures
    return _translated(source, border, shapes, kept)


def _as_detector(network: Network, source: Source, border: Border, shapes: Mapping[str, Shape]) -> Network:
    """Write into the spec what a detector's graph does behind the border, where it is one."""
    if border.outputs not in DETECTORS:
        return network
    found = detection_of(source.nodes, lambda tensor: _constant(source, border, shapes, tensor), source.where)
    if found is None:
        return network
    boxes, scores = border.outputs
    return as_detector(network, (boxes, "box_codes"), (scores, "probabilities"), *found)


def _constant(source: Source, border: Border, shapes: Mapping[str, Shape], tensor: str) -> Array | None:
    """Give a tensor that follows from constants and the size of the input; None where it does not."""
    try:
        graph = _translated(source, border._replace(outputs=(tensor,)), shapes, False).graph
    except (BadFile, Unsupported):
        return None
    maker = next((node for node in graph.nodes if plain(tensor) in node.outputs), None)
    name = maker.inputs[0] if maker is not None and maker.op == "Identity" else plain(tensor)
    return graph.constants.get(name)


def _translated(source: Source, border: Border, shapes: Mapping[str, Shape], kept: bool) -> Network:
    builder, nodes = Builder(source.where, source.size + _MOST_COMPUTED), source.nodes
    translation = Translation(builder, nodes, RULES, 4 * source.size + _SPARE, source.variables, kept)
    for tensor, shape in shapes.items():
        name = source.names.get(tensor, tensor)
        translation.values[tensor] = builder.input(name, shape, _input_dtype(nodes, tensor))
    for node in needed(nodes, border.outputs, border.inputs):
        translation.take(node)
    for tensor in border.outputs:
        builder.output(source.names.get(tensor, tensor), translation.tensor(tensor))
    graph = builder.finish(source.name)
    with np.errstate(all="ignore"):  # a damaged variance gives what TensorFlow gives: numbers that are none
        graph = fold_scales(fold_batch_norm(fold_pad_into_conv(graph)))
    return Network(graph, (*border.notes, *builder.notes))


def _input_shape(nodes: Mapping[str, TfNode], tensor: str, where: str) -> Shape:
    node, _ = split_tensor(tensor)
    shape = nodes[node].shape() if nodes[node].op in INPUTS else None
    if shape is not None:
        return shape
    channels = picture_channels(nodes, tensor)
    if channels is None:
        raise Unsupported(
            f"{where}: the shape of input {tensor!r} is not stated; state it, as in {tensor + '[1x224x224x3]'!r}"
        )
    height, width = _resized_to(nodes)
    return (None, height, width, channels)


def _resized_to(nodes: Mapping[str, TfNode]) -> tuple[int | None, int | None]:
    """Give the size to which a graph resizes pictures before its network, where it is the same everywhere."""
    sizes = {size for node in nodes.values() if node.op == "ResizeBilinear" for size in [_size_of(nodes, node)]}
    return sizes.pop() or (None, None) if len(sizes) == 1 else (None, None)


def _size_of(nodes: Mapping[str, TfNode], resize: TfNode) -> tuple[int, int] | None:
    """Give the size of a resize: one constant, or one constant for each number."""
    source = nodes.get(resize.inputs[1]) if len(resize.inputs) > 1 else None
    names = source.inputs if source and source.op == "Pack" else resize.inputs[1:]
    parts = [nodes[name] for name in names if name in nodes]
    if len(parts) > 2 or not all(part.op == "Const" for part in parts):
        return None
    values = np.concatenate([part.tensor().ravel() for part in parts]) if parts else np.zeros(0)
    return (int(values[0]), int(values[1])) if values.size == 2 else None


def _input_dtype(nodes: Mapping[str, TfNode], tensor: str) -> str:
    return nodes[split_tensor(tensor)[0]].dtype("dtype", "T", "DstT", "output_type") or "float32"

"""SavedModels of TensorFlow: a folder with a graph of functions, and its variables as a checkpoint.

Source: tensorflow/core/protobuf/{saved_model,meta_graph}.proto.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ...errors import BadFile
from ...graph import Array
from ..bounded import Reader, open_file
from ..foreign_file import Cut, ForeignFile
from ..protobuf import Message
from .bundle import Variables, read_bundle
from .functions import read_functions, with_functions
from .graph_def import TfNode, plain, read_nodes, split_tensor
from .network import Source, read_network, require_bounded, stored_tensors
from .translation import VARIABLES

_SERVING = "serving_default"
_STEPS = 32  # of values that only pass through


class Signature(NamedTuple):
    """What a SavedModel takes and gives: tensors of the graph by public names."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def read_saved_model(path: Path | str) -> ForeignFile:
    """Read a SavedModel.

    `tensors` holds its variables; the floats that the graph itself holds where there are none. The network is that of
    the signature "serving_default", or of the only one; its inputs and outputs have the names of the signature.

    Args:
        path: of the folder, or of saved_model.pb in it.

    Raises:
        BadFile: it cannot be read, or is damaged.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    file = open_file(folder / "saved_model.pb" if path.is_dir() else path)
    graphs = list(Message(file.data, file.where).messages(2))
    if not graphs:
        raise BadFile(f"{file.where} holds no graph; the saved_model.pb of a SavedModel is required")
    meta = next((g for g in graphs if "serve" in g.message(1).texts(4)), graphs[0])
    graph = meta.message(2)
    functions = read_functions(graph.message(2))
    nodes = with_functions(read_nodes(graph.messages(1)), functions, file.where)
    require_bounded(nodes, len(file), file.where)
    index = folder / "variables" / "variables.index"
    variables = read_bundle(index) if index.is_file() else Variables({}, (), {})
    signature = _signature(meta)
    source = _source(nodes, variables, signature, file)
    return ForeignFile(
        where=str(path),
        format="TensorFlow SavedModel",
        tensors=variables.tensors or stored_tensors(nodes),
        notes=variables.notes,
        build=lambda cut: read_network(source, _cut(cut, signature)),
    )


def _signature(meta: Message) -> Signature:
    """Give the signature that serves, or the only one that has outputs; an empty one where there is none."""
    found = {}
    for entry in meta.messages(5):
        sides = [{e.text(1): plain(e.message(2).text(1)) for e in entry.message(2).messages(n)} for n in (1, 2)]
        if sides[0] and sides[1]:
            found[entry.text(1)] = Signature(*sides)
    only = next(iter(found.values())) if len(found) == 1 else Signature({}, {})
    return found.get(_SERVING, only)


def _cut(cut: Cut, signature: Signature) -> Cut:
    """Give the tensors of the graph for a cut by names of the signature, or of tensors."""
    inputs = tuple(_tensor(n, signature) for n in cut.inputs) or tuple(signature.inputs.values())
    outputs = tuple(signature.outputs.get(n, n) for n in cut.outputs) or tuple(signature.outputs.values())
    return Cut(inputs, outputs, cut.quantised)


def _tensor(name: str, signature: Signature) -> str:
    """Give the tensor of an input, with the shape that may stand behind its name."""
    public, bracket, shape = name.partition("[")
    return signature.inputs.get(public, public) + bracket + shape


def _source(nodes: Mapping[str, TfNode], variables: Variables, signature: Signature, file: Reader) -> Source:
    keys = _keys(nodes)
    values: dict[str, Array] = {}
    for name, node in nodes.items():
        if node.op in VARIABLES:
            key = keys.get(name, name)
            value = variables.tensors.get(variables.keys.get(key, key))
            if value is not None:
                values[name] = value
    names = {tensor: name for side in signature for name, tensor in side.items()}
    size = len(file) + sum(a.nbytes for a in values.values())
    return Source(nodes, file.where, Path(file.where).parent.name or "saved_model", size, values, names)


def _keys(nodes: Mapping[str, TfNode]) -> dict[str, str]:
    """Give the key in the checkpoint of each variable: what the graph itself would restore into it."""
    found: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    restores = {name: _restored(nodes, node, lists) for name, node in nodes.items() if node.op == "RestoreV2"}
    for node in nodes.values():
        if node.op in ("Assign", "AssignVariableOp") and len(node.inputs) == 2:
            variable, value = (_origin(nodes, name) for name in node.inputs)
            restore, number = split_tensor(value)
            if number < len(restores.get(restore, ())):
                found[variable] = restores[restore][number]
    return found


def _restored(nodes: Mapping[str, TfNode], restore: TfNode, lists: dict[str, list[str]]) -> list[str]:
    """Give the keys of what a RestoreV2 gives, in the order of its outputs; `lists` are those that were read before."""
    source = _origin(nodes, restore.inputs[1]) if len(restore.inputs) == 3 else ""
    if source not in lists:
        texts = nodes.get(source)
        lists[source] = texts.texts() if texts is not None and texts.op == "Const" else []
    return lists[source]


def _origin(nodes: Mapping[str, TfNode], tensor: str) -> str:
    """Follow a tensor back through what only passes it on."""
    for _ in range(_STEPS):
        name, number = split_tensor(tensor)
        node = nodes.get(name)
        if node is None or node.op not in ("Identity", "IdentityN") or number >= len(node.inputs):
            break
        tensor = node.inputs[number]
    return tensor

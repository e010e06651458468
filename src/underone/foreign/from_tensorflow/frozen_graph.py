"""Frozen graphs of TensorFlow (.pb): a GraphDef whose variables have become constants."""

from pathlib import Path

from ...errors import BadFile
from ..bounded import open_file
from ..foreign_file import ForeignFile
from ..protobuf import Message
from .functions import read_functions, with_functions
from .graph_def import read_nodes
from .network import Source, read_network, require_bounded, stored_tensors


def read_frozen_graph(path: Path | str) -> ForeignFile:
    """Read a frozen graph.

    `tensors` holds every stored tensor of floats, under the name of its node.

    Args:
        path: of a GraphDef in protocol buffers' binary form.

    Raises:
        BadFile: it cannot be read, is no GraphDef, or is damaged.
    """
    file = open_file(Path(path))
    message = Message(file.data, file.where)
    nodes = with_functions(read_nodes(message.messages(1)), read_functions(message.message(2)), file.where)
    if not nodes:
        raise BadFile(f"{path} holds no node; a GraphDef in binary form is required")
    require_bounded(nodes, len(file), str(path))
    return ForeignFile(
        where=str(path),
        format="TensorFlow frozen graph",
        tensors=stored_tensors(nodes),
        build=lambda cut: read_network(Source(nodes, str(path), Path(path).stem, len(file)), cut),
    )

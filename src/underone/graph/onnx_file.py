"""An ONNX file as data that can be trusted: parsed, checked, bounded. No operator is understood here.

A model file is untrusted input: sizes are compared before anything is allocated, names and order are checked, external
data stays inside the file's folder.
"""

import hashlib
import heapq
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from ..compare import Verdict
from ..errors import BadFile, Unsupported
from ..files import read_file
from ..spec import InputSpec, ModelSpec, OutputSpec
from .graph import Array, Value
from .onnx_bytes import Raw, without_weights
from .onnx_tensor import DTYPE_NAMES, tensor_array

log = logging.getLogger("underone")

SPEC_KEY = "underone.spec"
VERDICT_KEY = "underone.verdict"
SHA256 = "sha256"  # fact of a verdict: of the bytes that were judged

LARGEST_FILE = 1 << 31  # bytes: protobuf's own limit
OLDEST_OPSET = 7
_PIECE = 4 << 20  # bytes that are hashed between two looks at memory


@dataclass(frozen=True)
class OnnxFile:
    """A checked file.

    Attributes:
        where: what to call the file in a message.
        opset: version of the standard operators.
        nodes: in execution order.
        inputs: without the weights; unknown sizes are None.
        outputs: names.
        constants: initializers by name.
        metadata: the file's metadata properties.
        name: the graph's own name.
    """

    where: str
    opset: int
    nodes: Sequence[onnx.NodeProto]
    inputs: Sequence[Value]
    outputs: Sequence[str]
    constants: Mapping[str, Array]
    metadata: Mapping[str, str]
    name: str


Content = bytes | memoryview


def open_onnx(source: Path | Content, name: str | None = None) -> OnnxFile:
    """Parse and check an ONNX file.

    Args:
        source: a path, or the bytes of a file (then there is no external data). The constants of a file that is given
            as bytes are views of them.
        name: what to call it in a message; the path by default.

    Raises:
        BadFile: no ONNX file, damaged, or inconsistent; the first fault is named.
        Unsupported: subgraphs, operators outside the standard domain, tensor types, opsets below 7.
    """
    where = name or (str(source) if isinstance(source, Path) else "ONNX bytes")
    model, raw = parse(source, where)
    _require_text(_texts(model.graph), where)
    return _checked(model, raw, where, source.parent if isinstance(source, Path) else None)


def parse(source: Path | Content, where: str) -> tuple[onnx.ModelProto, Raw]:
    """Parse the bytes of a file; nothing inside is checked yet.

    Returns:
        The model, and views of the raw data of its initializers by their position, which is left out of the model.

    Raises:
        BadFile: the file is missing, too large, or no ONNX file.
    """
    data = read_file(source, LARGEST_FILE, where) if isinstance(source, Path) else source
    small, raw = without_weights(data)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(small)
    except DecodeError as error:
        raise BadFile(
            f"{where} is no ONNX file, or a damaged one ({len(data)} bytes, starts with {bytes(data[:8])!r}); "
            "weights and networks of other programs become one by `underone convert`"
        ) from error
    if not model.HasField("graph") or not model.graph.output:
        raise BadFile(f"{where} holds no network; an ONNX model with a graph and outputs is required")
    return model, raw


def metadata_of(model: onnx.ModelProto, where: str) -> dict[str, str]:
    """Give the metadata properties of a parsed file.

    Raises:
        BadFile: a property is no text.
    """
    _require_text((text for p in model.metadata_props for text in (p.key, p.value)), where)
    return {p.key: p.value for p in model.metadata_props}


def read_verdict(source: Path | bytes, name: str | None = None) -> Verdict | None:
    """Read the verdict that travels inside a file, if it was given on these very bytes.

    Returns:
        None: the file has none, or has one that was given on other bytes; that is logged as a warning.

    Raises:
        BadFile: no ONNX file, or a verdict that cannot be read.
    """
    where = name or (str(source) if not isinstance(source, bytes) else "ONNX bytes")
    content = source if isinstance(source, bytes) else read_file(Path(source), LARGEST_FILE, where)
    metadata = metadata_of(parse(content, where)[0], where)
    verdict = verdict_of(content, metadata, where)
    if verdict is None and VERDICT_KEY in metadata:
        log.warning("the verdict in %s is on other bytes than the file has: unchecked", where)
    return verdict


def verdict_of(
    content: Content, metadata: Mapping[str, str], where: str, release: Callable[[], None] = lambda: None
) -> Verdict | None:
    """Give the verdict in a file that is parsed already; None where it has none on these very bytes.

    `release` is called after every few megabytes, so that a mapped file need never lie in memory as a whole.
    """
    text = metadata.get(VERDICT_KEY)
    if text is None:
        return None
    verdict, entry = Verdict.from_json(text, where), _verdict_entry(text)
    if content[-len(entry) :] != entry:
        return None
    judged, body = hashlib.sha256(), memoryview(content)[: -len(entry)]
    for at in range(0, len(body), _PIECE):
        judged.update(body[at : at + _PIECE])
        release()
    return verdict if verdict.facts.get(SHA256) == judged.hexdigest() else None


def with_verdict(content: bytes, verdict: Verdict) -> bytes:
    """Append a verdict to the bytes of the file that it was given on; its facts hold their sha256."""
    return content + _verdict_entry(verdict.to_json())


def _verdict_entry(text: str) -> bytes:
    # protobuf: a field appended to a message joins it, so the bytes that were judged stay as they are
    entry = onnx.StringStringEntryProto(key=VERDICT_KEY, value=text)
    return bytes(onnx.ModelProto(metadata_props=[entry]).SerializeToString())


def spec_of(file: OnnxFile, inputs: Sequence[Value], outputs: Sequence[Value]) -> ModelSpec:
    """Give the spec that travels inside the file, or one with names and shapes only.

    Raises:
        BadFile: the spec cannot be read, or names other inputs or outputs than the file has.
    """
    text = file.metadata.get(SPEC_KEY)
    spec = ModelSpec(name=file.name or "unnamed") if text is None else ModelSpec.from_json(text, file.where)
    for kind, stated, real in (("inputs", spec.inputs, inputs), ("outputs", spec.outputs, outputs)):
        if stated and [s.name for s in stated] != [v.name for v in real]:
            raise BadFile(
                f"{file.where}: its spec names the {kind} {[s.name for s in stated]}, the file {[v.name for v in real]}"
            )
    return spec


def with_borders(spec: ModelSpec, inputs: Sequence[Value], outputs: Sequence[Value]) -> ModelSpec:
    """Write names, shapes and dtypes of inputs and outputs into a spec; what else it says about them stays."""
    takes, gives = {i.name: i for i in spec.inputs}, {o.name: o for o in spec.outputs}
    fitted = {
        "inputs": tuple(takes.get(v.name, InputSpec(name=v.name)).model_copy(update=_border(v)) for v in inputs),
        "outputs": tuple(gives.get(v.name, OutputSpec(name=v.name)).model_copy(update=_border(v)) for v in outputs),
    }
    return spec.model_copy(update=fitted)


def _border(value: Value) -> dict[str, Any]:
    return {"shape": value.shape, "dtype": value.dtype}


def _checked(model: onnx.ModelProto, raw: Raw, where: str, folder: Path | None) -> OnnxFile:
    graph = model.graph
    _refuse_subgraphs(graph.node, where)
    if graph.sparse_initializer or model.functions:
        raise Unsupported(f"{where} has sparse initializers or functions of its own; inline them first")
    constants = {t.name: tensor_array(t, where, folder, raw.get(i)) for i, t in enumerate(graph.initializer)}
    inputs = [v for v in graph.input if v.name not in constants]
    _check_names(graph, where)
    return OnnxFile(
        where=where,
        opset=_opset(model, where),
        nodes=_in_order(graph.node, {*constants, *(v.name for v in inputs)}, where),
        inputs=[_value(v, where) for v in inputs],
        outputs=[v.name for v in graph.output],
        constants=constants,
        metadata=metadata_of(model, where),
        name=graph.name,
    )


def _texts(graph: onnx.GraphProto) -> Iterator[str]:
    yield graph.name
    for t in graph.initializer:
        yield t.name
    for v in (*graph.input, *graph.output):
        yield v.name
    for node in graph.node:
        yield from (node.op_type, node.domain, node.name, *node.input, *node.output, *(a.name for a in node.attribute))


def _require_text(texts: Iterable[str], where: str) -> None:
    """Protobuf gives bytes, or fails, where a text is no UTF-8."""
    try:
        damaged = not all(isinstance(text, str) for text in texts)
    except UnicodeDecodeError:
        damaged = True
    if damaged:
        raise BadFile(f"{where}: a name in the file is no text; the file is damaged")


def _opset(model: onnx.ModelProto, where: str) -> int:
    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    newest = onnx.defs.onnx_opset_version()
    if not versions or not OLDEST_OPSET <= max(versions) <= newest:
        raise Unsupported(
            f"{where} is written for opset {max(versions, default=None)}; {OLDEST_OPSET} to {newest} are read"
        )
    return int(max(versions))


def _refuse_subgraphs(nodes: Sequence[onnx.NodeProto], where: str) -> None:
    kinds = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
    found = Counter(n.op_type for n in nodes for a in n.attribute if a.type in kinds or a.HasField("g") or a.graphs)
    if found:
        raise Unsupported(f"{where} has branches or loops: {counted(found)}; only plain networks are read")


def counted(found: Mapping[str, int]) -> str:
    """Write names with how often they occur: 'If x2, Loop'."""
    clean = {name if name.isprintable() else repr(name): n for name, n in sorted(found.items())}
    return ", ".join(name if n == 1 else f"{name} x{n}" for name, n in clean.items())


def _check_names(graph: onnx.GraphProto, where: str) -> None:
    inputs = {v.name for v in graph.input}
    written = [t.name for t in graph.initializer if t.name not in inputs] + [v.name for v in graph.input]
    written += [name for node in graph.node for name in node.output if name]
    twice = [name for name, n in Counter(written).items() if n > 1]
    if twice or "" in written:
        raise BadFile(f"{where}: tensors {twice or ['']} are written more than once or have no name")
    lost = [v.name for v in graph.output if v.name not in set(written)]
    if lost:
        raise BadFile(f"{where}: outputs {lost} are written by no node")
    double = [name for name, n in Counter(v.name for v in graph.output).items() if n > 1]
    if double:
        raise BadFile(f"{where}: outputs {double} are listed twice")


def _in_order(nodes: Sequence[onnx.NodeProto], known: set[str], where: str) -> list[onnx.NodeProto]:
    """Sort nodes so that each stands behind those it reads; a file in order stays as it is."""
    written = known | {name for node in nodes for name in node.output}
    missing = sorted({name for node in nodes for name in node.input if name and name not in written})
    if missing:
        raise BadFile(f"{where}: tensors {missing[:5]} are read but written by no node")
    ordered = list(_sorted(nodes, known))
    if len(ordered) < len(nodes):
        raise BadFile(f"{where}: {len(nodes) - len(ordered)} nodes read each other in a circle")
    return ordered


def _sorted(nodes: Sequence[onnx.NodeProto], known: set[str]) -> Iterator[onnx.NodeProto]:
    waits = [{name for name in node.input if name and name not in known} for node in nodes]
    readers: dict[str, list[int]] = {}
    for i, names in enumerate(waits):
        for name in names:
            readers.setdefault(name, []).append(i)
    ready = [i for i, names in enumerate(waits) if not names]
    heapq.heapify(ready)  # the first that is ready in the file's own order
    while ready:
        node = nodes[heapq.heappop(ready)]
        yield node
        for name in node.output:
            for i in readers.get(name, ()):
                waits[i].discard(name)
                if not waits[i]:
                    heapq.heappush(ready, i)


def _value(value: onnx.ValueInfoProto, where: str) -> Value:
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type") or kind.elem_type not in DTYPE_NAMES:
        raise Unsupported(f"{where}: input {value.name!r} is no tensor of a type that is read")
    if not kind.HasField("shape"):
        raise BadFile(f"{where}: input {value.name!r} states no shape; at least its number of axes is required")
    dims = tuple(d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in kind.shape.dim)
    return Value(value.name, dims, DTYPE_NAMES[kind.elem_type])

"""An ONNX file, opened once: what it holds is bounded and described before any engine sees it."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import IO, Any, TypeVar

import onnx

from ..compare import Verdict
from ..errors import BadFile, BadValue, Unsupported
from ..files import MappedFile, fetch, map_file
from ..graph.onnx_file import LARGEST_FILE, SPEC_KEY, Content, metadata_of, parse, verdict_of
from ..spec import InputSpec, ModelSpec, OutputSpec, Shape
from .packaged import NETWORKS

T = TypeVar("T", InputSpec, OutputSpec)
Source = str | PathLike[str] | bytes | bytearray | memoryview | IO[bytes]

_FLOATS = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.BFLOAT16: "bfloat16",
    onnx.TensorProto.DOUBLE: "float64",
}


@dataclass(frozen=True)
class ModelFile:
    """A file that is ONNX as far as can be told without running it.

    Attributes:
        name: the path, or ``the model`` for bytes; for errors.
        content: what engines open: the bytes, or the path when weights lie in files beside it.
        mapped: the file that the bytes are a view of; None: they are a copy.
        spec: what the network is; of a foreign file names, shapes and dtypes only.
        weights: dtype of most of its weights, for example ``float32``.
        ours: whether the file brings a spec.
        quantised: whether it rounds tensors to whole numbers.
        verdict: what was proven of these very bytes when they were written; None: nothing.
    """

    name: str
    content: Content | Path
    spec: ModelSpec
    weights: str
    ours: bool = False
    quantised: bool = False
    verdict: Verdict | None = None
    mapped: MappedFile | None = None


def open_model(source: Source) -> ModelFile:
    """Read a file, check that it is ONNX, and describe it.

    Args:
        source: a path, the name of a packaged network, the bytes of a file, or an open binary file.

    Raises:
        BadValue: `source` is something else.
        FetchFailed: the packaged file is damaged.
        BadFile: no such file, not ONNX, cut short, without inputs or outputs, with a spec that does not fit,
            or with weights outside its own folder.
        Unsupported: an input or output is no tensor.
    """
    source = _path_or_bytes(source)
    path = None if isinstance(source, bytes) else source
    name = "the model" if path is None else str(path)
    mapped = None if isinstance(source, bytes) else map_file(source, LARGEST_FILE)
    content: Content = source if mapped is None else mapped.content  # type: ignore[assignment]
    model, _ = parse(content, name)
    metadata = metadata_of(model, name)
    external = [t for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    _check_external(external, path, name)
    return ModelFile(
        name,
        path if external and path else content,
        _describe(model, metadata, name),
        _weights_dtype(model.graph),
        ours=SPEC_KEY in metadata,
        quantised=any(node.op_type == "QuantizeLinear" for node in model.graph.node),
        verdict=_verdict(content, metadata, name, mapped),
        mapped=mapped,
    )


def _path_or_bytes(source: Any) -> Path | bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, PathLike) or (isinstance(source, str) and source):
        pinned = NETWORKS.get(str(source))
        return fetch(pinned) if pinned else Path(source)
    if hasattr(source, "read"):
        content = source.read()
        if isinstance(content, bytes):
            return content
    hint = "; export(model, path) writes one" if hasattr(source, "state_dict") else ""
    shown = repr(source) if isinstance(source, str | None) else f"a {type(source).__name__}"
    raise BadValue(f"{shown} is no file; the path of an ONNX file, its bytes, or an open binary file is required{hint}")


def _verdict(content: Content, metadata: Mapping[str, str], name: str, mapped: MappedFile | None) -> Verdict | None:
    try:
        return verdict_of(content, metadata, name, mapped.release if mapped else lambda: None)
    except BadFile:  # as good as none: no reason to refuse the network
        return None


def _check_external(tensors: list[onnx.TensorProto], path: Path | None, name: str) -> None:
    """Weights beside the file stay inside its folder and inside their own file."""
    for tensor in tensors:
        where = {e.key: e.value for e in tensor.external_data}
        location = Path(where.get("location", ""))
        beside = path.parent / location if path else location
        if path is None or not beside.resolve().is_relative_to(path.parent.resolve()):
            raise BadFile(f"{name}: weights {tensor.name!r} lie in {str(location)!r}, which is not below its folder")
        numbers = [where.get(key, "0") for key in ("offset", "length")]
        if not beside.is_file() or not all(n.isdigit() for n in numbers):
            raise BadFile(f"{name}: weights {tensor.name!r} are missing: no file {beside}")
        if sum(map(int, numbers)) > beside.stat().st_size:
            raise BadFile(f"{name}: weights {tensor.name!r} reach past the end of {beside}")


def _describe(model: onnx.ModelProto, metadata: Mapping[str, str], name: str) -> ModelSpec:
    weights = {t.name for t in model.graph.initializer}  # old files list their weights as inputs too
    inputs = tuple(InputSpec(**_border(v, name)) for v in model.graph.input if v.name not in weights)
    outputs = tuple(OutputSpec(**_border(v, name)) for v in model.graph.output)
    if not inputs:
        raise BadFile(f"{name} has no input; a network needs one")
    text = metadata.get(SPEC_KEY)
    if text is None:
        stem = Path(name).stem if name != "the model" else "unnamed"
        return ModelSpec(name=stem, inputs=inputs, outputs=outputs)
    spec = ModelSpec.from_json(text, name)
    fitted = {"inputs": _fitted(spec.inputs, inputs, name), "outputs": _fitted(spec.outputs, outputs, name)}
    return spec.model_copy(update=fitted)


def _fitted(described: tuple[T, ...], found: tuple[T, ...], name: str) -> tuple[T, ...]:
    """Join what the spec says with the names, shapes and dtypes of the file, which are what engines follow."""
    known = {d.name: d for d in described}
    if known and set(known) != {f.name for f in found}:
        raise BadFile(f"{name}: its spec describes {sorted(known)}, but the file has {[f.name for f in found]}")
    return tuple(known.get(f.name, f).model_copy(update={"shape": f.shape, "dtype": f.dtype}) for f in found)


def _border(value: onnx.ValueInfoProto, name: str) -> dict[str, Any]:
    """Return the name, shape and dtype of an input or output; None where any size is taken."""
    kind = value.type.tensor_type
    if not isinstance(value.name, str):  # protobuf gives bytes where the text is damaged
        raise BadFile(f"{name}: the name {value.name!r} in the file is no text; the file is damaged")
    if kind.elem_type not in onnx.TensorProto.DataType.values()[1:]:
        raise Unsupported(f"{name}: {value.name!r} is no tensor of a known type; only tensors go in and out")
    shape: Shape = tuple(d.dim_value if d.dim_value > 0 else None for d in kind.shape.dim)
    return {"name": value.name, "shape": shape, "dtype": onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name}


def _weights_dtype(graph: onnx.GraphProto) -> str:
    """Return the float dtype that most weights have, by elements; constants in nodes count as well."""
    tensors = list(graph.initializer)
    tensors += [a.t for n in graph.node if n.op_type == "Constant" for a in n.attribute if a.HasField("t")]
    elements: Counter[str] = Counter()
    for tensor in tensors:
        elements[_FLOATS.get(tensor.data_type, "")] += math.prod(tensor.dims)
    del elements[""]
    return elements.most_common(1)[0][0] if elements else "float32"

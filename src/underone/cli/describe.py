"""The command `info` on a file: what stands in its spec, what it holds or costs, what was proven about it."""

from pathlib import Path
from typing import Any

from ..errors import BadFile, Unsupported
from ..files import sha256_of
from ..foreign.read import find_format
from ..graph import count, read_onnx
from ..runtime.model_file import open_model
from ..spec import ModelSpec
from ..weights import read_safetensors
from ..weights.from_torch_file import SUFFIXES


def describe_file(path: Path) -> dict[str, Any]:
    """Return the facts of an ONNX or weight file as plain data.

    Raises:
        BadFile: the file is of neither kind, or damaged.
    """
    if path.suffix == ".safetensors":
        return _weights(path)
    _refuse_foreign(path)
    return _network(path)


def _refuse_foreign(path: Path) -> None:
    found = find_format(path) if path.suffix.lower() != ".onnx" else None
    kind = found.name if found else "PyTorch" if path.suffix in SUFFIXES else ""
    if kind:
        target = path.with_suffix(".onnx").name
        raise BadFile(f"{path} is a file of {kind}; convert it first: underone convert {path} -o {target}")


def _weights(path: Path) -> dict[str, Any]:
    arrays, spec = read_safetensors(path)
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
        **_spec(spec or ModelSpec()),
        "tensors": len(arrays),
        "values": sum(array.size for array in arrays.values()),
    }


def _spec(spec: ModelSpec) -> dict[str, Any]:
    facts = spec.model_dump(mode="json", exclude_none=True)
    labels = facts.pop("labels", None)
    if spec.detection is not None:
        grids = ", ".join(f"{g.rows} x {g.columns} of {len(g.shapes)}" for g in spec.detection.anchors)
        facts["detection"]["anchors"] = f"{spec.detection.anchor_count}: {grids or 'the outputs are boxes'}"
    return facts | {"labels": f"{len(labels)}: {', '.join(labels[:3])}, …" if labels else None}


def _network(path: Path) -> dict[str, Any]:
    file = open_model(path)
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
        **_spec(file.spec),
        **_cost(path),
        "verdict": str(file.verdict) if file.verdict else "none in the file: unchecked",
    }


def _cost(path: Path) -> dict[str, Any]:
    """Count what a file costs; a file with operators that a Graph has not, such as NonMaxSuppression, says which."""
    try:
        graph = read_onnx(path)
    except Unsupported as error:
        return {"not_counted": str(error)}
    cost = count(graph)
    return {
        "operators": len(graph.nodes),
        "params": cost.params,
        "macs": cost.macs,
        "longest_chain_of_operators": cost.depth,
        "bytes_moved": cost.bytes_moved,
        "peak_activation_bytes": cost.peak_activation_bytes,
    }

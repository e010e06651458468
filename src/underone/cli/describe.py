"""The command `info` on a file: what stands in its spec, what it holds or costs, what was proven about it."""

from pathlib import Path
from typing import Any

from ..errors import BadFile
from ..files import sha256_of
from ..foreign.read import find_format
from ..graph import count, read_onnx, read_verdict
from ..spec import ModelSpec
from ..weights import read_safetensors
from ..weights.from_torch_file import SUFFIXES


def describe_file(path: Path) -> dict[str, Any]:
    """Return the facts of an ONNX or weight file as plain data.

    Raises:
        BadFile: the file is of neither kind, or damaged.
        Unsupported: it has operators that cannot be counted.
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
    return facts | {"labels": f"{len(labels)}: {', '.join(labels[:3])}, …" if labels else None}


def _network(path: Path) -> dict[str, Any]:
    graph = read_onnx(path)
    cost = count(graph)
    verdict = read_verdict(path)
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
        **_spec(graph.spec),
        "operators": len(graph.nodes),
        "params": cost.params,
        "macs": cost.macs,
        "longest_chain_of_operators": cost.depth,
        "bytes_moved": cost.bytes_moved,
        "peak_activation_bytes": cost.peak_activation_bytes,
        "verdict": str(verdict) if verdict else "none in the file: unchecked",
    }

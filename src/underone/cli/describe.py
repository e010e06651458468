"""The command `info` on a file: what stands in its spec, what it costs, what was proven about it."""

from pathlib import Path
from typing import Any

from ..files import sha256_of
from ..graph import count, read_onnx, read_verdict


def describe_file(path: Path) -> dict[str, Any]:
    """Return the facts of an ONNX file as plain data.

    Raises:
        BadFile: no ONNX file.
        Unsupported: it has operators that cannot be counted.
    """
    graph = read_onnx(path)
    cost = count(graph)
    verdict = read_verdict(path)
    spec = graph.spec.model_dump(mode="json", exclude_none=True)
    labels = spec.pop("labels", None)
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
        **spec,
        "labels": f"{len(labels)}: {', '.join(labels[:3])}, …" if labels else None,
        "operators": len(graph.nodes),
        "params": cost.params,
        "macs": cost.macs,
        "depth": cost.depth,
        "bytes_moved": cost.bytes_moved,
        "peak_activation_bytes": cost.peak_activation_bytes,
        "verdict": str(verdict) if verdict else "none in the file: unchecked",
    }

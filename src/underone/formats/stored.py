"""The verdict that a file got when it was written, where it is still that file."""

from pathlib import Path

from ..compare import Verdict
from ..errors import BadFile
from ..files import map_file
from ..graph.onnx_file import SHA256
from ..runtime.model_file import open_model
from .read_back import FORMATS

_MOST_BYTES = 1 << 24  # of a verdict


def stored_verdict(path: Path) -> Verdict:
    """Give the verdict that a file got when it was written: inside ONNX, beside every other.

    Raises:
        BadFile: no such file, no verdict, one that cannot be read, or one that was given on other bytes.
    """
    verdict = verdict_beside(path) if path.suffix in FORMATS else open_model(path).verdict
    if verdict is None:
        raise BadFile(f"{path} holds no verdict on its own bytes; say what it is to be compared with: --against FILE")
    return verdict


def verdict_beside(path: Path) -> Verdict | None:
    """Give the verdict beside a file that is not ONNX; None where there is none on these very bytes.

    Raises:
        BadFile: a file is missing, or the verdict cannot be read.
    """
    row, proof = FORMATS[path.suffix], path.with_name(f"{path.name}.verdict.json")
    row.require_files(path)
    if not proof.is_file():
        return None
    verdict = Verdict.from_json(bytes(map_file(proof, _MOST_BYTES).content), str(proof))
    return verdict if verdict.facts.get(SHA256) == row.sums(path, path.name) else None

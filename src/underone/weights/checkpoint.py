"""Read a weight file of any kind we know into our names, with everything that the file says about its network."""

from dataclasses import dataclass
from pathlib import Path

from ..errors import BadFile
from ..spec import ModelSpec
from .from_torch_file import SUFFIXES, read_torch_file
from .recognise import Recognised, recognise
from .store import read_safetensors


@dataclass(frozen=True)
class Checkpoint:
    """A weight file that was read.

    Attributes:
        path: the file.
        network: what it holds, told from names and shapes.
        spec: the spec that stands in the file; None when another program wrote it.
    """

    path: Path
    network: Recognised
    spec: ModelSpec | None


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a .safetensors or torch file in our names, Apple's, timm's, torchvision's or mmpretrain's.

    Raises:
        BadFile: no such file, another suffix, corrupt, hostile, or of no layout we know.
        WeightsMismatch: the layout is known, but single tensor names do not fit it.
        MissingExtra: a torch file is given and torch is not installed.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        arrays, spec = read_safetensors(path)
    elif path.suffix in SUFFIXES:
        arrays, spec = read_torch_file(path), None
    else:
        raise BadFile(f"{path}: no weight file; .safetensors, {', '.join(SUFFIXES)} are read")
    return Checkpoint(path, recognise(arrays, str(path), spec.name if spec else None), spec)

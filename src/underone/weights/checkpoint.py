"""Read a weight file of any kind we know into our names, with everything that the file says about its network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadFile
from ..spec import ModelSpec
from .from_torch_file import SUFFIXES, read_torch_file
from .layout import Layout
from .layouts import LAYOUTS
from .recognise import Recognised, recognise
from .store import Weights, read_safetensors

if TYPE_CHECKING:
    from ..foreign import ForeignFile


@dataclass(frozen=True)
class Checkpoint:
    """A weight file that was read.

    Attributes:
        path: the file.
        network: what it holds, told from names and shapes.
        spec: the spec that stands in the file; None when another program wrote it.
        file: what else it holds, if it is one of TensorFlow, Keras, Caffe or TFLite.
    """

    path: Path
    network: Recognised
    spec: ModelSpec | None = None
    file: "ForeignFile | None" = None


def read_arrays(path: Path) -> Weights:
    """Read the arrays of a .safetensors or torch file under the file's own names.

    Raises:
        BadFile: another format, corrupt or hostile.
        MissingExtra: a torch file is given and torch is not installed.
    """
    return read_safetensors(path)[0] if path.suffix == ".safetensors" else read_torch_file(path)


def read_checkpoint(path: str | Path, layouts: Sequence[Layout] = LAYOUTS) -> Checkpoint:
    """Read a file of weights under any names that we know.

    Args:
        path: a .safetensors or torch file; a file of TensorFlow, Keras or Caffe.
        layouts: the names that are known; put one of your own before `LAYOUTS`.

    Raises:
        BadFile: no such file, another format, corrupt, hostile, or of no layout we know.
        WeightsMismatch: the layout is known, but single tensor names do not fit it.
        MissingExtra: a torch file is given and torch is not installed.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        arrays, spec = read_safetensors(path)
        return Checkpoint(path, recognise(arrays, str(path), spec.name if spec else None, layouts), spec)
    from ..foreign.read import FORMATS, find_format, read_foreign  # loads onnx, which listing models does without

    if find_format(path) is not None:
        return recognise_file(path, read_foreign(path), layouts)
    if path.suffix not in SUFFIXES:
        raise BadFile(_why_not_read(path, [entry.name for entry in FORMATS]))
    return Checkpoint(path, recognise(read_torch_file(path), str(path), None, layouts))


def _why_not_read(path: Path, formats: Sequence[str]) -> str:
    if path.is_dir():
        return f"{path} is a folder without a SavedModel (saved_model.pb) or a TensorFlow checkpoint (*.index)"
    if not path.exists():
        return f"{path}: there is no such file"
    known = f".safetensors, {', '.join(SUFFIXES)} are read, and files of {', '.join(formats)}"
    return f"{path}: no weight file by its suffix; {known}"


def recognise_file(path: Path, file: "ForeignFile", layouts: Sequence[Layout] = LAYOUTS) -> Checkpoint:
    """Tell which network the arrays of another framework's file are of.

    Raises:
        BadFile: none that we know, or a TFLite file, whose weights are those of a folded network in other layouts.
        WeightsMismatch: single tensor names do not fit it.
    """
    if file.format == "TFLite":
        raise BadFile(
            f"{path}: a TFLite file is taken over as a network, not as weights; convert it to .onnx as it is, "
            "without the name of a network of ours"
        )
    return Checkpoint(path, recognise(dict(file.tensors), str(path), None, layouts), file=file)

"""The zoo's side: a name or a file of weights becomes a model, a model becomes a file."""

from pathlib import Path
from typing import cast

from torch import nn

from ..compare import Verdict
from ..errors import BadValue
from ..fold import reparameterize
from ..foreign.read import find_format
from ..formats import export
from ..graph import read_verdict
from ..spec import ModelSpec
from ..weights import SUFFIXES, read_checkpoint, save_weights
from ..zoo import create_model


def open_model(source: str, name: str | None = None) -> nn.Module:
    """Build the model that a name of the zoo or a weight file stands for, in eval mode.

    Args:
        source: ``mobileone_s0``, ``mobilenet_v2_100.torchvision_in1k``, or the path of a weight file.
        name: network of a weight file; recognised from its tensors when left out.

    Raises:
        UnknownName: no such network or tag.
        BadFile: the file is not readable, or of no layout we know.
        WeightsMismatch: the file does not fit the network.
    """
    path = Path(source)
    if not (path.suffix in (".safetensors", *SUFFIXES) or path.exists() or find_format(path)):
        return create_model(name or source).eval()
    checkpoint = read_checkpoint(path)
    return create_model(name or checkpoint.network.model, weights=checkpoint).eval()


def fold_model(source: str, output: Path, name: str | None = None) -> Verdict:
    """Fold what `open_model` gives, write it, and return the certificate.

    Raises:
        ParityFailed: the folded form differs; nothing was written.
    """
    folded = reparameterize(open_model(source, name))
    write_model(folded, output)
    return cast(Verdict, folded.certificate)


def write_model(model: nn.Module, output: Path) -> Verdict | None:
    """Write a model as weights (.safetensors) or as a folded network (.onnx); return the network's verdict."""
    if output.suffix == ".safetensors":
        save_weights(model, output)
        return None
    if output.suffix != ".onnx":
        raise BadValue(f"{output}: the suffix says the form; .safetensors (weights) or .onnx (network) is required")
    folded = model if cast(ModelSpec, model.spec).form == "folded" else reparameterize(model)
    return read_verdict(export(folded, output))

"""From a name or a foreign file to a model, and from a model to the file that its suffix names."""

from pathlib import Path
from typing import Literal, cast

from torch import nn

from .compare import Verdict
from .errors import BadValue
from .fold import reparameterize
from .formats import export
from .graph import read_verdict
from .spec import Frozen, ModelSpec
from .weights import read_checkpoint, save_weights
from .zoo import create_model


class Conversion(Frozen):
    """What was read and what was written.

    Attributes:
        source: the given file.
        layout: whose tensor names it had.
        form: ``training`` or ``folded``, as found.
        output: the written file.
        spec: what the network is, preparation and origin included.
        tensors: (our name, shape) of every tensor that was read, in our order.
        verdict: the proof of the written network; None when only weights were written.
    """

    source: str
    layout: str
    form: Literal["training", "folded"]
    output: str
    spec: ModelSpec
    tensors: tuple[tuple[str, tuple[int, ...]], ...]
    verdict: Verdict | None = None


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
    if not (path.suffix in (".safetensors", ".pth", ".pt", ".tar", ".ckpt") or path.is_file()):
        return create_model(name or source).eval()
    return create_model(name or read_checkpoint(path).network.model, weights=path).eval()


def convert(source: str | Path, output: str | Path, to: str | None = None) -> Conversion:
    """Read a checkpoint in any known layout and write it in our names, or as a network that runs.

    Args:
        source: weight file of torchvision, timm, Apple, mmpretrain, or ours.
        output: .safetensors for the weights in the form found, .onnx for the folded network.
        to: the network; recognised when left out.

    Raises:
        BadFile: the source is not readable or of no layout we know, or the output cannot be written.
        BadValue: the output has another suffix.
        WeightsMismatch: the file does not fit the network.
    """
    found = read_checkpoint(source)
    model = create_model(to or found.network.model, weights=source).eval()
    state = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    verdict = write_model(model, Path(output))
    return Conversion(
        source=str(source),
        layout=found.network.layout.source,
        form=found.network.layout.form,
        output=str(output),
        spec=cast(ModelSpec, model.spec),
        tensors=tuple(state.items()),
        verdict=verdict,
    )


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

"""evaluate: a network of any form on labelled pictures."""

from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..data import open_pictures
from ..errors import BadValue
from ..runtime import Engine, load
from ..spec import ModelSpec, OutputSpec
from ..weights import read_checkpoint
from ..zoo import create_model
from .classification import Answer, ClassScore, score_classes

if TYPE_CHECKING:
    from torch import nn

_TOGETHER = 16  # pictures in one call of a torch module


def evaluate(
    net: "Engine | nn.Module | str | PathLike[str]",
    data: Any,
    *,
    backend: str = "auto",
    threads: int | None = None,
    precision: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> ClassScore:
    """Score a classifier on pictures with known classes.

    Args:
        net: an engine; a torch module with a spec; or a file: .onnx runs on an engine, weights in any known layout
            run in torch, in the form that they have.
        data: what `open_pictures` takes; the class order is that of the network's labels, where it has labels.
        backend: engine for an .onnx file.
        threads: of that engine.
        precision: of that engine.
        progress: told (done, total) pictures.

    Raises:
        BadValue: the network does not classify, or has other classes than the data.
        BadFile: no such data or network.
    """
    if isinstance(net, str | PathLike) and Path(net).suffix == ".onnx":
        with load(fspath(net), backend=backend, threads=threads, precision=precision) as opened:
            return evaluate(opened, data, progress=progress)
    if isinstance(net, str | PathLike):
        net = create_model(read_checkpoint(fspath(net)).network.model, weights=net)
    spec = cast(ModelSpec, net.spec)
    output = _scores(spec)
    pictures = open_pictures(Path(data) if isinstance(data, str) else data, spec.labels)
    return score_classes(
        _of_engine(net, output) if isinstance(net, Engine) else _of_module(net),
        pictures,
        spec.input,
        batch=1 if isinstance(net, Engine) else _TOGETHER,
        logits=output.meaning == "logits",
        progress=progress,
    )


def _scores(spec: ModelSpec) -> OutputSpec:
    for output in spec.outputs:
        if spec.task == "classify" and output.meaning in ("logits", "probabilities"):
            return output
    raise BadValue(f"{spec.name!r} has the task {spec.task!r}; a classifier whose file says so is required")


def _of_engine(net: Engine, output: OutputSpec) -> Answer:
    return lambda images: net.run(images)[output.name]


def _of_module(model: "nn.Module") -> Answer:
    from .of_torch import answer_of

    return answer_of(model)

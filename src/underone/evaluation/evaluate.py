"""evaluate: a file of any form on labelled pictures."""

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

from ..data import open_pictures
from ..errors import BadValue
from ..runtime import Engine, load
from .classification import ClassScore, score_classes


def evaluate(
    net: Engine | str | PathLike[str],
    data: Any,
    *,
    backend: str = "auto",
    threads: int | None = None,
    precision: str = "float32",
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> ClassScore:
    """Score a classifier on pictures with known classes.

    Args:
        net: an engine, or the file of a network.
        data: what `open_pictures` takes; the class order is that of the network's labels, where it has labels.
        backend: engine for a file.
        threads: of that engine.
        precision: of that engine.
        progress: told (done, total).

    Raises:
        BadValue: the network does not classify, or has other classes than the data.
        BadFile: no such data or network.
    """
    if not isinstance(net, Engine):
        with load(net, backend=backend, threads=threads, precision=precision) as opened:
            return evaluate(opened, data, progress=progress)
    spec = net.spec
    output = next((o for o in spec.outputs if o.meaning in ("logits", "probabilities")), None)
    if spec.task != "classify" or output is None:
        raise BadValue(f"{spec.name!r} has the task {spec.task!r}; a classifier whose file says so is required")
    pictures = open_pictures(Path(data) if isinstance(data, str) else data, spec.labels)
    return score_classes(
        lambda images: net.run(images)[output.name],
        pictures,
        spec.input,
        logits=output.meaning == "logits",
        progress=progress,
    )

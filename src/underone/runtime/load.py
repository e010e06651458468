"""load: an ONNX file → an Engine."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from .. import settings
from ..errors import BadValue
from ..graph import read_onnx, to_onnx
from ..graph.layers import keep_layers
from .backends import Precision
from .engine import Engine, open_engine
from .model_file import ModelFile, Source, open_model

log = logging.getLogger("underone")

MOST_THREADS = 512  # libraries start what they are told, until the memory is gone


def load(
    source: Source,
    backend: str = "auto",
    threads: int | None = None,
    precision: Precision | None = None,
    *,
    layers: Sequence[str] | None = None,
) -> Engine:
    """Load an ONNX file, ours or anybody's, on an engine.

    A file of ours that carries no proof of its own bytes is loaded with a warning in the log: ``unchecked``.

    Args:
        source: path of the file, its bytes, an open binary file, or the name of a network in 8 bits that comes with
            the package: ``mobileone_s0.clothing10_int8``, ``mobilenet_v2_100.clothing10_int8``.
        backend: ``native`` (our own engine), ``onnxruntime``, ``openvino``, ``mlx`` (Apple's), ``torch``,
            ``reference`` (plain numpy, slow, always there), or ``auto``: the first of native, onnxruntime, openvino and
            reference that is installed and has all that the file needs.
        threads: threads to calculate with; None: UNDERONE_THREADS, or 1. The reference and MLX cannot be told: numpy's
            BLAS keeps the threads that it was started with.
        precision: number format to calculate in, ``float32`` unless said otherwise. A file with float16 weights is
            calculated as its own operators say. The native engine keeps single layers in float32 on request:
            ``{"default": "bfloat16", "/classifier/Gemm": "float32"}``, with the names that `Engine.profile` shows.
        layers: give these layers instead of the network's own outputs, and leave out what they do not need:
            ``["stage2", "stage4"]``, for `Engine.features`. ``underone info FILE --layers`` lists the names.

    Returns:
        The engine, to be closed by `close()` or a with block when the weights should go before the engine does.

    Raises:
        BadFile: no such file, not ONNX, damaged, or refused by the engine.
        BadValue: `source` is nothing of that, threads is no whole number, below 1, or beyond any machine, or a layer
            is to be in another precision than the network's or float32; or `layers` is empty.
        UnknownName: no such backend or layer.
        MissingExtra: the backend's package is not installed.
        Unsupported: the backend does not calculate in `precision`, or the reference lacks an operator; or layers are
            asked of a file with operators that we do not read.
    """
    threads = wanted_threads(threads)
    file = open_model(source)
    if file.ours and file.verdict is None:
        log.warning("%s is unchecked: it holds no verdict on its own bytes", file.name)
    return open_engine(file if layers is None else _cut(file, layers), backend, threads, precision)


def wanted_threads(given: int | None) -> int:
    """Return the threads that are asked for, or those of UNDERONE_THREADS.

    Raises:
        BadValue: no whole number, below 1, or beyond any machine.
    """
    threads = settings.threads() if given is None else given
    if not isinstance(threads, int) or not 1 <= threads <= MOST_THREADS:
        raise BadValue(f"threads={threads!r}; a whole number from 1 to {MOST_THREADS} is required")
    return threads


def _cut(file: ModelFile, layers: Sequence[str]) -> ModelFile:
    """Make a file that gives layers of another one."""
    graph = keep_layers(read_onnx(file.content, file.name), layers)
    return replace(open_model(to_onnx(graph)), name=file.name)

"""load: an ONNX file → an Engine."""

import logging

from .. import settings
from ..errors import BadValue
from .backends import Precision
from .engine import Engine, open_engine
from .model_file import Source, open_model

log = logging.getLogger("underone")

MOST_THREADS = 512  # libraries start what they are told, until the memory is gone


def load(
    source: Source, backend: str = "auto", threads: int | None = None, precision: Precision | None = None
) -> Engine:
    """Load an ONNX file, ours or anybody's, on an engine.

    A file of ours that carries no proof of its own bytes is loaded with a warning in the log: ``unchecked``.

    Args:
        source: path of the file, its bytes, or an open binary file.
        backend: ``native`` (our own engine), ``onnxruntime``, ``openvino``, ``torch``, ``reference`` (plain numpy,
            slow, always there), or ``auto``: the first of native, onnxruntime, openvino and reference that is
            installed and has all that the file needs.
        threads: threads to calculate with; None: UNDERONE_THREADS, or 1. Only the reference cannot be told: numpy's
            BLAS keeps the threads that it was started with.
        precision: number format to calculate in, ``float32`` unless said otherwise. A file with float16 weights is
            calculated as its own operators say. The native engine keeps single layers in float32 on request:
            ``{"default": "bfloat16", "/classifier/Gemm": "float32"}``, with the names that `Engine.profile` shows.

    Returns:
        The engine, to be closed by `close()` or a with block when the weights should go before the engine does.

    Raises:
        BadFile: no such file, not ONNX, damaged, or refused by the engine.
        BadValue: `source` is nothing of that, threads is no whole number, below 1, or beyond any machine, or a layer
            is to be in another precision than the network's or float32.
        UnknownName: no such backend or layer.
        MissingExtra: the backend's package is not installed.
        Unsupported: the backend does not calculate in `precision`, or the reference lacks an operator.
    """
    threads = settings.threads() if threads is None else threads
    if not isinstance(threads, int) or not 1 <= threads <= MOST_THREADS:
        raise BadValue(f"threads={threads!r}; a whole number from 1 to {MOST_THREADS} is required")
    file = open_model(source)
    if file.ours and file.verdict is None:
        log.warning("%s is unchecked: it holds no verdict on its own bytes", file.name)
    return open_engine(file, backend, threads, precision)

"""load: an ONNX file → an Engine."""

from .. import settings
from ..errors import BadValue
from .engine import Engine, open_engine
from .model_file import Source, open_model


def load(source: Source, backend: str = "auto", threads: int | None = None, precision: str | None = None) -> Engine:
    """Load an ONNX file, ours or anybody's, on an engine.

    Args:
        source: path of the file, or its bytes.
        backend: ``native`` (our own engine), ``onnxruntime``, ``openvino``, ``torch``, ``reference`` (plain numpy,
            slow, always there), or ``auto``: the first of native, onnxruntime, openvino and reference that is
            installed and has all that the file needs.
        threads: threads to calculate with; None: UNDERONE_THREADS, or 1. Only the reference cannot be told: numpy's
            BLAS keeps the threads that it was started with.
        precision: number format to calculate in, ``float32`` unless said otherwise. A file with float16 weights is
            calculated as its own operators say.

    Returns:
        The engine, to be closed by `close()` or a with block when the weights should go before the engine does.

    Raises:
        BadFile: no such file, not ONNX, damaged, or refused by the engine.
        BadValue: threads below 1.
        UnknownName: no such backend.
        MissingExtra: the backend's package is not installed.
        Unsupported: the backend does not calculate in `precision`, or the reference lacks an operator.
    """
    threads = settings.threads() if threads is None else threads
    if threads < 1:
        raise BadValue(f"threads={threads}; a whole number from 1 up is required")
    return open_engine(open_model(source), backend, threads, precision)

"""Run with ONNX Runtime on the processor."""

from collections.abc import Mapping
from pathlib import Path

import onnxruntime

from ..errors import BadFile
from .backends import Array
from .model_file import ModelFile


class OnnxRuntime:
    """A session; sessions may be called by several threads at once, so clones share it."""

    def __init__(self, session: onnxruntime.InferenceSession, name: str) -> None:
        self.session = session
        self.name = name
        self.outputs = [output.name for output in session.get_outputs()]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once."""
        try:
            results = self.session.run(self.outputs, dict(inputs))
        except Exception as error:  # its errors have no common base class
            raise BadFile(f"{self.name}: onnxruntime cannot run it: {_reason(error)}") from error
        return dict(zip(self.outputs, results, strict=True))

    def clone(self) -> "OnnxRuntime":
        """Share the session."""
        return OnnxRuntime(self.session, self.name)


def open_model(file: ModelFile, threads: int, precision: str) -> OnnxRuntime:  # noqa: ARG001 - float32 alone
    """Open a file on exactly `threads` threads.

    Raises:
        BadFile: ONNX Runtime refuses the file.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # fatal only; everything else comes as an exception
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # its threads wait in a busy loop for more work inside a run, but never between two runs
    options.add_session_config_entry("session.force_spinning_stop", "1")
    content = str(file.content) if isinstance(file.content, Path) else bytes(file.content)
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common base class
        raise BadFile(f"{file.name}: onnxruntime refuses it: {_reason(error)}") from error
    return OnnxRuntime(session, file.name)


def _reason(error: Exception) -> str:
    """Return the first line, without the code in front: ``[ONNXRuntimeError] : 1 : FAIL : ``."""
    return str(error).splitlines()[0].split(" : ", 3)[-1]

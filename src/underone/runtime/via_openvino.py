"""Run with OpenVINO on the processor."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino

from ..errors import BadFile, Unsupported
from .backends import Array
from .model_file import ModelFile

# left alone, OpenVINO calculates in bfloat16 wherever the processor can
_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_CAPABILITIES = {"bfloat16": "BF16", "float16": "FP16"}


class OpenVino:
    """A compiled network and one request on it; clones share the network and make their own request."""

    def __init__(self, compiled: Any, name: str, outputs: list[str]) -> None:
        self.compiled = compiled
        self.name = name
        self.outputs = outputs
        self.request = compiled.create_infer_request()

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once."""
        try:
            # inputs are read in place; outputs live in the request and are copied out of it
            results = self.request.infer(dict(inputs), share_inputs=True, share_outputs=True)
        except RuntimeError as error:
            raise BadFile(f"{self.name}: openvino cannot run it: {_reason(error)}") from error
        return {name: np.array(results[i]) for i, name in enumerate(self.outputs)}

    def clone(self) -> "OpenVino":
        """Share the compiled network."""
        return OpenVino(self.compiled, self.name, self.outputs)


def open_model(file: ModelFile, threads: int, precision: str) -> OpenVino:
    """Open a file on exactly `threads` threads, one stream, for latency.

    Raises:
        BadFile: OpenVINO refuses the file.
        Unsupported: the processor has no instructions for `precision`.
    """
    core = openvino.Core()
    able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if _CAPABILITIES.get(precision, "FP32") not in able:
        raise Unsupported(f"openvino does not calculate in {precision} on this processor; it has {', '.join(able)}")
    config = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
    }
    try:
        if isinstance(file.content, bytes):
            model = core.read_model(model=file.content, weights=b"")
        else:
            model = core.read_model(model=str(file.content))
        compiled = core.compile_model(model, "CPU", config)
    except RuntimeError as error:
        raise BadFile(f"{file.name}: openvino refuses it: {_reason(error)}") from error
    return OpenVino(compiled, file.name, [output.name for output in file.spec.outputs])


def _reason(error: Exception) -> str:
    """Return the last line that says something; those before it are places in OpenVINO's sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if not line.startswith("Exception from")), "no reason given")

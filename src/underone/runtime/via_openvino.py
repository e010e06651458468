"""Run with OpenVINO on the processor."""

from collections.abc import Mapping, Sequence
from pathlib import Path
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
    """A network, compiled for the input shapes of the last run; clones share both and make their own request.

    One size after another is compiled, never open sizes: OpenVINO is faster so, and with one thread it gives whatever
    is in memory, without an error, where shapes inside a network of open sizes do not fit (seen with 2026.4).
    """

    def __init__(self, model: Any, config: Mapping[str, Any], name: str, outputs: Sequence[str]) -> None:
        self.model = model
        self.config = config
        self.name = name
        self.outputs = outputs
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.compiled: Any = None
        self.request: Any = None

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once; the first run with new shapes compiles."""
        shapes = {name: array.shape for name, array in inputs.items()}
        try:
            if shapes != self.shapes:
                self._compile(shapes)
            # inputs are read in place; outputs live in the request and are copied out of it
            results = self.request.infer(dict(inputs), share_inputs=True, share_outputs=True)
        except RuntimeError as error:
            raise BadFile(f"{self.name}: openvino cannot run it: {reason_of(error)}") from error
        return {name: np.array(results[i]) for i, name in enumerate(self.outputs)}

    def clone(self) -> "OpenVino":
        """Share the network and what was compiled of it."""
        twin = OpenVino(self.model, self.config, self.name, self.outputs)
        if self.compiled is not None:
            twin._adopt(self.shapes, self.compiled)
        return twin

    def _compile(self, shapes: dict[str, tuple[int, ...]]) -> None:
        model = self.model.clone()  # shares the weights
        model.reshape({name: list(shape) for name, shape in shapes.items()})
        self._adopt(shapes, openvino.Core().compile_model(model, "CPU", dict(self.config)))

    def _adopt(self, shapes: dict[str, tuple[int, ...]], compiled: Any) -> None:
        self.shapes, self.compiled = shapes, compiled
        self.request = compiled.create_infer_request()


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
        if isinstance(file.content, Path):
            model = core.read_model(model=str(file.content))
        else:
            model = core.read_model(model=bytes(file.content), weights=b"")
    except RuntimeError as error:
        raise BadFile(f"{file.name}: openvino refuses it: {reason_of(error)}") from error
    return OpenVino(model, config, file.name, [output.name for output in file.spec.outputs])


_NO_REASON = ("Exception from", "Check ", "FrontEnd API", "Model wasn't", "Summary:", "-- Conversion", "To facilitate")


def reason_of(error: Exception) -> str:
    """Return the last line that says why; the others say where in OpenVINO's sources, or whom to ask."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line.removeprefix("-- ") for line in lines if not line.startswith(_NO_REASON)]
    return reasons[-1] if reasons else "no reason given"

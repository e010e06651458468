"""A TFLite file of ours as a form that runs: by LiteRT, with pictures and maps channels first again."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from ...graph import Array
from ...spec import ModelSpec
from ..forms import Form
from ..plain_names import plain_name
from .model import NHWC

_FIRST = (0, 3, 1, 2)


def of_tflite(path: Path, spec: ModelSpec) -> Form:
    """Run a file on one thread; `spec` says what its one input and its outputs are called, channels first."""
    interpreter = Interpreter(model_content=path.read_bytes(), num_threads=1)
    interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner()

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        given = {plain_name(n): a.transpose(NHWC) if a.ndim == 4 else a for n, a in inputs.items()}
        found = runner(**{n: np.ascontiguousarray(a) for n, a in given.items()})
        arrays = {output.name: found[plain_name(output.name)] for output in spec.outputs}
        return {n: np.array(a.transpose(_FIRST) if a.ndim == 4 else a) for n, a in arrays.items()}

    image = spec.input.model_copy(update={"shape": (1, *spec.input.shape[1:])})  # the batch that files are written for
    return Form("litert", spec.model_copy(update={"inputs": (image,)}), run)

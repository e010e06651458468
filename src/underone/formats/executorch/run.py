"""An ExecuTorch program as a form that runs, in the worker."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ...graph import Array
from ...spec import ModelSpec
from ..forms import Form
from .process import worker


@contextmanager
def of_pte(path: Path, spec: ModelSpec) -> Iterator[Form]:
    """Run a program as long as the block lasts; `spec` says what its one input and its outputs are called."""
    with tempfile.TemporaryDirectory() as folder, worker("run", path) as process:

        def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
            given = Path(folder) / "input.npy"
            np.save(given, inputs[spec.input.name])
            with np.load(process.ask(str(given), f"ExecuTorch cannot run {path.name}")) as found:
                return {output.name: found[f"arr_{i}"] for i, output in enumerate(spec.outputs)}

        image = spec.input.model_copy(update={"shape": (1, *spec.input.shape[1:])})
        yield Form("executorch", spec.model_copy(update={"inputs": (image,)}), run)

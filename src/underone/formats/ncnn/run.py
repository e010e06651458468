"""ncnn's files as a form that runs."""

from collections.abc import Mapping
from pathlib import Path

import ncnn
import numpy as np

from ...errors import ParityFailed
from ...graph import Array
from ...spec import ModelSpec
from ..forms import Form
from ..plain_names import plain_name
from .write import weights_path


def of_ncnn(path: Path, spec: ModelSpec) -> Form:
    """Run a network on one thread, in float32; `spec` says what its one input and its outputs are called."""
    net = ncnn.Net()
    net.opt.num_threads = 1
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    if net.load_param(str(path)) or net.load_model(str(weights_path(path))):
        raise ParityFailed(f"ncnn cannot load {path.name}; its own messages stand on the console")

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        extractor = net.create_extractor()
        for name, array in inputs.items():
            extractor.input(plain_name(name), ncnn.Mat(np.ascontiguousarray(array[0])).clone())
        found = {o.name: extractor.extract(plain_name(o.name)) for o in spec.outputs}
        lacking = [name for name, (failed, _) in found.items() if failed]
        if lacking:
            raise ParityFailed(f"ncnn does not give {', '.join(lacking)} of {path.name}")
        return {name: np.array(mat)[None] for name, (_, mat) in found.items()}

    image = spec.input.model_copy(update={"shape": (1, *spec.input.shape[1:])})
    return Form("ncnn", spec.model_copy(update={"inputs": (image,)}), run)

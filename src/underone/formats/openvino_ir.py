"""A Graph as OpenVINO IR, converted from our ONNX by OpenVINO itself, and run by it again."""

from pathlib import Path

import openvino

from ..errors import BadFile, Unsupported
from ..graph import Graph, to_onnx
from ..graph.onnx_file import SPEC_KEY
from ..runtime.via_openvino import OpenVino, reason_of
from ..spec import ModelSpec
from .forms import Form

_ONE_THREAD = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}

_SMALL = ("f16", "bf16", "i8", "u8", "i4", "u4")  # types of constants


def write_ir(graph: Graph, path: Path, dtype: str) -> None:
    """Write a network as ``.xml``, its weights beside it as ``.bin``, the spec in its runtime information.

    Args:
        graph: a network.
        path: of the ``.xml``.
        dtype: float16: weights are stored so; OpenVINO calculates in what the processor is best at.

    Raises:
        Unsupported: OpenVINO cannot take it.
    """
    try:
        model = openvino.Core().read_model(model=to_onnx(graph), weights=b"")
    except RuntimeError as error:
        raise Unsupported(f"{graph.spec.name} cannot be written for OpenVINO: {reason_of(error)}") from error
    model.set_rt_info(graph.spec.to_json(), [SPEC_KEY])
    openvino.save_model(model, path, compress_to_fp16=dtype == "float16")


def of_ir(path: Path, spec: ModelSpec) -> Form:
    """Run a file on one thread, in float32; `spec` says what its outputs are called."""
    adapter = OpenVino(_read(path), _ONE_THREAD, path.name, [output.name for output in spec.outputs])
    return Form("openvino", spec, adapter.run)


def is_small(path: Path) -> bool:
    """Tell whether a file holds weights of fewer bits than float32 has."""
    constants = (op for op in _read(path).get_ops() if op.get_type_name() == "Constant")
    return any(constant.get_element_type().get_type_name() in _SMALL for constant in constants)


def _read(path: Path) -> openvino.Model:
    try:
        return openvino.Core().read_model(path)
    except RuntimeError as error:
        raise BadFile(f"{path} cannot be read by OpenVINO: {reason_of(error)}") from error

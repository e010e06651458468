"""Small TFLite files, written with the schema that LiteRT itself comes with, and LiteRT to run them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest


@dataclass(frozen=True)
class T:
    """A tensor: its shape, or its value where it is constant."""

    shape: Sequence[int] = ()
    value: Any = None
    dtype: str = "float32"
    scale: Any = None
    zero: Any = 0
    axis: int = 0
    signature: Sequence[int] = ()

    @property
    def array(self):
        return None if self.value is None else np.asarray(self.value, self.dtype)


@dataclass
class Small:
    """A file of operators: (name, inputs, outputs, options), tensors by name."""

    tensors: dict[str, T]
    operators: list[tuple[str, str, str, dict[str, Any]]]
    inputs: str = "x"
    outputs: str = "y"
    metadata: dict[str, bytes] = field(default_factory=dict)

    def bytes(self):
        import flatbuffers
        from ai_edge_litert import schema_py_generated as s

        model, network = s.ModelT(), s.SubGraphT()
        model.version, model.subgraphs, model.buffers = 3, [network], [s.BufferT()]
        numbers = {name: i for i, name in enumerate(self.tensors)}
        network.tensors = [self._tensor(s, model, name, t) for name, t in self.tensors.items()]
        network.inputs = [numbers[n] for n in self.inputs.split()]
        network.outputs = [numbers[n] for n in self.outputs.split()]
        network.operators, model.operatorCodes = [], []
        for op, ins, outs, options in self.operators:
            code, operator = s.OperatorCodeT(), s.OperatorT()
            custom = not hasattr(s.BuiltinOperator, op)
            code.builtinCode = s.BuiltinOperator.CUSTOM if custom else getattr(s.BuiltinOperator, op)
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)
            code.customCode, code.version = (op if custom else None), {"BROADCAST_TO": 2}.get(op, 1)
            operator.opcodeIndex = len(model.operatorCodes)
            model.operatorCodes.append(code)
            operator.inputs = [numbers[n] if n != "-" else -1 for n in ins.split()]
            operator.outputs = [numbers[n] for n in outs.split()]
            if options:
                kind = options["kind"]
                made = getattr(s, f"{kind}T")()
                for name, value in options.items():
                    if name != "kind":
                        assert hasattr(made, name), name
                        setattr(made, name, value)
                operator.builtinOptions, operator.builtinOptionsType = made, getattr(s.BuiltinOptions, kind)
            network.operators.append(operator)
        model.metadata = []
        for name, content in self.metadata.items():
            entry, buffer = s.MetadataT(), s.BufferT()
            buffer.data = np.frombuffer(content, np.uint8)
            entry.name, entry.buffer = name, len(model.buffers)
            model.buffers.append(buffer)
            model.metadata.append(entry)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    @staticmethod
    def _tensor(s, model, name, t):
        tensor = s.TensorT()
        tensor.name, tensor.type = name, getattr(s.TensorType, {"bool": "BOOL"}.get(t.dtype, t.dtype.upper()))
        tensor.shape = list(t.shape if t.value is None else t.array.shape)
        if t.signature:
            tensor.shapeSignature = list(t.signature)
        tensor.buffer = 0
        if t.value is not None:
            buffer = s.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(t.array).tobytes(), np.uint8)
            tensor.buffer = len(model.buffers)
            model.buffers.append(buffer)
        if t.scale is not None:
            how = s.QuantizationParametersT()
            how.scale = np.atleast_1d(np.asarray(t.scale, np.float32))
            how.zeroPoint = np.broadcast_to(np.asarray(t.zero, np.int64), how.scale.shape)
            how.quantizedDimension = t.axis
            tensor.quantization = how
        return tensor


def run_litert(content, inputs):
    """Run a file with LiteRT; arrays in the file's own layout and types, in order."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return {d["name"]: interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()}


@pytest.fixture(scope="session")
def small():
    """Give (Small, T): how a test writes a file; skips where LiteRT is missing."""
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed (underone[litert])")
    return Small, T


@pytest.fixture(scope="session")
def litert(small):
    """Give the function (content, inputs) -> outputs by name."""
    return run_litert

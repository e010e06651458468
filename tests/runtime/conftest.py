"""Small networks written with onnx's own helper, with weights that are neither 0 nor 1."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper

from underone.spec import IMAGENET_PREPARATION, InputSpec, ModelSpec, OutputSpec

LABELS = tuple(f"thing {i}" for i in range(10))


def written(nodes, constants, inputs, outputs, spec=None, opset=17):
    """Return the bytes of a model; inputs and outputs are (name, elem_type, shape)."""
    tensors = [onnx.numpy_helper.from_array(v, k) for k, v in constants.items()]
    borders = [[helper.make_tensor_value_info(*b) for b in side] for side in (inputs, outputs)]
    graph = helper.make_graph(nodes, "net", *borders, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    if spec is not None:
        helper.set_model_props(model, {"underone.spec": spec.to_json()})
    return model.SerializeToString()


def classifier(dtype=np.float32, spec=None, batch="batch"):
    """Conv, BatchNorm, Relu, depthwise Conv, Clip, GlobalAveragePool, Flatten, Gemm: 3x32x32 to 10 logits."""
    rng = np.random.default_rng(7)
    constants = {
        "w": rng.normal(0, 0.3, (8, 3, 3, 3)), "scale": rng.uniform(0.5, 2, 8), "bias": rng.normal(0, 1, 8),
        "mean": rng.normal(0, 1, 8), "var": rng.uniform(0.5, 3, 8), "dw": rng.normal(0, 0.5, (8, 1, 3, 3)),
        "dwb": rng.normal(0, 1, 8), "low": np.array(0.0), "high": np.array(6.0),
        "fc": rng.normal(0, 2, (10, 8)), "fcb": rng.normal(0, 1, 10),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["a", "scale", "bias", "mean", "var"], ["b"], epsilon=1e-3),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Conv", ["c", "dw", "dwb"], ["d"], strides=[2, 2], pads=[0, 0, 1, 1], group=8),
        helper.make_node("Clip", ["d", "low", "high"], ["e"]),
        helper.make_node("GlobalAveragePool", ["e"], ["f"]),
        helper.make_node("Flatten", ["f"], ["g"]),
        helper.make_node("Gemm", ["g", "fc", "fcb"], ["logits"], transB=1),
    ]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    borders = [("image", kind, [batch, 3, 32, 32])], [("logits", kind, [batch, 10])]
    return written(nodes, {k: v.astype(dtype) for k, v in constants.items()}, *borders, spec)


def float16_inside():
    """The same with float16 weights and float32 at its borders, as our own export writes it."""
    model = onnx.load_model_from_string(classifier(np.float16))
    graph = model.graph
    for node in graph.node:
        node.input[:] = ["image16" if name == "image" else name for name in node.input]
        node.output[:] = ["logits16" if name == "logits" else name for name in node.output]
    nodes = [
        helper.make_node("Cast", ["image"], ["image16"], to=T.FLOAT16), *graph.node,
        helper.make_node("Cast", ["logits16"], ["logits"], to=T.FLOAT),
    ]  # fmt: skip
    del graph.node[:]
    graph.node.extend(nodes)
    for border in (*graph.input, *graph.output):
        border.type.tensor_type.elem_type = T.FLOAT
    return model.SerializeToString()


@pytest.fixture
def spec():
    return ModelSpec(
        name="tiny",
        task="classify",
        form="folded",
        inputs=(InputSpec(name="image", shape=(None, 3, 32, 32), preparation=IMAGENET_PREPARATION),),
        outputs=(OutputSpec(name="logits", shape=(None, 10), meaning="logits"),),
        labels=LABELS,
    )


@pytest.fixture
def described(spec):
    """A file of ours: with its spec."""
    return classifier(spec=spec)


@pytest.fixture
def foreign():
    """A file that somebody else wrote: names and shapes only."""
    return classifier()


@pytest.fixture
def foreign_float16():
    return classifier(np.float16)


@pytest.fixture
def mixed_float16():
    return float16_inside()


@pytest.fixture
def write_onnx():
    return written


@pytest.fixture
def image():
    return np.random.default_rng(1).normal(0, 1, (2, 3, 32, 32)).astype(np.float32)

"""Single layers stay in float32 where the network is bfloat16."""

import numpy as np
import pytest

from underone.compare import difference
from underone.errors import BadValue, UnknownName, Unsupported
from underone.graph import Graph, Node, Value, run_reference, to_onnx
from underone.runtime import load

pytest.importorskip("underone._native", reason="the compiled part is not installed")

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def network():
    """A convolution, a depthwise one with a function, and a classifier."""
    constants = {
        "w0": RNG.normal(0, 0.3, (32, 3, 3, 3)), "w1": RNG.normal(0, 0.3, (32, 1, 3, 3)),
        "w2": RNG.normal(0, 0.2, (48, 32, 1, 1)), "fc": RNG.normal(0, 0.2, (10, 48)), "b": RNG.normal(0, 1, 10),
    }  # fmt: skip
    pads = {"pads": (1, 1, 1, 1)}
    nodes = (
        Node("Conv", ("x", "w0"), ("a",), {**pads, "strides": (2, 2)}, "first"),
        Node("Conv", ("a", "w1"), ("b0",), {**pads, "group": 32}, "depthwise"),
        Node("Relu", ("b0",), ("b1",), {}, "relu"),
        Node("Conv", ("b1", "w2"), ("c",), {}, "project"),
        Node("GlobalAveragePool", ("c",), ("m",), {}, "mean"),
        Node("Flatten", ("m",), ("f",), {"axis": 1}, "flat"),
        Node("Gemm", ("f", "fc", "b"), ("y",), {"transB": 1}, "head"),
    )
    values = {n: c.astype(np.float32) for n, c in constants.items()}
    return Graph(nodes, (Value("x", (1, 3, 32, 32)),), (Value("y", ()),), values)


def error(network, precision):
    x = RNG.normal(0, 1, (1, 3, 32, 32)).astype(np.float32)
    with load(to_onnx(network), "native", precision=precision) as net:
        ops = {n: layer.op for layer in net.profile(rounds=1).layers for n in layer.nodes}
        found = net.clone().run(x)["y"]
    return difference(found, run_reference(network, {"x": x}, np.float64)["y"])[0], ops


def test_layers_by_themselves_are_nearer_to_the_reference(network):
    coarse, together = error(network, "bfloat16")
    names = ["first", "depthwise", "project", "mean", "head"]
    fine, apart = error(network, {"default": "bfloat16", **dict.fromkeys(names, "float32")})
    assert fine < 1e-10 < 1e-7 < coarse
    assert together["depthwise"] == together["project"] == "chain"
    assert (apart["depthwise"], apart["head"]) == ("Conv", "Gemm")


@pytest.mark.parametrize("name", ["first", "relu", "head"])
def test_only_the_named_layer_leaves_the_others(network, name):
    nmse, ops = error(network, {"default": "bfloat16", name: "float32"})
    assert 1e-8 < nmse < 1e-3
    assert ops[name][0].isupper()  # an operator on plain tensors
    assert "chain" in ops.values()


def test_precision_of_layers_that_cannot_be_says_why(network):
    content = to_onnx(network)
    with pytest.raises(UnknownName, match=r"unknown layer 'haed'. Did you mean 'head'\?"):
        load(content, "native", precision={"default": "bfloat16", "haed": "float32"})
    with pytest.raises(BadValue, match=r"precision of {'head': 'bfloat16'}; single layers can stay in 'float32'"):
        load(content, "native", precision={"default": "float32", "head": "bfloat16"})
    assert load(content, "native", precision={"head": "float32"}).precision == "float32"
    pytest.importorskip("openvino")
    with pytest.raises(Unsupported, match="backend 'openvino' calculates all layers in one precision; load with"):
        load(content, "openvino", precision={"default": "bfloat16", "head": "float32"})

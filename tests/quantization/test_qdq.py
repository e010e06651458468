"""The scheme in the graph: what is stored how, and who reads what."""

import numpy as np
import pytest

from underone.graph import infer_shapes, run_reference
from underone.image import prepare
from underone.quantization.layers import layers_of, quantized_tensors
from underone.quantization.qdq import to_qdq
from underone.quantization.scheme import Range, Scheme
from underone.quantization.walk import plain_weights


@pytest.fixture
def graph(make_network):
    return make_network()


def scheme_of(graph, kept=()):
    layers = [layer for layer in layers_of(graph) if layer.name not in kept]
    owners = quantized_tensors(graph, layers)
    return Scheme(dict.fromkeys(owners, Range(-8.0, 8.0)), {x.output: plain_weights(graph, x) for x in layers})


def test_every_layer_reads_whole_numbers(graph):
    written = to_qdq(graph, scheme_of(graph))
    makers = {name: node for node in written.nodes for name in node.outputs}
    for layer in layers_of(graph):
        node = next(n for n in written.nodes if n.outputs == layer.node.outputs)
        assert [makers[name].op for name in node.inputs] == ["DequantizeLinear"] * 3
    types = infer_shapes(written)
    assert {types[n.inputs[0]].dtype for n in written.nodes if n.op == "DequantizeLinear"} == {"uint8", "int8", "int32"}


def test_a_tensor_of_one_range_has_the_same_scale_before_and_behind_a_reshape(graph):
    written = to_qdq(graph, scheme_of(graph))
    flat = [n for n in written.nodes if n.op == "QuantizeLinear" and n.inputs[0] in ("pooled", "flat")]
    assert len({float(written.constants[n.inputs[1]]) for n in flat}) == 1


def test_float_layer_reads_what_was_never_stored(graph):
    written = to_qdq(graph, scheme_of(graph, kept=("expand",)))
    node = next(n for n in written.nodes if n.name == "expand")
    assert node.inputs == ("stem/sum", "expand.weight", "expand.bias")


def test_answers_are_near_those_of_the_network(graph, pictures):
    images = np.concatenate([prepare(p, graph.spec.input) for p in pictures[:4]])
    want = run_reference(graph, {"image": images})["logits"]
    got = run_reference(to_qdq(graph, scheme_of(graph)), {"image": images})["logits"]
    assert 0 < np.mean((got - want) ** 2) / np.mean(want**2) < 0.05


def test_a_bias_beyond_int32_gets_wider_steps(graph):
    graph.constants["head.bias"][0] = -1e6
    graph.constants["head.weight"][0] = 0
    written = to_qdq(graph, scheme_of(graph)).constants
    bias = written["head.bias/int32"].astype(np.float64) * written["head.bias/scale"]
    np.testing.assert_allclose(bias[0], -1e6, rtol=1e-6)
    assert (written["head.weight/int8"][0] == 0).all()

"""The walk: biases, whole numbers and ranges that bring the quantised copy nearer to the float32 one."""

from dataclasses import replace

import numpy as np
import pytest

from underone.compare import difference
from underone.graph import Node, run_reference
from underone.image import prepare
from underone.quantization.layers import layers_of, quantized_tensors
from underone.quantization.qdq import to_qdq
from underone.quantization.scheme import LARGEST, Range, Scheme, Weights
from underone.quantization.walk import Walk, plain_weights


@pytest.fixture(scope="module")
def images(make_network, pictures):
    return np.concatenate([prepare(p, make_network().spec.input) for p in pictures])


def coarse(graph, layer, bits=4):
    """Round weights to few bits, so that their errors stand above those of the activations."""
    plain = plain_weights(graph, layer)
    step = LARGEST // (2 ** (bits - 1) - 1)
    return Weights((np.rint(plain.whole / step) * step).astype(np.int8), plain.scales, plain.bias)


def lost(graph, scheme, images):
    want = run_reference(graph, {"image": images})["logits"]
    return difference(run_reference(to_qdq(graph, scheme), {"image": images})["logits"], want)[0]


def walked(graph, remedies, images, make=plain_weights, span=None):
    layers = layers_of(graph)
    owners = quantized_tensors(graph, layers)
    scheme = Scheme(dict.fromkeys(owners, span or Range(-6.0, 6.0)), {x.output: make(graph, x) for x in layers})
    return scheme, Walk(graph, scheme, owners, remedies, 1).scheme(images[:16], lambda done, total: None)


def test_bias_makes_up_for_the_mean_error_on_other_pictures(make_network, images):
    graph = make_network()
    before, after = walked(graph, ("bias",), images, coarse)
    assert lost(graph, after, images[16:]) < 0.7 * lost(graph, before, images[16:])
    assert all((after.weights[n].whole == before.weights[n].whole).all() for n in before.weights)


def test_rounding_together_loses_less_than_to_the_nearest(make_network, images):
    graph = make_network()
    before, after = walked(graph, ("rounding",), images)
    assert any((after.weights[n].whole != before.weights[n].whole).any() for n in before.weights)
    assert lost(graph, after, images[16:]) < 1.1 * lost(graph, before, images[16:])


def test_ranges_are_learned(make_network, images):
    graph = make_network()
    before, after = walked(graph, ("clipping",), images, span=Range(-40.0, 40.0))
    assert lost(graph, after, images[16:]) < 0.3 * lost(graph, before, images[16:])
    assert after.ranges["flat"] == after.ranges["pooled"]


def test_every_output_of_a_node_goes_on(make_network, images):
    graph = make_network()
    split = Node("Split", ("sum",), ("left", "right"), {"axis": 1, "split": (4, 4)})
    joined = Node("Concat", ("right", "left"), ("turned",), {"axis": 1})
    nodes = [n if n.op != "GlobalAveragePool" else Node(n.op, ("turned",), n.outputs) for n in graph.nodes]
    at = next(i for i, n in enumerate(nodes) if n.op == "GlobalAveragePool")
    both = replace(graph, nodes=(*nodes[:at], split, joined, *nodes[at:]))
    before, after = walked(both, ("bias", "clipping"), images, span=Range(-40.0, 40.0))
    assert lost(both, after, images[16:]) < 0.5 * lost(both, before, images[16:])


def test_channels_count_by_who_reads_them(make_network):
    graph = make_network()
    layers = layers_of(graph)
    scheme = Scheme({}, {x.output: plain_weights(graph, x) for x in layers})
    power = Walk(graph, scheme, {}, (), 1).importance("depthwise", 24)
    np.testing.assert_allclose(power, (graph.constants["project.weight"][:, :, 0, 0] ** 2).sum(axis=0), rtol=1e-5)

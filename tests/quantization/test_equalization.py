"""Equalised networks compute the same, and their channels use their range."""

import numpy as np
import pytest

from underone.compare import difference
from underone.graph import run_reference
from underone.image import prepare
from underone.quantization.calibrate import observe
from underone.quantization.equalization import equalize, joints
from underone.quantization.layers import layers_of, quantized_tensors
from underone.quantization.pictures import Calibration


def seen_of(graph, pictures):
    names = quantized_tensors(graph, layers_of(graph))
    return observe(graph, names, Calibration(pictures, graph.spec.input), 1, lambda done, total: None)


@pytest.mark.parametrize("clip", [6.0, np.inf])
def test_network_computes_the_same(make_network, pictures, clip):
    graph = make_network(clip=clip, spread=6)
    even = equalize(graph, seen_of(graph, pictures))
    images = np.concatenate([prepare(p, graph.spec.input) for p in pictures])
    want, got = (run_reference(g, {"image": images}, np.float64)["logits"] for g in (graph, even))
    assert difference(got, want)[0] < 1e-11
    assert not np.array_equal(even.constants["depthwise.weight"], graph.constants["depthwise.weight"])


def test_channels_that_a_depthwise_layer_reads_have_one_range(make_network, pictures):
    graph = make_network(clip=np.inf, spread=5)
    before = seen_of(graph, pictures)["expand"].high
    after = seen_of(equalize(graph, seen_of(graph, pictures)), pictures)["expand"].high
    alive = before > 0
    assert before.max() / before[alive].min() > 20
    assert after.max() / after[alive].min() < 1.01
    np.testing.assert_allclose(after.max(), before.max(), rtol=1e-5)


def test_channels_never_grow_beyond_the_bound_of_a_clip(make_network, pictures):
    graph = make_network(clip=1.0, spread=5)
    even = equalize(graph, seen_of(graph, pictures))
    after = seen_of(even, pictures)
    assert after["expand"].high.max() <= 1
    cut = seen_of(graph, pictures)["expand"].high >= 1
    assert cut.any()  # channels whose bound is reached stay as they are
    np.testing.assert_array_equal(even.constants["expand.bias"][cut], graph.constants["expand.bias"][cut])
    assert (even.constants["expand.bias"][~cut] != graph.constants["expand.bias"][~cut]).all()


def test_tensors_of_a_residual_sum_are_scaled_together(make_network):
    found = {joint.tensors: joint for joint in joints(make_network())}
    residual = next(j for names, j in found.items() if "sum" in names)
    assert {layer.name for layer in residual.makers} == {"stem", "project"}
    assert {layer.name for layer in residual.readers} == {"expand", "head"}


def test_tensors_that_the_caller_sees_keep_their_scale(make_network):
    assert not any({"image", "logits"} & joint.tensors for joint in joints(make_network()))

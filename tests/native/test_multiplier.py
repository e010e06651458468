"""Depthwise convolutions with several channels for each one become a product and a plain depthwise one."""

import numpy as np
import pytest

from underone.graph import Graph, Node, Value, run_reference
from underone.native.multiplier import repeat_channels


def network(groups=4, times=3, per_group=1, **attrs):
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(groups * times, per_group, 3, 3)).astype(np.float32)
    conv = {"group": groups, "pads": (1, 1, 1, 1), "strides": (2, 2)} | attrs
    return Graph(
        nodes=(Node("Conv", ("x", "w", "b"), ("y",), conv),),
        inputs=(Value("x", (1, groups * per_group, 9, 8)),),
        outputs=(Value("y", None),),
        constants={"w": weight, "b": rng.normal(size=groups * times).astype(np.float32)},
    )


def answer(graph):
    x = np.random.default_rng(1).normal(size=graph.inputs[0].shape).astype(np.float32)
    return run_reference(graph, {"x": x})["y"]


@pytest.mark.parametrize(("groups", "times"), [(4, 3), (12, 2), (64, 4)])
def test_the_answers_are_the_same_bit_by_bit(groups, times):
    graph = network(groups, times)
    wide = repeat_channels(graph)
    product, depthwise = wide.nodes
    assert wide.constants[product.inputs[1]].shape == (groups * times, groups, 1, 1)
    assert depthwise.attrs["group"] == groups * times
    assert wide.constants["w"] is graph.constants["w"]
    np.testing.assert_array_equal(answer(wide), answer(graph))


@pytest.mark.parametrize(
    "graph",
    [network(times=1), network(groups=65), network(groups=1), network(per_group=2)],
    ids=["plain depthwise", "too many", "dense", "grouped"],
)
def test_others_stay(graph):
    assert repeat_channels(graph).nodes == graph.nodes


def test_a_node_that_is_to_run_apart_stays():
    assert repeat_channels(network(), {"y"}).nodes == network().nodes

import numpy as np
import pytest
import torch

from underone.weights.arrays import complete_norms, turn_for


def turned(ours, array, arrays="tensorflow"):
    turn = turn_for("theirs", ours, array, arrays)
    return turn.turn(array) if turn else array


def test_kernels_are_turned_by_hand_worked_indices():
    dense, depth = np.arange(3 * 5 * 2 * 4).reshape(3, 5, 2, 4), np.arange(3 * 5 * 2 * 3).reshape(3, 5, 2, 3)
    conv = turned("backbone.stem.conv.weight", dense)
    assert conv.shape == (4, 2, 3, 5)
    assert conv[3, 1, 2, 4] == dense[2, 4, 1, 3]
    depthwise = turned("backbone.blocks.0.depthwise.conv.weight", depth)
    assert depthwise.shape == (6, 1, 3, 5)
    assert depthwise[1 * 3 + 2, 0, 2, 4] == depth[2, 4, 1, 2]  # channel 1, filter 2


def test_heads_are_turned():
    dense = np.arange(12).reshape(3, 4)
    assert np.array_equal(turned("head.weight", dense), dense.T)
    assert np.array_equal(turned("head.weight", dense.reshape(1, 1, 3, 4)), dense.T)
    assert turned("head.weight", np.zeros((7, 7, 3, 4))).shape == (7, 7, 3, 4)  # no dense layer: it will not fit


def test_arrays_of_torch_and_vectors_stay():
    kernel = np.zeros((4, 2, 3, 3))
    assert turned("backbone.stem.conv.weight", kernel, "torch") is kernel
    assert turned("backbone.stem.bn.weight", np.zeros(3)).shape == (3,)


@pytest.mark.parametrize("left", [("weight", "bias"), ("bias",), ("weight",)])
def test_partly_folded_norm_becomes_the_norm_that_adds_what_is_left(left):
    rng = np.random.default_rng(0)
    kernel = {"a.conv.weight": rng.standard_normal((6, 2, 1, 1)).astype(np.float32)}
    parts = {f"a.bn.{part}": rng.uniform(0.5, 2, 6).astype(np.float32) for part in left}
    whole, completed = complete_norms(kernel | parts, eps=1e-3)
    assert completed == 1
    norm = torch.nn.BatchNorm2d(6, eps=1e-3).eval()
    norm.load_state_dict({n[5:]: torch.from_numpy(v) for n, v in whole.items() if n.startswith("a.bn")}, strict=False)
    x = rng.standard_normal((1, 6, 2, 2)).astype(np.float32)
    scale, shift = (parts.get(f"a.bn.{p}", np.float32(d)) for p, d in (("weight", 1), ("bias", 0)))
    wanted = x * np.reshape(scale, (-1, 1, 1)) + np.reshape(shift, (-1, 1, 1))
    with torch.no_grad():
        np.testing.assert_allclose(norm(torch.from_numpy(x)).numpy(), wanted, rtol=1e-6)


def test_norm_without_scale_keeps_its_statistics():
    weights = {"a.conv.weight": np.zeros((2, 1, 1, 1)), "a.bn.running_mean": np.ones(2), "a.bn.running_var": np.ones(2)}
    whole, completed = complete_norms(weights, eps=1e-3)
    assert completed == 1
    assert whole["a.bn.running_mean"] is weights["a.bn.running_mean"]
    assert whole["a.bn.weight"].tolist() == [1, 1]
    assert whole["a.bn.bias"].tolist() == [0, 0]


@pytest.mark.parametrize("parts", [(), ("running_mean",), ("weight", "bias", "running_var")])
def test_half_a_norm_is_not_made_up(parts):
    weights = {"a.conv.weight": np.zeros((2, 1, 1, 1))} | {f"a.bn.{part}": np.ones(2) for part in parts}
    assert complete_norms(weights, eps=1e-3) == (weights, 0)

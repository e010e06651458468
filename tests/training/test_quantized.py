"""Networks that learn in 8 bits: they begin where quantising alone ends, and the file holds what was learned."""

import copy

import numpy as np
import pytest
import torch

import underone as uo
from underone.compare import difference
from underone.data import open_splits
from underone.errors import BadValue, ParityFailed
from underone.graph import read_onnx
from underone.quantization import open_network
from underone.quantization.calibrate import with_outputs
from underone.quantization.qdq import to_qdq
from underone.quantization.sensitivity import run_all
from underone.training import recipe_of, train
from underone.training.checkpoint import read_state
from underone.training.optimization import make_optimizer
from underone.training.quantized import learning_form, write_learned
from underone.weights import read_safetensors

SMALL = {"batch": 12, "size": 32, "lr": 2e-4, "ema": None, "warmup_epochs": 0}


@pytest.fixture(scope="module")
def learned(colours, tmp_path_factory):
    """Return the weights of a small network that tells the colours apart."""
    folder = tmp_path_factory.mktemp("float") / "run"
    given = {"model": "mobilenet_v2_035", "weights": None, "epochs": 12, "batch": 12, "size": 32, "lr": 0.02}
    return train("finetune", colours, folder, workers=0, head_lr=1.0, ema=0.8, warmup_epochs=0.5, **given).weights


@pytest.fixture(scope="module")
def recipe(learned):
    """Return the recipe of the small network in 8 bits."""
    return recipe_of("quantize").changed(model="mobilenet_v2_035", weights=learned, **SMALL)


@pytest.fixture(scope="module")
def beginning(learned, recipe, colours):
    return learning_form(uo.create_model("mobilenet_v2_035", weights=learned), open_splits(colours).train, recipe)


@pytest.fixture
def network(beginning):
    """Return the small network as it begins to learn in 8 bits."""
    return copy.deepcopy(beginning)


def pictures(count=16):
    coarse = np.random.default_rng(0).normal(0, 1, (count, 3, 4, 4))
    return np.kron(coarse, np.ones((1, 1, 8, 8))).astype(np.float32)


def test_it_begins_where_quantising_alone_ends(network, learned, colours):
    train_part = open_splits(colours).train
    folded = uo.reparameterize(uo.create_model("mobilenet_v2_035", weights=learned))
    given = [train_part.read(i) for i in range(len(train_part))]
    stage = open_network(folded, given, 128).stage(("equalization", "bias"))
    quantized, third = to_qdq(stage.graph, stage.scheme), stage.layers[2].result
    want = run_all(with_outputs(quantized, [third, "logits"]), pictures(), 1)
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(pictures())).numpy()
        network.graph = with_outputs(stage.graph, [third])
        got = network(torch.from_numpy(pictures())).numpy()
    moved = np.abs(got - stage.scheme.ranges[third].rounded(want[third])) > 1e-3
    assert moved.mean() < 2e-3  # a sum at an edge falls otherwise, and moves what follows
    assert difference(logits, want["logits"])[0] < 5e-3


def test_every_weight_step_and_range_learns(network):
    network(torch.from_numpy(pictures())).square().sum().backward()
    still = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not still


def test_run_learns_and_its_file_holds_what_was_learned(recipe, colours, tmp_path):
    seen = []
    result = train(recipe, colours, tmp_path / "run", workers=0, progress=seen.append, epochs=2)
    assert seen[-1].loss < seen[5].loss  # means of the last epoch and of the first
    assert result.weights.endswith("best.onnx")
    with uo.load(result.weights, "native") as net:
        assert uo.evaluate(net, colours / "test").top1 == result.test.top1 > 90
    arrays, spec = read_safetensors(result.weights.replace(".onnx", ".safetensors"))
    assert spec.form == "folded"
    constants = read_onnx(result.weights).constants
    stored = {name.removesuffix(".weight/scale"): value for name, value in constants.items() if "weight/scale" in name}
    steps = {name.removesuffix(".step"): np.exp(value) for name, value in arrays.items() if name.endswith(".step")}
    assert stored.keys() == steps.keys()
    for name, value in stored.items():
        np.testing.assert_allclose(value, steps[name], rtol=1e-6)
        whole = np.rint(arrays[f"{name}.weight"] / value.reshape(-1, *(1,) * (arrays[f"{name}.weight"].ndim - 1)))
        assert np.mean(np.clip(whole, -127, 127) != constants[f"{name}.weight/int8"]) < 1e-3


def test_run_cut_off_goes_on_to_the_same_bits(recipe, colours, tmp_path):
    def stop(where):
        if where.step == 3:
            raise KeyboardInterrupt

    recipe = recipe.changed(ema=0.99, epochs=1)
    train(recipe, colours, tmp_path / "whole", workers=0)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, colours, tmp_path / "cut", workers=0, save_seconds=0.0, progress=stop)
    train(recipe, colours, tmp_path / "cut", workers=0, resume=True)
    whole, cut = (read_state(tmp_path / name) for name in ("whole", "cut"))
    for part in ("model", "average"):
        assert whole[part].keys() == cut[part].keys()
        assert all(torch.equal(whole[part][name], cut[part][name]) for name in whole[part])
    assert any(not torch.equal(whole["model"][name], whole["average"][name]) for name in whole["model"])


def test_ranges_learn_as_fast_as_the_backbone(network, recipe):
    factors = {
        id(weight): group["lr_factor"]
        for group in make_optimizer(network, recipe.changed(head_lr=7.0)).param_groups
        for weight in group["params"]
    }
    found = {name: factors[id(weight)] for name, weight in network.named_parameters()}
    assert {found[name] for name in found if name.startswith(("ranges.", "backbone."))} == {1.0}
    assert {found[name] for name in found if name.startswith("head.")} == {7.0}


def test_what_went_astray_while_learning_is_said_with_its_cure(network, colours, tmp_path):
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith(".step"):
                weight += 6  # all weights are rounded to 0
    with pytest.raises(ParityFailed, match=r"not written: .* the learned weights are kept beside it; learn with a sm"):
        write_learned(network, tmp_path / "best.onnx", open_splits(colours).validation)


def test_own_float_form_is_the_teacher_where_none_is_named(recipe, colours, tmp_path):
    losses = []
    for share in (1.0, 0.0):
        seen = []
        train(recipe, colours, tmp_path / str(share), workers=0, epochs=1, teacher_share=share, progress=seen.append)
        losses.append(seen[0].loss)
    assert 0 < losses[0] < 0.5 * losses[1]  # nearer to itself than to the labels


def test_folded_weights_are_where_it_may_begin(recipe, colours, tmp_path, learned):
    folded = uo.reparameterize(uo.create_model("mobilenet_v2_035", weights=learned))
    file = uo.save_weights(folded, tmp_path / "folded.safetensors")
    result = train(recipe, colours, tmp_path / "run", workers=0, epochs=1, weights=str(file))
    assert result.test.top1 > 90


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"optimizer": "sgd"}, r"^quantize with optimizer=sgd; optimizer=adamw is required$"),
        ({"precision": "bfloat16"}, r"quantize with precision=bfloat16; precision=float32 is required"),
        ({"decay_norms": True, "dropout": 0.1}, r"decay_norms=True, dropout=0.1; decay_norms=False, dropout=None is"),
    ],
    ids=str,
)
def test_what_does_not_go_with_8_bits_is_said(change, said):
    with pytest.raises(BadValue, match=said):
        recipe_of("quantize").changed(**change)

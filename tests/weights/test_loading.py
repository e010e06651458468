"""Loading is all or nothing, and one message lists every tensor that differs."""

import numpy as np
import pytest
import torch
from torch import nn

from underone.errors import BadValue, WeightsMismatch
from underone.spec import ModelSpec
from underone.weights.loading import load_strict, save_weights
from underone.weights.store import read_safetensors


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


def arrays(model):
    return {name: np.full(tensor.shape, 0.25, np.float32) for name, tensor in model.state_dict().items()}


def test_every_value_arrives_in_the_dtype_of_the_model():
    model = network()
    weights = arrays(model)
    weights["0.weight"] = np.arange(12, dtype=np.float16).reshape(4, 3, 1, 1)
    weights["1.num_batches_tracked"] = np.array(9)
    load_strict(model, weights, "tiny")
    assert model.state_dict()["0.weight"].flatten().tolist() == list(range(12))
    assert model[0].weight.dtype == torch.float32
    assert model[0].weight.requires_grad
    assert model[1].num_batches_tracked.item() == 9
    assert model[1].running_var.tolist() == [0.25] * 4


def test_counters_of_the_batch_norms_may_be_absent():
    model = network()
    weights = arrays(model)
    del weights["1.num_batches_tracked"]
    load_strict(model, weights, "tiny")
    assert model[1].bias.tolist() == [0.25] * 4


def test_all_faults_are_listed_at_once_and_nothing_is_loaded():
    model = network()
    weights = arrays(model) | {"extra.weight": np.zeros((2, 2)), "0.weight": np.zeros((4, 1, 1, 1))}
    del weights["1.running_mean"], weights["0.bias"]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(WeightsMismatch) as raised:
        load_strict(model, weights, "tiny")
    assert [" ".join(line.split()) for line in str(raised.value).splitlines()] == [
        "4 of 7 tensors do not fit 'tiny':",
        "0.weight file (4, 1, 1, 1) model (4, 3, 1, 1)",
        "0.bias file has none model (4,)",
        "1.running_mean file has none model (4,)",
        "extra.weight file (2, 2) model has none",
    ]
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_another_class_count_comes_with_its_cure():
    model = nn.ModuleDict({"head": nn.Linear(8, 1000)})
    weights = {"head.weight": np.zeros((1001, 8)), "head.bias": np.zeros(1001)}
    with pytest.raises(WeightsMismatch, match=r"\n    The file has 1001 classes: pass num_classes=1001\.$"):
        load_strict(model, weights, "tiny")


def test_saved_weights_keep_names_values_and_spec(tmp_path):
    model = network()
    model.spec = ModelSpec(name="mobileone_s0")
    weights, spec = read_safetensors(save_weights(model, tmp_path / "w.safetensors"))
    assert spec == model.spec
    assert set(weights) == set(model.state_dict())
    np.testing.assert_array_equal(weights["0.weight"], model[0].weight.detach().numpy())


def test_a_module_without_spec_is_not_saved(tmp_path):
    with pytest.raises(BadValue, match=r"a Sequential without \.spec; only models of create_model"):
        save_weights(network(), tmp_path / "w.safetensors")

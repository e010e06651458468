"""MobileNets under the names of Keras and of Hugging Face transformers answer here as they answered there."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from underone.compare import difference
from underone.errors import WeightsMismatch
from underone.weights import read_checkpoint
from underone.zoo import create_model

GOLDEN = Path(__file__).parents[1] / "golden"
MADE = runpy.run_path(str(GOLDEN / "make_named_networks.py"))  # the rule by which names give numbers
IMAGE = MADE["image"]().transpose(0, 3, 1, 2)

CASES = [
    ("keras", "mobilenet_v1_025", "mobilenet_v1_025", "keras"),
    ("keras", "mobilenet_v2_035", "mobilenet_v2_035", "tf_same"),
    ("keras", "mobilenet_v2_060", "mobilenet_v2_050", "tf_same"),  # of no table: the nearest, with other channels
    ("transformers", "mobilenet_v1_025", "mobilenet_v1_025", "tf_same"),
    ("transformers", "mobilenet_v2_035", "mobilenet_v2_035", "tf_same"),
]


def network(library, name):
    """Return (arrays under the library's names, its logits for IMAGE)."""
    row = json.loads((GOLDEN / f"named_networks/{library}.json").read_text())[name]
    fan_in = MADE["keras_fan_in" if library == "keras" else "torch_fan_in"]
    arrays = {n: MADE["numbers"](n, tuple(s), fan_in(n, s)) for n, s in row["shapes"].items()}
    return arrays, np.array(row["logits"])


def answer(path, model, **options):
    with torch.no_grad():
        return create_model(model, weights=path, **options).eval()(torch.from_numpy(IMAGE.copy()))[0].numpy()


@pytest.mark.parametrize(("library", "name", "model", "padding"), CASES)
def test_logits_are_the_librarys(tmp_path, library, name, model, padding):
    arrays, logits = network(library, name)
    save_file(arrays, tmp_path / "w.safetensors")
    found = read_checkpoint(tmp_path / "w.safetensors").network
    assert (found.model, found.num_classes, found.in_chans) == (model, 7, 3)
    assert bool(found.options) == (name != model)
    assert (found.layout.padding, found.layout.bn_eps) == (padding, 1e-3)
    nmse, peak = difference(answer(tmp_path / "w.safetensors", model), logits)
    assert nmse <= 1e-10
    assert peak <= 1e-4


@pytest.mark.parametrize(("library", "name", "model", "padding"), CASES[:1])
def test_another_padding_would_be_noticed(tmp_path, library, name, model, padding):
    arrays, logits = network(library, name)
    save_file(arrays, tmp_path / "w.safetensors")
    found = read_checkpoint(tmp_path / "w.safetensors").network
    for other in ("symmetric", "tf_same"):
        model_ = create_model(model, num_classes=7, padding=other, bn_eps=1e-3).eval()
        model_.load_state_dict({k: torch.from_numpy(v) for k, v in found.weights.items()}, strict=False)
        with torch.no_grad():
            assert difference(model_(torch.from_numpy(IMAGE.copy()))[0].numpy(), logits)[0] > 1e-4


@pytest.mark.parametrize(("prefix", "suffix"), [("mobilenetv2_0.35_96/", ""), ("", ":0")])
def test_model_inside_of_a_keras_model_is_found(tmp_path, prefix, suffix):
    arrays, logits = network("keras", "mobilenet_v2_035")
    head = {"predictions/kernel": "dense_3/kernel", "predictions/bias": "dense_3/bias"}
    renamed = {head.get(n, prefix + n) + suffix: a for n, a in arrays.items()}
    save_file(renamed, tmp_path / "w.safetensors")
    assert difference(answer(tmp_path / "w.safetensors", "mobilenet_v2_035"), logits)[0] <= 1e-10


def test_second_dense_layer_is_no_mobilenets(tmp_path):
    arrays, _ = network("keras", "mobilenet_v2_035")
    arrays["dense/kernel"] = np.zeros((7, 3), np.float32)
    save_file(arrays, tmp_path / "w.safetensors")
    with pytest.raises(WeightsMismatch, match=r"'dense/kernel' and 'predictions/kernel' both become 'head\.weight'"):
        read_checkpoint(tmp_path / "w.safetensors")


def test_backbone_of_transformers_has_no_prefix(tmp_path):
    arrays, _ = network("transformers", "mobilenet_v1_025")
    backbone = {n.removeprefix("mobilenet_v1."): a for n, a in arrays.items() if not n.startswith("classifier")}
    save_file(backbone, tmp_path / "w.safetensors")
    found = read_checkpoint(tmp_path / "w.safetensors").network
    assert (found.layout.source, found.num_classes) == ("Hugging Face", None)
    maps = create_model(found.model, weights=tmp_path / "w.safetensors", features_only=True)(torch.zeros(2, 3, 64, 64))
    assert len(maps) == 5


def test_rows_say_what_became_of_every_tensor(tmp_path):
    arrays, _ = network("keras", "mobilenet_v1_025")
    save_file(arrays, tmp_path / "w.safetensors")
    rows = {row.theirs: row for row in read_checkpoint(tmp_path / "w.safetensors").network.rows}
    assert set(rows) == set(arrays)
    assert rows["conv1/kernel"][1:] == ("backbone.stem.conv.weight", "HWIO → OIHW", (8, 3, 3, 3))
    assert rows["conv_dw_2/kernel"][1:] == ("backbone.blocks.1.depthwise.conv.weight", "HWCM → CM,1,H,W", (16, 1, 3, 3))
    assert rows["conv_preds/kernel"][1:] == ("head.weight", "HWIO → OI", (7, 256))
    assert rows["conv1_bn/gamma"].change == ""

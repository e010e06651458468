from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from underone import create_model, reparameterize, save_weights
from underone.errors import BadFile, BadValue
from underone.weights import read_checkpoint
from underone.weights.networks import nearest_network

FAMILIES = ("plain", "repvgg", "acnet", "dbb", "expandnet")
BLOCKS = [*({"block": block} for block in FAMILIES), *({"num_branches": k} for k in (1, 4))]


@pytest.mark.parametrize("options", BLOCKS, ids=str)
def test_file_tells_the_family_of_its_blocks(options, tmp_path):
    model = create_model("mobileone_s0", num_classes=3, in_chans=1, **options)
    save_weights(model, tmp_path / "ours.safetensors")
    save_file(model.state_dict(), tmp_path / "bare.safetensors")  # names and numbers, no spec
    for name, asked in {"ours": options, "bare": {}}.items():
        read = create_model("mobileone_s0", tmp_path / f"{name}.safetensors", **asked)
        assert all(torch.equal(value, model.state_dict()[key]) for key, value in read.state_dict().items())


def test_folded_file_is_the_same_whatever_the_blocks_were(tmp_path):
    model = reparameterize(create_model("mobileone_s0", num_classes=3, block="dbb"), (3, 64, 64))
    read = create_model("mobileone_s0", save_weights(model, tmp_path / "f.safetensors")).eval()
    image = torch.randn(1, 3, 64, 64)
    assert torch.equal(read(image), model(image))


@pytest.mark.parametrize(("options", "message"), [
    ({"block": "mobileone"}, r"block='mobileone', but \S+ has block='acnet'; leave it out, the weights were trained"),
    ({"block": "repvgg"}, r"block='mobileone', but \S+ has block='acnet'"),
])  # fmt: skip
def test_other_blocks_than_the_files_are_refused(options, message, tmp_path):
    path = save_weights(create_model("mobileone_s0", num_classes=3, block="acnet"), tmp_path / "w.safetensors")
    with pytest.raises(BadValue, match=message):
        create_model("mobileone_s0", path, **options)


def test_another_number_of_branches_than_the_files_is_refused(tmp_path):
    path = save_weights(create_model("mobileone_s0", num_classes=3), tmp_path / "w.safetensors")
    with pytest.raises(BadValue, match=r"num_branches=1, but \S+ has num_branches=4; leave it out, the weights were"):
        create_model("mobileone_s0", path, block="repvgg")


def test_branches_that_only_have_names_are_not_built():
    """A thousand empty branches in a small file must not become a thousand branches of full size."""
    weights = {key: value.numpy() for key, value in create_model("mobileone_s0", num_branches=2).state_dict().items()}
    for number in range(2, 1000):
        weights[f"backbone.stages.3.1.branches.{number}.conv.weight"] = np.zeros((1, 1, 1, 1), np.float32)
    network = nearest_network(weights, "mobileone", "training")
    assert network.options == {"block": "mobileone", "num_branches": 2}


@pytest.mark.parametrize(("name", "changes"), [
    ("mobilenet_v1_025", {"head.weight": (300_000_000, 0)}),
    ("deeplabv3light_mobilenet_v2_035", {"classifier.weight": (1 << 30, 1 << 30, 0, 0)}),
], ids=["many classes", "more than can be counted"])  # fmt: skip
def test_shapes_without_numbers_are_not_built(name, changes, tmp_path):
    """A small file must not become a network of a terabyte."""
    model = create_model(name, num_classes=4)
    path = save_weights(model, tmp_path / "w.safetensors")
    checkpoint = read_checkpoint(path)
    weights = checkpoint.network.weights | {key: np.zeros(shape, np.float32) for key, shape in changes.items()}
    rows = {"num_classes": changes["head.weight"][0]} if "head.weight" in changes else {}
    damaged = replace(checkpoint, network=replace(checkpoint.network, weights=weights, **rows))
    with pytest.raises(
        BadFile, match=r"its shapes are (those of a network of \d+ numbers, but it holds|of no network)"
    ):
        create_model(name, weights=damaged)

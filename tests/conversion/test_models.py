"""The zoo's side of the conversion: what a name or a file of weights stands for."""

import pytest
import torch

from underone.conversion import models
from underone.errors import BadFile, BadValue
from underone.weights import SUFFIXES
from underone.zoo import create_model, from_weights, save_weights


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    model = create_model("mobilenet_v2_035", num_classes=3)
    return model, save_weights(model, tmp_path_factory.mktemp("w") / "small.safetensors")


def test_file_of_weights_is_read_once(file, monkeypatch):
    model, path = file
    read, times = models.read_checkpoint, []
    for module in (models, from_weights):
        monkeypatch.setattr(module, "read_checkpoint", lambda of: times.append(of) or read(of))
    opened = models.open_model(str(path))
    assert times == [path]
    assert torch.equal(opened.head.weight, model.head.weight)
    assert opened.spec == model.spec


@pytest.mark.parametrize("suffix", [".safetensors", *SUFFIXES])
def test_every_suffix_of_weights_stands_for_a_file(tmp_path, suffix):
    with pytest.raises(BadFile, match=rf"small\{suffix}\b.* [Nn]o such file"):
        models.open_model(str(tmp_path / f"small{suffix}"))


def test_name_with_a_tag_and_a_file_contradict_each_other(file):
    _, path = file
    said = (
        r"^the name asks for the weights 'torchvision_in1k', the argument for '.*small\.safetensors'; give one of them$"
    )
    with pytest.raises(BadValue, match=said):
        models.open_model(str(path), "mobilenet_v2_100.torchvision_in1k")

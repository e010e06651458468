"""One reader for every weight file."""

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from underone.errors import BadFile
from underone.weights import read_checkpoint


def test_the_same_weights_are_read_from_both_kinds_of_file(tmp_path):
    state = torchvision.models.mobilenet_v2(width_mult=0.35).state_dict()
    torch.save(state, tmp_path / "w.pth")
    save_file(state, tmp_path / "w.safetensors")
    found = [read_checkpoint(tmp_path / name) for name in ("w.pth", "w.safetensors")]
    for checkpoint in found:
        assert checkpoint.spec is None
        assert checkpoint.network.model == "mobilenet_v2_035"
        weight = checkpoint.network.weights["backbone.stem.conv.weight"]
        assert torch.equal(torch.from_numpy(weight), state["features.0.0.weight"])


def test_another_suffix_is_refused(tmp_path):
    (tmp_path / "net.onnx").touch()
    with pytest.raises(
        BadFile, match=r"net\.onnx: no weight file by its suffix; \.safetensors, \.pth, .* TensorFlow frozen"
    ):
        read_checkpoint(tmp_path / "net.onnx")


def test_what_is_not_there_or_an_empty_folder_is_said(tmp_path):
    with pytest.raises(BadFile, match=r"nothere: there is no such file$"):
        read_checkpoint(tmp_path / "nothere")
    with pytest.raises(
        BadFile, match=r"is a folder without a SavedModel \(saved_model\.pb\) or a TensorFlow checkpoint"
    ):
        read_checkpoint(tmp_path)

"""Torch files: tensors are read, programs are not."""

import pickle
import sys
import zipfile

import numpy as np
import pytest
import torch

from underone.errors import BadFile, MissingExtra
from underone.weights import from_torch_file
from underone.weights.from_torch_file import read_torch_file

STATE = {"a.weight": torch.arange(4.0).reshape(2, 2), "a.count": torch.tensor(3)}


def check_state(weights):
    assert list(weights) == ["a.weight", "a.count"]
    np.testing.assert_array_equal(weights["a.weight"], [[0, 1], [2, 3]])
    assert weights["a.count"].shape == ()


class Runs:
    """Code in a pickle: it would write a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("name", ["w.pth", "w.pth.tar", "w.pt", "w.ckpt"])
def test_flat_state_dict_is_read_whatever_the_suffix(tmp_path, name):
    torch.save(STATE, tmp_path / name)
    check_state(read_torch_file(tmp_path / name))


def test_file_in_the_form_before_torch_1_6_is_read(tmp_path):
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    check_state(read_torch_file(tmp_path / "old.pth"))


@pytest.mark.parametrize("wrapped", [
    {"state_dict": STATE, "epoch": 3},
    {"model": STATE, "optimizer": {"lr": 0.1}},
    {"model": {"junk": torch.ones(1)}, "model_ema": STATE},
    {"state_dict": {"junk": torch.ones(1)}, "state_dict_ema": STATE},
    {"checkpoint": 1, "model": {"state_dict": STATE}},
    {f"module.{name}": tensor for name, tensor in STATE.items()},
    {"model_ema": {"n_averaged": torch.tensor(9)} | {f"module.{name}": tensor for name, tensor in STATE.items()}},
])  # fmt: skip
def test_wrappers_are_taken_off(tmp_path, wrapped):
    torch.save(wrapped, tmp_path / "w.pth")
    check_state(read_torch_file(tmp_path / "w.pth"))


def test_bfloat16_becomes_float32_without_loss(tmp_path):
    torch.save({"w": torch.tensor([1.5, -3.0], dtype=torch.bfloat16)}, tmp_path / "w.pth")
    weights = read_torch_file(tmp_path / "w.pth")
    assert weights["w"].dtype == np.float32
    assert weights["w"].tolist() == [1.5, -3.0]


@pytest.mark.parametrize("zipped", [True, False])
def test_pickle_with_code_is_refused_and_not_run(tmp_path, zipped):
    mark = tmp_path / "ran"
    torch.save({"w": Runs(mark)}, tmp_path / "evil.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(BadFile, match=r"evil\.pth holds Python code or is damaged, and was not run") as raised:
        read_torch_file(tmp_path / "evil.pth")
    assert "\n" not in str(raised.value)
    assert not mark.exists()


def test_bare_pickle_is_refused_and_not_run(tmp_path):
    mark = tmp_path / "ran"
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Runs(mark)))
    with pytest.raises(BadFile, match="was not run"):
        read_torch_file(tmp_path / "evil.pth")
    assert not mark.exists()


def test_whole_model_is_refused_with_the_cure(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pth")
    with pytest.raises(BadFile, match=r"save model\.state_dict\(\) alone"):
        read_torch_file(tmp_path / "model.pth")


@pytest.mark.parametrize("kept", [0, 10, 400, -30])
def test_truncated_file_is_one_sentence(tmp_path, kept):
    path = tmp_path / "w.pth"
    torch.save({"w": torch.ones(1000)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        BadFile, match=r"w\.pth: truncated, or no torch file: |w\.pth (holds Python code or is|cannot be read)"
    ) as raised:
        read_torch_file(path)
    assert "\n" not in str(raised.value)


def test_text_with_the_suffix_is_refused(tmp_path):
    (tmp_path / "w.pth").write_text("not found\n")
    with pytest.raises(BadFile, match=r"w\.pth"):
        read_torch_file(tmp_path / "w.pth")


def test_missing_file_is_said(tmp_path):
    with pytest.raises(BadFile, match=r"none\.pth cannot be read: No such file"):
        read_torch_file(tmp_path / "none.pth")


@pytest.mark.parametrize(("content", "reason"), [
    ({"lr": 0.1}, "'lr' is a float"), ([1, 2], "'the file' is a list"), ({}, "it holds no tensor"),
])  # fmt: skip
def test_file_without_state_dict_is_refused(tmp_path, content, reason):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(BadFile, match=rf"no state dict \(names → tensors\): {reason}"):
        read_torch_file(tmp_path / "w.pth")


def test_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(from_torch_file, "_LARGEST", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", b"\0" * 100_000)
    with pytest.raises(BadFile, match="it unpacks to 100000 bytes; at most 1000 are read"):
        read_torch_file(tmp_path / "bomb.pth")


def test_missing_torch_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"reading w\.pth needs the package torch; .*underone\[train\]"):
        read_torch_file(tmp_path / "w.pth")

"""Torch files: tensors are read, programs are not."""

import pickle
import sys
import warnings
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


@pytest.mark.parametrize("content", [
    b"not found\n", b"<!DOCTYPE html>\n<html></html>\n", b"version https://git-lfs.github.com/spec/v1\n", b"0\n",
    b"a\n", b"J\1", b"\x80\2.", b"\x80\2h\0.", b"\x80\2K\1K\2s.",
])  # fmt: skip
def test_text_or_bytes_that_are_no_pickle_are_refused_in_one_line(tmp_path, content):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(
        BadFile, match=r"w\.pth(: truncated, or no torch file| holds Python code or is damaged)"
    ) as raised:
        read_torch_file(tmp_path / "w.pth")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_bytes_are_refused_or_read_and_nothing_else(tmp_path, zipped):
    path = tmp_path / "w.pth"
    torch.save(STATE, path, _use_new_zipfile_serialization=zipped)
    whole, random, refused = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(400):
        damaged = bytearray(whole)
        for place in random.integers(len(whole), size=3):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        try:
            read_torch_file(path)
        except BadFile:
            refused += 1
    assert refused > 40


def test_dict_that_holds_itself_is_refused(tmp_path):
    itself = {}
    itself["state_dict"] = itself
    torch.save(itself, tmp_path / "w.pth")
    with pytest.raises(BadFile, match=r"no state dict .*'state_dict' is a dict"):
        read_torch_file(tmp_path / "w.pth")


def quantised():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch means to drop them; files with them stay
        return torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)


@pytest.mark.parametrize("tensor", [
    torch.zeros(2, device="meta"), torch.zeros(2, dtype=torch.float8_e4m3fn), torch.ones(1).expand(1 << 20),
    quantised(), torch.sparse_coo_tensor([[0], [0]], [1.0], (2, 2), check_invariants=False),
], ids=["meta", "float8", "stride 0", "quantised", "sparse"])  # fmt: skip
def test_tensor_that_is_no_plain_array_is_refused_by_name(tmp_path, tensor):
    torch.save({"a.weight": tensor}, tmp_path / "w.pth")
    with pytest.raises(BadFile, match=r"w\.pth: 'a\.weight' is no plain array \(.+\); save tensors") as raised:
        read_torch_file(tmp_path / "w.pth")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("state", [
    {"a": torch.ones(1).expand(1 << 40)},
    dict.fromkeys(map(str, range(5)), torch.ones(1).expand(1 << 28)),
    {"a": torch.ones(1).expand(1 << 31, 1 << 31, 1)},
], ids=["4 TiB", "5 times 1 GiB", "more than 64 bits"])  # fmt: skip
def test_tensors_that_ask_for_too_much_are_refused_before_any_is_made(tmp_path, state):
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(BadFile, match=r"w\.pth: its tensors take \d+ bytes; at most 4294967296 are read"):
        read_torch_file(tmp_path / "w.pth")


def test_views_are_read_as_they_look(tmp_path):
    torch.save({"a": torch.arange(6.0).reshape(2, 3).t()[1:]}, tmp_path / "w.pth")
    assert read_torch_file(tmp_path / "w.pth")["a"].tolist() == [[1, 4], [2, 5]]


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

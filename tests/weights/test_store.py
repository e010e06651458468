"""Our weight files: what is written is read, and a damaged file is one sentence."""

import json
import os
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save_file as save_torch

from underone.errors import BadFile
from underone.spec import ModelSpec
from underone.weights.store import SPEC_KEY, read_safetensors, write_safetensors

WEIGHTS = {
    "head.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "stem.bn.num_batches_tracked": np.array(7),
    "half": np.array([0.5, -2], np.float16),
}
SPEC = ModelSpec(name="mobileone_s0", labels=("tench", "goldfish"), bn_eps=1e-5)


def raw(header: bytes, length: int | None = None, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + body


def test_arrays_and_spec_come_back_as_written(tmp_path):
    path = write_safetensors(tmp_path / "w.safetensors", WEIGHTS, SPEC)
    weights, spec = read_safetensors(path)
    assert spec == SPEC
    assert sorted(weights) == sorted(WEIGHTS)
    for name, array in WEIGHTS.items():
        np.testing.assert_array_equal(weights[name], array)
        assert weights[name].dtype == array.dtype
        assert weights[name].shape == array.shape


def test_a_transposed_array_is_written_by_its_values_not_its_memory(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    weights, _ = read_safetensors(write_safetensors(tmp_path / "w.safetensors", {"w": array}, SPEC))
    np.testing.assert_array_equal(weights["w"], array)


def test_a_file_of_another_program_has_no_spec(tmp_path):
    save_torch({"w": torch.ones(2)}, tmp_path / "w.safetensors", metadata={"format": "pt"})
    weights, spec = read_safetensors(tmp_path / "w.safetensors")
    assert spec is None
    np.testing.assert_array_equal(weights["w"], [1, 1])


def test_torch_reads_what_we_write(tmp_path):
    from safetensors.torch import load_file

    write_safetensors(tmp_path / "w.safetensors", WEIGHTS, SPEC)
    assert load_file(tmp_path / "w.safetensors")["head.weight"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_failed_write_keeps_the_old_file(tmp_path):
    path = write_safetensors(tmp_path / "w.safetensors", WEIGHTS, SPEC)
    before = path.read_bytes()
    with pytest.raises(
        BadFile, match=r'w\.safetensors was not written, the old file is untouched: Unknown dtype "str288"'
    ):
        write_safetensors(path, {"w": np.array(["no number"], dtype="U9")}, SPEC)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["w.safetensors"]


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(BadFile, match=r"w\.pth: weights are written as \.safetensors"):
        write_safetensors(tmp_path / "w.pth", WEIGHTS, SPEC)


def test_missing_file_is_said(tmp_path):
    with pytest.raises(BadFile, match=r"none\.safetensors cannot be read: No such file"):
        read_safetensors(tmp_path / "none.safetensors")


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_truncated_file_is_one_sentence_with_its_name(tmp_path, kept):
    path = write_safetensors(tmp_path / "w.safetensors", WEIGHTS, SPEC)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BadFile, match=r"^\S+w\.safetensors: .*(truncated|no valid safetensors)") as raised:
        read_safetensors(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("length", [1 << 63, 1 << 40, (1 << 24) + 1])
def test_a_header_that_cannot_be_is_refused_before_it_is_read(tmp_path, length):
    path = tmp_path / "huge.safetensors"
    path.write_bytes(raw(b"{}", length))
    with pytest.raises(BadFile, match=rf"huge\.safetensors: a file of 10 bytes says that its header has {length}"):
        read_safetensors(path)


def test_a_huge_header_is_refused_though_the_file_holds_it(tmp_path):
    path = tmp_path / "huge.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 1 << 25))
        file.truncate((1 << 25) + 8)  # sparse
    with pytest.raises(BadFile, match="at most 16777216 can be"):
        read_safetensors(path)


@pytest.mark.parametrize("header", [
    b"not json",
    json.dumps({"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}}).encode(),
    json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 400]}}).encode(),
    json.dumps({"w": {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}}).encode(),
])  # fmt: skip
def test_a_header_that_lies_is_refused(tmp_path, header):
    path = tmp_path / "lies.safetensors"
    path.write_bytes(raw(header, body=b"\0" * 4))
    with pytest.raises(BadFile, match=r"lies\.safetensors: no valid safetensors file"):
        read_safetensors(path)


def test_bfloat16_is_refused_with_the_cure(tmp_path):
    save_torch({"w": torch.ones(2, dtype=torch.bfloat16)}, tmp_path / "w.safetensors")
    with pytest.raises(BadFile, match=r"a dtype that numpy has not .*save the file as float32"):
        read_safetensors(tmp_path / "w.safetensors")


def test_bfloat16_is_refused_also_where_numpy_has_learned_it(tmp_path):
    pytest.importorskip("ml_dtypes")  # comes with onnx; registers bfloat16 with numpy
    test_bfloat16_is_refused_with_the_cure(tmp_path)


def test_a_damaged_spec_names_the_file(tmp_path):
    save_torch({"w": torch.ones(2)}, tmp_path / "w.safetensors", metadata={SPEC_KEY: '{"spec_version": "9.0"}'})
    with pytest.raises(BadFile, match=r"w\.safetensors: .*9\.0 is newer"):
        read_safetensors(tmp_path / "w.safetensors")

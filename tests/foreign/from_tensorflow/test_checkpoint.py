"""Checkpoints that TensorFlow wrote (golden/make_tensorflow_checkpoints.py); their content is a formula."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from underone.errors import BadFile
from underone.foreign.from_tensorflow import read_checkpoint

GOLDEN = Path(__file__).parents[2] / "golden" / "tensorflow" / "checkpoints"
BRAIN = np.array([1.0, -2.5, np.float32(3e38), 1.0078125], np.float32).view(np.uint32)
VALUES = {
    "net/weights": (np.arange(3 * 3 * 4 * 8).reshape(3, 3, 4, 8) % 23 / 8 - 1).astype(np.float32),
    "net/beta": np.linspace(-1, 1, 8),
    "net/zeros": np.zeros((20, 30), np.float32),
    "net/half": (np.arange(6) / 4).astype(np.float16),
    # bfloat16: the upper half of the bits, rounded; here only 3e38 is not exact
    "net/brain": ((BRAIN + 0x7FFF) & 0xFFFF0000).view(np.float32),
    "net/count": np.array(123456789012),
    "net/bytes": np.arange(-3, 3, dtype=np.int8),
    "net/flags": np.array([True, False, True]),
    "net/parted": (np.arange(151).reshape(151, 1) * 1.5).astype(np.float32),
}
ONE = VALUES.keys() - {"net/brain"}
FILES = {
    "two": VALUES.keys(),
    "two.index": VALUES.keys(),
    "two_sharded": VALUES.keys(),
    "two_sharded.data-00001-of-00003": VALUES.keys(),
    "two_compressed": VALUES.keys(),
    "one": ONE,
    "one_sharded": ONE,
    "one_sharded-00001-of-00003": ONE,
    "one_compressed": ONE,
}


@pytest.fixture
def copied(tmp_path):
    for path in GOLDEN.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_checkpoint_holds_what_tensorflow_saved(name):
    found = read_checkpoint(GOLDEN / name)
    assert found.tensors.keys() == FILES[name]
    for key, value in found.tensors.items():
        np.testing.assert_array_equal(value, VALUES[key], strict=True)
    assert found.format == ("TensorFlow checkpoint" if name[:3] == "two" else "TensorFlow checkpoint (version 1)")
    assert found.notes == (("'net/words' holds no numbers",) if name[:3] == "two" else ())


def test_objects_have_the_names_of_their_layers():
    found = read_checkpoint(GOLDEN / "objects").tensors
    shapes = {"first/kernel": (3, 3, 3, 4), "first/bias": (4,), "second/kernel": (4, 2), "second/bias": (2,)}
    assert found.keys() == {f"sequential/{name}" for name in shapes}
    for number, (name, shape) in enumerate(shapes.items()):
        want = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + 100 * number
        np.testing.assert_array_equal(found[f"sequential/{name}"], want, strict=True)


def test_folder_with_one_checkpoint_is_enough(tmp_path):
    for path in GOLDEN.glob("two.*"):
        shutil.copy(path, tmp_path)
    assert read_checkpoint(tmp_path).tensors.keys() == VALUES.keys()


def test_last_checkpoint_that_was_noted_is_taken(copied):
    (copied / "checkpoint").write_text('model_checkpoint_path: "/gone/objects"\nall_model_checkpoint_paths: "two"\n')
    assert "sequential/first/kernel" in read_checkpoint(copied).tensors
    (copied / "objects.meta").write_bytes(b"")
    assert "sequential/first/kernel" in read_checkpoint(copied / "objects.meta").tensors


def test_folder_with_many_is_refused():
    with pytest.raises(BadFile, match=r"checkpoints holds 4 checkpoints: \['objects', 'two', .*\]; name one of them"):
        read_checkpoint(GOLDEN)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "net").write_bytes(b"x" * 100)
    for path in (tmp_path / "net", tmp_path / "nothing", tmp_path):
        with pytest.raises(BadFile, match=r"is no checkpoint of TensorFlow; a \.index with its"):
            read_checkpoint(path)


def test_meta_alone_is_refused_with_what_is_missing(tmp_path):
    (tmp_path / "model.meta").write_bytes(b"")
    with pytest.raises(BadFile, match=r"model\.meta is no checkpoint .*; a \.meta holds the graph without its weights"):
        read_checkpoint(tmp_path / "model.meta")


def change(path, at, value):
    data = bytearray(path.read_bytes())
    data[at] ^= value
    path.write_bytes(bytes(data))


def test_missing_shard_is_named(copied):
    (copied / "two_sharded.data-00001-of-00003").unlink()
    with pytest.raises(BadFile, match=r"two_sharded.data-00001-of-00003 cannot be read: No such file"):
        read_checkpoint(copied / "two_sharded")


def test_short_shard_is_named(copied):
    shard = copied / "two.data-00000-of-00001"
    shard.write_bytes(shard.read_bytes()[:3000])
    with pytest.raises(BadFile, match=r"two.data-00000-of-00001, byte \d+: a variable needs \d+ bytes; the file has"):
        read_checkpoint(copied / "two")


def test_changed_data_are_seen_by_their_checksum(copied):
    change(copied / "two.data-00000-of-00001", 2000, 1)
    with pytest.raises(BadFile, match=r"two.index, byte \d+: the checksum of its data is 0x\w{8}, the bytes give 0x"):
        read_checkpoint(copied / "two")


@pytest.mark.parametrize("name", ["one", "one_compressed", "two.index"])
def test_changed_table_is_seen_by_its_checksum(copied, name):
    change(copied / name, 30, 4)
    with pytest.raises(BadFile, match=rf"{name}, byte \d+: the checksum of a block is 0x\w+, its bytes give 0x"):
        read_checkpoint(copied / name)

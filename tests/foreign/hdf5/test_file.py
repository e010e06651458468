"""The HDF5 reader on files that h5py wrote (tests/golden/make_hdf5.py says what is in them)."""

from pathlib import Path

import numpy as np
import pytest

from underone.errors import BadFile
from underone.foreign.bounded import Reader, open_file
from underone.foreign.hdf5 import read_hdf5

GOLDEN = Path(__file__).parents[2] / "golden" / "foreign"
DTYPES = ("<f2", "<f4", "<f8", ">f4", "|i1", "|u1", "<i4", ">i8", "<u2", "|b1")


def numbers(shape, dtype):
    """The formula of make_hdf5.py."""
    return (np.arange(np.prod(shape)) * 7 % 101).reshape(shape).astype(dtype)


@pytest.fixture(params=["old.h5", "new.h5"])
def root(request):
    """The root group of one file in the layout of HDF5 1, and of one in that of HDF5 2."""
    return read_hdf5(open_file(GOLDEN / request.param))


def test_attributes_are_texts_lists_and_arrays(root):
    found = root.attributes
    assert found["text"] == "a text with an ü"
    assert found["bytes"] == "fixed"
    assert found["names"] == ["one", "three", "seventeen"]
    assert found["variable"] == ["one", "", "drei"]
    assert found["number"] == np.float32(1.5)
    assert found["empty"].size == 0


@pytest.mark.parametrize("index", range(len(DTYPES)))
def test_every_dtype_is_read(root, index):
    found = root.dataset(f"dtypes/{index}").read()
    wanted = numbers((3, 4), DTYPES[index])
    assert found.dtype == (np.int8 if DTYPES[index] == "|b1" else wanted.dtype)
    np.testing.assert_array_equal(found, wanted)


def test_scalars_and_opaque_numbers_are_read(root):
    assert root.dataset("dtypes/scalar").read() == np.float32(2.5)
    np.testing.assert_array_equal(root.dataset("dtypes/raw").read().view("<u2"), numbers((5,), "<u2"))


@pytest.mark.parametrize("name", ["chunks", "gzip", "all"])
def test_chunks_are_unpacked_and_put_together(root, name):
    np.testing.assert_array_equal(root.dataset(f"packed/{name}").read(), numbers((37, 11), "<f4"))


def test_chunks_that_were_never_written_are_zero(root):
    wanted = np.zeros((20, 3), np.float32)
    wanted[7] = 3
    np.testing.assert_array_equal(root.dataset("packed/holes").read(), wanted)


def test_large_groups_give_all_members_and_attributes(root):
    group = root.group("many")
    assert len(group.addresses) == 162
    assert group.attributes == {f"attribute_{i}": np.int16(i) for i in range(150)}
    for i in (0, 77, 149):
        np.testing.assert_array_equal(group.dataset(f"link_{i}_{'x' * 60}").read(), numbers((2,), "<i4") + i % 12)


def test_datasets_are_listed_once(root):
    paths = [d.path for d in root.datasets()]
    assert len(paths) == len(DTYPES) + 2 + 4 + 12 + 1  # links to a dataset do not count again
    assert len(set(paths)) == len(paths)


def test_missing_members_are_named(root):
    assert "dtypes/3" in root
    assert "dtypes/99" not in root
    with pytest.raises(BadFile, match=r"h5: /dtypes/99 is no dataset in the file"):
        root.dataset("dtypes/99")
    with pytest.raises(BadFile, match=r"h5: /nowhere is no group in the file"):
        root.group("nowhere")


def test_other_files_are_refused():
    with pytest.raises(BadFile, match=r"x\.h5, byte 0: no HDF5 file"):
        read_hdf5(Reader(memoryview(b"something else"), "x.h5"))

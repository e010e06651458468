"""Write the HDF5 files that the reader is tested on: python make_hdf5.py; needs h5py >= 3.16 (HDF5 2.0) and numpy.

`old.h5` has the layout of HDF5 1.x (symbol tables), `new.h5` that of HDF5 2.0 (links in heaps); the same content. What
they hold is said by formulas here and in the test, not read back.
"""

import sys
from pathlib import Path

import h5py
import numpy as np

FOLDER = Path(__file__).parent / "foreign"
DTYPES = ("<f2", "<f4", "<f8", ">f4", "|i1", "|u1", "<i4", ">i8", "<u2", "|b1")
LONG = "x" * 60  # names fill the blocks of a heap, which double in size
MANY = 150  # more than what a group keeps in its own header, or in one node or block


def numbers(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Give numbers that differ from place to place and fit every dtype."""
    return (np.arange(np.prod(shape)) * 7 % 101).reshape(shape).astype(dtype)


def write(path: Path, libver: tuple[str, str]) -> None:
    """Write one file."""
    with h5py.File(path, "w", libver=libver) as file:
        file.attrs["text"] = "a text with an ü"
        file.attrs["bytes"] = np.bytes_("fixed")
        file.attrs["names"] = [b"one", b"three", b"seventeen"]
        file.attrs.create("variable", ["one", "", "drei"], dtype=h5py.string_dtype())
        file.attrs["number"] = np.float32(1.5)
        file.attrs["empty"] = h5py.Empty("f4")
        for i, dtype in enumerate(DTYPES):
            file.create_dataset(f"dtypes/{i}", data=numbers((3, 4), dtype))
        file["dtypes/scalar"] = np.float32(2.5)
        file["dtypes/raw"] = numbers((5,), "<u2").view("V2")
        packed = file.create_group("packed")
        data = numbers((37, 11), "<f4")
        packed.create_dataset("chunks", data=data, chunks=(10, 4))
        packed.create_dataset("gzip", data=data, chunks=(8, 11), compression="gzip")
        packed.create_dataset("all", data=data, chunks=(5, 5), compression="gzip", shuffle=True, fletcher32=True)
        packed.create_dataset("holes", shape=(20, 3), dtype="<f4", chunks=(5, 3))[7] = 3.0
        for i in range(12):
            file[f"many/own_{i}"] = numbers((2,), "<i4") + i
        for i in range(MANY):
            file[f"many/link_{i}_{LONG}"] = file[f"many/own_{i % 12}"]
            file["many"].attrs[f"attribute_{i}"] = np.int16(i)
        file["deep/er/still"] = numbers((4,), "<f4")
        file["deep/again"] = file["deep/er/still"]  # two names, one object


def write_odd(path: Path, libver: str) -> None:
    """Write what is valid and not read, each in a member of its own."""
    with h5py.File(path, "w", libver=libver) as file:
        file["text"] = "a dataset of text"
        file["compound"] = np.zeros(2, [("a", "f4"), ("b", "i4")])
        file["type"] = np.dtype("f4")
        file.create_dataset("committed", (2,), file["type"])[:] = 1
        file.create_dataset("lzf", data=numbers((8, 8), "<f4"), chunks=(4, 4), compression="lzf")
        file.create_dataset("chunks", data=numbers((8, 8), "<f4"), chunks=(4, 4))
        file.create_dataset("never", (3,), "<f4")  # no number was ever written
        file.create_dataset("nothing", (0,), "<f4")
        file.create_dataset("compact", data=numbers((3,), "<f4"), dcpl=_compact())
        file["soft/link"] = h5py.SoftLink("/lzf")
        file["outside/link"] = h5py.ExternalLink("x.h5", "/")
        if libver == "latest":
            file.create_group("large").attrs["large"] = numbers((70000,), "|i1")  # beside the heap's blocks


def _compact() -> h5py.h5p.PropDCID:
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_layout(h5py.h5d.COMPACT)
    return created


if __name__ == "__main__":
    print(h5py.version.info, file=sys.stderr)
    FOLDER.mkdir(exist_ok=True)
    write(FOLDER / "old.h5", ("earliest", "latest"))
    write_odd(FOLDER / "odd_new.h5", "latest")
    write_odd(FOLDER / "odd_old.h5", "earliest")
    write(FOLDER / "new.h5", ("v108", "latest"))

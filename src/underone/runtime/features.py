"""Features of many pictures: extracted, kept in a file, and compared."""

import math
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import BadFile, BadValue, ShapeError, UnderOneError
from ..files import atomic_write
from ..image import Picture
from .backends import Array
from .engine import Engine

_LARGEST = 1 << 32  # bytes of all features together
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(<f[248]|<U\d{1,6})', 'fortran_order': False, "
    rb"'shape': \(([\d, ]{0,200})\), \} *\n",
    re.DOTALL,
)
_FILES, _NETWORK = "files", "network"  # entries of the file beside those of the layers
_TAKEN = {_FILES, _NETWORK, "file", "allow_pickle"}  # the last two by numpy's savez


class Neighbour(NamedTuple):
    """A picture that looks like another one; `similarity` is the cosine of their features, from -1 to 1."""

    file: str
    similarity: float


@dataclass(frozen=True, eq=False)
class Features:
    """What the layers of a network give for pictures.

    Attributes:
        files: names of the pictures.
        layers: by layer, an array with a row for each picture: maps (N, C, H, W) or vectors (N, C).
        network: fingerprint of the network and its layers: features of others cannot be compared with these.
    """

    files: tuple[str, ...]
    layers: Mapping[str, Array]
    network: str

    @property
    def vectors(self) -> Array:
        """The one layer as a vector of length 1 for each picture, float32 (N, C); maps are averaged over their places.

        Raises:
            BadValue: there are several layers.
        """
        if len(self.layers) != 1:
            raise BadValue(f"{len(self.layers)} layers ({', '.join(self.layers)}); pictures are compared by one")
        (array,) = self.layers.values()
        return unit(pooled(array))

    def nearest(self, vector: Array, count: int = 5) -> list[Neighbour]:
        """Return the pictures whose features have the smallest angle to a vector, nearest first.

        Args:
            vector: (C,) features of one picture, of any length but 0.
            count: how many, where there are so many.

        Raises:
            ShapeError: the vector has another size.
            BadValue: there are several layers, or `count` is below 1.
        """
        vectors = self.vectors
        if vector.shape != vectors.shape[1:]:
            raise ShapeError(f"a vector of shape {vector.shape}; {vectors.shape[1:]} is required: the same layer")
        if count < 1:
            raise BadValue(f"count={count}; a whole number from 1 up is required")
        similarities = vectors @ unit(vector)
        best = np.argsort(-similarities, kind="stable")[:count]
        return [Neighbour(self.files[i], float(similarities[i])) for i in best]

    def save(self, path: str | Path) -> Path:
        """Write an .npz with an array for each layer, ``files`` and ``network``; an old file is replaced as a whole.

        Raises:
            BadValue: a layer has the name of something else in the file.
            BadFile: the file cannot be written.
        """
        taken = sorted(_TAKEN & self.layers.keys())
        if taken:
            raise BadValue(f"a layer {taken[0]!r} cannot be saved; every name but {', '.join(sorted(_TAKEN))} can")
        layers = {name: np.ascontiguousarray(array) for name, array in self.layers.items()}
        entries = {_FILES: np.array(self.files), _NETWORK: np.array(self.network), **layers}
        with atomic_write(Path(path)) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **entries)
        return Path(path)


def read_features(path: str | Path) -> Features:
    """Read what `Features.save` wrote.

    Raises:
        BadFile: no such file, another one, a damaged one, or one of objects that would have to be unpickled.
    """
    path = Path(path)
    try:
        entries = _entries(path)
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile) as error:  # RuntimeError: encrypted
        raise BadFile(f"{path} cannot be read as features: {getattr(error, 'strerror', None) or error}") from error
    missing = {_FILES, _NETWORK} - entries.keys()
    if missing or len(entries) < 3:
        raise BadFile(f"{path} holds {sorted(entries)}; {_FILES}, {_NETWORK} and layers are required")
    files, network = entries.pop(_FILES), entries.pop(_NETWORK)
    wrong = [name for name, a in entries.items() if a.ndim < 2 or len(a) != files.size or a.dtype.kind != "f"]
    if wrong or files.dtype.kind != "U" or files.ndim != 1:
        raise BadFile(f"{path}: {wrong or _FILES} is not one row of numbers for each of its pictures")
    return Features(tuple(files.tolist()), entries, str(network))


def extract(
    net: Engine,
    pictures: Mapping[str, Picture],
    *,
    pool: bool = False,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,  # noqa: ARG005
    failed: Callable[[str, UnderOneError], None] | None = None,
) -> Features:
    """Give the features of many pictures.

    Args:
        net: an engine on layers: ``load(file, layers=["stage4"])``.
        pictures: by name, whatever `Engine.features` takes.
        pool: average each map over its places: a vector (C,) for each layer.
        progress: told (name, done, total).
        failed: told of a picture that cannot be read, which is then left out; None: the error ends all.

    Raises:
        BadValue: no picture could be read, or the features would take more than 4 GiB; or as `Engine.features`.
        BadFile, ShapeError: a picture cannot be read, and `failed` is None.
    """
    rows: dict[str, dict[str, Array]] = {}
    for done, (name, picture) in enumerate(pictures.items(), 1):
        try:
            found = net.features(picture)
        except (BadFile, ShapeError) as error:
            if failed is None:
                raise
            failed(name, error)
            continue
        rows[name] = {layer: pooled(a[None])[0] if pool else a for layer, a in found.items()}
        _require_room(rows[name], len(pictures))
        progress(name, done, len(pictures))
    if not rows:
        raise BadValue(f"not one of {len(pictures)} pictures could be read")
    names = [output.name for output in net.spec.outputs]
    layers = {name: _stacked([row[name] for row in rows.values()], name) for name in names}
    return Features(tuple(rows), layers, net.fingerprint)


def pooled(maps: Array) -> Array:
    """Average maps (N, C, H, W) over their places to (N, C); vectors stay as they are."""
    return np.asarray(maps.reshape(*maps.shape[:2], -1).mean(axis=2))


def unit(vectors: Array) -> Array:
    """Bring vectors (…, C) to length 1 in float32; zeros stay zeros."""
    wide = np.asarray(vectors, np.float32)  # squares of float16 soon are beyond 65504
    lengths = np.linalg.norm(wide, axis=-1, keepdims=True)
    return np.asarray(wide / np.maximum(lengths, np.finfo(np.float32).tiny))


def _stacked(rows: Sequence[Array], layer: str) -> Array:
    sizes = {row.shape for row in rows}
    if len(sizes) > 1:
        raise ShapeError(f"layer {layer!r} gives maps of several sizes: {sorted(sizes)[:3]}; average them: pool=True")
    return np.stack(rows)


def _require_room(row: Mapping[str, Array], pictures: int) -> None:
    needed = pictures * sum(array.nbytes for array in row.values())
    if needed > _LARGEST:
        raise BadValue(
            f"the features of {pictures} pictures take {needed:,} bytes; at most {_LARGEST:,} are kept: average them "
            "(pool=True), or name fewer layers or pictures"
        )


def _entries(path: Path) -> dict[str, Array]:
    """Read the arrays of a stored archive: none of them is larger than the file says it is, and the file is."""
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
            raise ValueError("its arrays are compressed")
        if sum(info.file_size for info in infos) > path.stat().st_size:
            raise ValueError("its arrays are larger than the file")
        return {info.filename.removesuffix(".npy"): _array(archive.read(info), info.filename) for info in infos}


def _array(content: bytes, name: str) -> Array:
    """Read a file of numpy's format, version 1.0, as numpy writes it: what else its header could say is not parsed.

    Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    header = _HEADER.match(content)
    start = 10 + int.from_bytes(content[8:10], "little")
    if header is None or header.end() != start:
        raise ValueError(f"{name} is no array of numbers or texts")
    dtype, shape = np.dtype(header[1].decode()), tuple(int(size) for size in header[2].split(b",") if size.strip())
    if math.prod(shape) * dtype.itemsize != len(content) - start:
        raise ValueError(f"{name} does not hold {shape} values of {dtype}")
    return np.frombuffer(content, dtype, offset=start).reshape(shape)

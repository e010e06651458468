"""Six photographs with their number of faces: a real check of a face detector. Fetched, never packaged.

They are the samples of @vladmandic/face-api 1.7.15 (MIT; the licences of the photographs are not stated there).
"""

from typing import NamedTuple

from ..files import PinnedFile
from ..sources import NpmPackage


class FacePhotograph(NamedTuple):
    """One photograph.

    Attributes:
        file: where it comes from.
        faces: how many it shows.
    """

    file: PinnedFile
    faces: int


# name, bytes, sha256, faces
_ROWS = (
    ("sample1.jpg", 144516, "8ecae4b267b2d3169e06e00c7dee97097aa2a94635d45216f7732a5f4943cb51", 3),
    ("sample2.jpg", 181758, "7d2b60ae6f13bf30f422e04df87451081a02c83de469056f25afb44b7000c691", 3),
    ("sample3.jpg", 221049, "8eb081c9efb14370fa94d9feab9e5fbeafd19a627491853a80c2bf67f7ffa936", 3),
    ("sample4.jpg", 210824, "729efa5923061d40eb4ed5f267a18cc7b8ba6f852bb2757b16d8b7e4937476fc", 4),
    ("sample5.jpg", 166400, "6d45095ebb182d8f975c0790e0e4eefd86fbb40609cf4b271776d92e12662938", 5),
    ("sample6.jpg", 302445, "9baad80f9d5e306fb9b8c0913d44445f1e95848df317530efb03d0934c57ba87", 4),
)

FACE_PHOTOGRAPHS = tuple(
    FacePhotograph(
        PinnedFile(name, size_bytes, sha256, (NpmPackage("@vladmandic/face-api@1.7.15", f"package/demo/{name}"),)),
        faces,
    )
    for name, size_bytes, sha256, faces in _ROWS
)

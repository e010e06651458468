"""Networks in 8 bits that come with this package, by name; a card beside each file says what they give."""

from collections.abc import Mapping

from ..files import PinnedFile
from ..sources import Packaged


def _packaged(name: str, size_bytes: int, sha256: str) -> PinnedFile:
    return PinnedFile(f"{name}.onnx", size_bytes, sha256, (Packaged(f"weights/packaged/{name}.onnx"),))


NETWORKS: Mapping[str, PinnedFile] = {
    "mobilenet_v2_100.clothing10_int8": _packaged(
        "mobilenet_v2_100.clothing10_int8",
        2_570_313,
        "63a9efe295b8f2a50ad2995d243f4fb8e39426cc8bc742030ea3beef81921979",
    ),
    "mobileone_s0.clothing10_int8": _packaged(
        "mobileone_s0.clothing10_int8",
        1_253_667,
        "0b6c2ea65f78d5c91616e866bbb536e828170ca36edf770c95890ed1c0c925d7",
    ),
}

import numpy as np
import pytest

from underone.foreign.from_tensorflow.crc32c import crc32c, masked


@pytest.mark.parametrize(
    ("data", "want"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_checksum_equals_the_published_one(data, want):
    # RFC 3720, appendix B.4
    assert crc32c(memoryview(data)) == want


@pytest.mark.parametrize("size", [4096, 4097, 5000, 1 << 16, (1 << 16) + 1, (1 << 22) + 5])
def test_checksum_by_lanes_equals_the_one_by_bytes(size):
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8).tobytes()
    assert crc32c(memoryview(data)) == by_bytes(data)


def by_bytes(data):
    table = [0] * 256
    for i in range(256):
        value = i
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table[i] = value
    state = 0xFFFFFFFF
    for byte in data:
        state = table[(state ^ byte) & 0xFF] ^ state >> 8
    return state ^ 0xFFFFFFFF


def test_mask_is_that_of_leveldb():
    # util/crc32c_test.cc: a masked checksum is another, and is undone by the reverse
    crc = crc32c(memoryview(b"foo"))
    rotated = (masked(crc) - 0xA282EAD8) & 0xFFFFFFFF
    assert masked(crc) != crc
    assert (rotated >> 17 | rotated << 15) & 0xFFFFFFFF == crc

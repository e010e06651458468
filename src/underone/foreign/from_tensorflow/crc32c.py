"""CRC-32C, the checksum of TensorFlow's tables and checkpoints, over many lanes at once: a pure loop takes minutes.

Source: RFC 3720, appendix B.4 (polynomial 0x1EDC6F41, reflected); the masking is tensorflow/core/lib/hash/crc32c.h.
"""

import numpy as np

from ...graph import Array

_POLYNOMIAL = 0x82F63B78
_SHORT = 1 << 12  # bytes up to which a plain loop is faster
_LANES = 1 << 12
_BLOCK = 1 << 22  # bytes that are worked on together


def crc32c(data: memoryview) -> int:
    """Give the CRC-32C of bytes."""
    state = 0xFFFFFFFF
    for begin in range(0, len(data), _BLOCK):
        part = data[begin : begin + _BLOCK]
        state = _one_lane(part, state) if len(part) <= _SHORT else _many_lanes(part, state)
    return state ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    """Give a CRC as it is stored beside the bytes that it is of."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _byte_table() -> Array:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


_TABLE = _byte_table()
_NUMBERS: list[int] = _TABLE.tolist()


def _one_lane(data: memoryview, state: int) -> int:
    for byte in data:
        state = _NUMBERS[(state ^ byte) & 0xFF] ^ state >> 8
    return state


def _many_lanes(data: memoryview, state: int) -> int:
    """Cut the bytes into lanes of equal length, work on one byte of each at a time, and join their remainders."""
    length = -(-len(data) // _LANES)
    padded = np.zeros(_LANES * length, np.uint8)  # zeros in front change nothing to a state of 0
    front = len(padded) - len(data)
    padded[front:] = np.frombuffer(data, np.uint8)
    padded[front : front + 4] ^= np.frombuffer(state.to_bytes(4, "little"), np.uint8)  # as if the state were 0
    states = np.zeros(_LANES, np.uint32)
    for column in np.ascontiguousarray(padded.reshape(_LANES, length).T):
        states = _TABLE[(states ^ column) & 0xFF] ^ states >> 8
    shift = _zeros(length)
    while len(states) > 1:
        states = _applied(shift, states[::2]) ^ states[1::2]
        shift = _applied(shift, shift)
    return int(states[0])


def _zeros(count: int) -> Array:
    """Give the matrix that `count` bytes of 0 multiply a state by."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    power = np.concatenate([_TABLE[bits[:8]], bits[:24]])  # one byte of 0
    product = bits
    while count:
        if count & 1:
            product = _applied(power, product)
        power = _applied(power, power)
        count >>= 1
    return product


def _applied(matrix: Array, states: Array) -> Array:
    """Multiply a matrix of 32 x 32 bits, given by its columns, with states."""
    result = np.zeros_like(states)
    for bit, column in enumerate(matrix):
        result ^= (states >> np.uint32(bit) & np.uint32(1)) * column
    return result

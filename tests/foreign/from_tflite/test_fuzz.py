"""Damaged files: a BadFile or Unsupported that names the file, in bounded time and memory; never anything else."""

import time
import tracemalloc

import numpy as np
import pytest

from underone.errors import BadFile, FetchFailed, Unsupported
from underone.files import fetch
from underone.foreign.from_tflite import read_tflite
from underone.weights.real_files import REAL_FILES


def try_it(content):
    """Read a file and make its network; True where that worked."""
    fault = ""
    try:
        read_tflite(content, "fuzzed.tflite").network()
    except (BadFile, Unsupported) as error:
        fault = str(error)
    assert not fault or ("fuzzed.tflite" in fault and "\n" not in fault)
    return not fault


def real(name):
    try:
        return fetch(REAL_FILES[name]).read_bytes()
    except FetchFailed as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def little(small):
    """A file of every structure: constants, quantisation, fused activation, two results."""
    make, tensor = small
    weight = np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 3))
    scaled = {"dtype": "int8", "scale": 0.5, "zero": 3}
    tensors = {
        "x": tensor((1, 6, 6, 3), **scaled),
        "w": tensor(value=weight, dtype="int8", scale=[0.1, 0.2, 0.3, 0.4], axis=0),
        "b": tensor(value=[1, 2, 3, 4], dtype="int32", scale=[0.05, 0.1, 0.15, 0.2]),
        "c": tensor((1, 3, 3, 4), **scaled),
        "s": tensor(value=[1, 36], dtype="int32"),
        "y": tensor((1, 36), **scaled),
        "z": tensor((1, 36), **scaled),
    }
    conv = {"kind": "Conv2DOptions", "strideW": 2, "strideH": 2, "dilationWFactor": 1, "dilationHFactor": 1,
            "fusedActivationFunction": 3}  # fmt: skip
    operators = [
        ("CONV_2D", "x w b", "c", conv),
        ("RESHAPE", "c s", "y", {}),
        ("SOFTMAX", "y", "z", {"kind": "SoftmaxOptions", "beta": 1.0}),
    ]
    return make(tensors, operators, outputs="y z").bytes()


def test_every_cut_of_a_small_file_is_refused(little):
    assert try_it(little)
    assert not any(try_it(little[:size]) for size in range(0, len(little) - 64, 16))


def test_every_flipped_byte_of_a_small_file_is_survived(little):
    survived = 0
    for at in range(len(little)):
        for mask in (0xFF, 0x80, 0x01):
            survived += try_it(little[:at] + bytes([little[at] ^ mask]) + little[at + 1 :])
    assert survived  # weights may have any value


def test_giant_numbers_in_every_place_of_a_small_file_are_survived(little):
    for at in range(0, len(little) - 4, 4):
        for number in (0, 0x7FFFFFFF, 0xFFFFFFFF, 0x10000, len(little)):
            try_it(little[:at] + number.to_bytes(4, "little") + little[at + 4 :])


@pytest.mark.parametrize("name", ["emotion_tflite", "hand_recrop_tflite", "face_full_range_sparse_tflite"])
def test_random_damage_of_a_real_file_is_survived(name):
    content, rng = real(name), np.random.default_rng(1)
    assert try_it(content)
    for size in rng.integers(0, len(content), 100):
        try_it(content[:size])
    for _ in range(60):
        damaged = bytearray(content)
        for at in rng.integers(0, len(content), 8):
            damaged[at] = rng.integers(0, 256)
        try_it(bytes(damaged))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v2_uint8_tflite", "objectron_ssd_tflite"])
def test_random_cuts_of_a_large_file_are_refused(name):
    content = real(name)
    for size in np.random.default_rng(2).integers(0, len(content) - 64, 500):
        assert not try_it(content[:size]) or size > 0.9 * len(content)


@pytest.mark.parametrize("name", ["objectron_ssd_tflite", "mobilenet_v2_uint8_tflite"])
@pytest.mark.parametrize("quantised", ["dequantised", "kept"])
def test_reading_is_quick_and_needs_four_times_the_file(name, quantised):
    content = real(name)
    tracemalloc.start()
    started = time.process_time()
    read_tflite(content).network(quantised=quantised)
    seconds, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 4 * len(content) + 100e6
    assert seconds < 3  # 0.05 s without the tracing

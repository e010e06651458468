"""Damaged and hostile Keras files: one line that names the file, within bounds of time and memory."""

import json
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from underone.errors import BadFile, FetchFailed, Unsupported
from underone.files import fetch
from underone.foreign.from_keras import read_keras
from underone.weights import REAL_FILES

GOLDEN = Path(__file__).parents[2] / "golden" / "foreign"
FILES = ("keras_nested_2.h5", "keras_nested_3.h5", "keras_nested.keras", "keras_nested.weights.h5")


def line_of(path):
    """Give the one line that a file gives, or nothing when it can still be read."""
    try:
        file = read_keras(path)
        if file.build is not None:
            file.graph()
    except (BadFile, Unsupported) as error:
        line = str(error)
    else:
        return ""
    assert line.startswith(str(path))
    assert "\n" not in line
    return line


@pytest.mark.parametrize("name", FILES)
def test_cut_files_are_refused(name, tmp_path):
    data = (GOLDEN / name).read_bytes()
    path = tmp_path / f"x{Path(name).suffix}"
    for cut in range(0, len(data), 64):
        path.write_bytes(data[:cut])
        assert line_of(path)


@pytest.mark.parametrize("name", FILES)
def test_flipped_bytes_never_crash(name, tmp_path):
    data, rng = (GOLDEN / name).read_bytes(), np.random.default_rng(4)
    path = tmp_path / f"x{Path(name).suffix}"
    lines = set()
    for _ in range(200):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 12)):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        lines.add(line_of(path))
    assert len(lines) > 1


def test_random_cuts_of_a_large_file_are_refused(tmp_path):
    try:
        data = fetch(REAL_FILES["dog_breed_h5"]).read_bytes()
    except FetchFailed as error:
        pytest.skip(str(error))
    path, rng = tmp_path / "x.h5", np.random.default_rng(2)
    for cut in rng.integers(0, len(data), 40):
        path.write_bytes(data[:cut])
        assert line_of(path)


def written(path, config, members=()):
    """Write an archive with this configuration and the nested model's weights."""
    with zipfile.ZipFile(GOLDEN / "keras_nested.keras") as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr("config.json", json.dumps(config))
        new.writestr("model.weights.h5", old.read("model.weights.h5"))
        for name, data in members:
            new.writestr(name, data)
    return path


def functional(layers, end):
    given = {"class_name": "InputLayer", "name": "x", "config": {"batch_shape": [None, 4]}, "inbound_nodes": []}
    config = {"name": "m", "layers": [given, *layers], "input_layers": [["x", 0, 0]], "output_layers": [[end, 0, 0]]}
    return {"class_name": "Functional", "config": config}


def called(kind, name, *owners, **config):
    nodes = [[[owner, 0, 0, {}] for owner in owners]]
    return {"class_name": kind, "name": name, "config": config, "inbound_nodes": nodes}


def test_models_that_call_each_other_often_are_refused(tmp_path):
    """Ten levels of models, each of which calls the next one ten times: ten thousand million calls."""
    model = functional([called("Dropout", "d", "x")], "d")
    for _ in range(7):
        inner = {"class_name": "Functional", "name": "i", "config": model["config"]}
        inner["inbound_nodes"] = [[["x", 0, 0, {}]]] + [[["i", k, 0, {}]] for k in range(9)]
        model = functional([inner], "i")
        model["config"]["output_layers"] = [["i", 9, 0]]
    started = time.perf_counter()
    assert "more than 4096 calls of layers" in line_of(written(tmp_path / "x.keras", model))
    assert time.perf_counter() - started < 5


def test_models_inside_models_end(tmp_path):
    model = functional([called("Dropout", "d", "x")], "d")
    for _ in range(12):
        inner = {
            "class_name": "Functional",
            "name": "i",
            "config": model["config"],
            "inbound_nodes": [[["x", 0, 0, {}]]],
        }
        model = functional([inner], "i")
    assert "models inside models, more than 8 deep" in line_of(written(tmp_path / "x.keras", model))


def test_tensors_that_grow_are_refused_before_they_exist(tmp_path):
    layers, before = [], "x"
    for i in range(60):
        layers.append(called("Concatenate", f"c{i}", before, before))
        before = f"c{i}"
    tracemalloc.start()
    assert "elements" in line_of(written(tmp_path / "x.keras", functional(layers, before)))
    assert tracemalloc.get_traced_memory()[1] < 50 << 20
    tracemalloc.stop()


def test_long_chains_of_layers_need_no_recursion(tmp_path):
    """Three thousand layers, the last ones first."""
    layers, before = [], "x"
    for i in range(3000):
        layers.append(called("ReLU", f"r{i}", before))
        before = f"r{i}"
    started = time.perf_counter()
    assert line_of(written(tmp_path / "x.keras", functional(layers[::-1], before))) == ""
    assert time.perf_counter() - started < 20


def test_bombs_are_refused_before_they_unpack(tmp_path):
    path = tmp_path / "x.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(200 << 20))
    tracemalloc.start()
    assert "config.json unpacks to more than" in line_of(path)
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


def test_long_directories_are_refused_before_they_are_read(tmp_path):
    members = [(f"member_{i}", b"") for i in range(6000)]
    line = line_of(written(tmp_path / "x.keras", functional([], "x"), members))
    assert "a directory of" in line
    assert "byte" in line

"""TensorFlow's own answers (golden/make_tensorflow_graphs.py) are the oracle."""

from pathlib import Path

import numpy as np
import pytest

from underone.compare import difference
from underone.foreign.from_tensorflow import read_frozen_graph
from underone.graph import run_reference
from underone.graph.to_onnx import to_onnx
from underone.runtime import load

GOLDEN = Path(__file__).parents[2] / "golden" / "tensorflow"
LAYERS = dict(np.load(GOLDEN / "layers.npz"))
CASES = sorted(name.removesuffix(".graph") for name in LAYERS if name.endswith(".graph"))


@pytest.fixture
def written(tmp_path):
    def write(name):
        path = tmp_path / f"{name}.pb"
        path.write_bytes(LAYERS[f"{name}.graph"].tobytes())
        return path

    return write


def taken_input(name, graph):
    """Give the input of a case as the graph takes it: pictures with channels first."""
    (value,) = graph.inputs
    data = LAYERS["input." + "x".join(map(str, LAYERS[f"{name}.shape"]))]
    return data.transpose(0, 3, 1, 2) if data.ndim == 4 and value.shape[1] == data.shape[3] else data


# the rounding is left out: of 2.53 in 255 steps, half a step against an RMS of 0.72; of weights and of 6 in 255 steps
ROUNDED = {"fake_quantised": (3e-5, 0.007), "fake_quantised_weights": (3e-4, 0.04)}


def require_equal(name, got, want):
    nmse, peak = difference(got, want)
    limits = ROUNDED.get(name, (1e-11, 1e-4))
    assert nmse < limits[0]
    assert peak < limits[1]


@pytest.mark.parametrize("name", CASES)
def test_layer_equals_tensorflow(name, written):
    graph = read_frozen_graph(written(name)).graph()
    want = LAYERS[f"{name}.output"]
    assert [v.name for v in graph.outputs] == ["y"]
    got = run_reference(graph, {"x": taken_input(name, graph)})["y"]
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    require_equal(name, got, want)


@pytest.mark.parametrize("backend", ["native", "onnxruntime"])
@pytest.mark.parametrize("name", CASES)
def test_layer_runs_on_another_engine(name, backend, written, tmp_path):
    graph = read_frozen_graph(written(name)).graph()
    path = tmp_path / "layer.onnx"
    path.write_bytes(to_onnx(graph))
    with load(path, backend=backend) as net:
        got = net.run({"x": taken_input(name, graph)})["y"]
    require_equal(name, got, LAYERS[f"{name}.output"])


@pytest.mark.parametrize("name", ROUNDED)
def test_rounding_that_is_kept_equals_tensorflow(name, written):
    graph = read_frozen_graph(written(name)).graph(quantised="kept")
    got, want = run_reference(graph, {"x": taken_input(name, graph)})["y"], LAYERS[f"{name}.output"]
    assert difference(got, want)[0] < 1e-11
    assert len(np.unique(want)) > 20


def test_rounding_that_is_left_out_is_noted(written):
    notes = read_frozen_graph(written("fake_quantised")).network().notes
    assert notes == ("the rounding of fake quantisation is left out, its ranges are kept",)

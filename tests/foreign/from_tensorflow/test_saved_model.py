"""SavedModels that TensorFlow wrote, and its own answers (golden/make_tensorflow_saved_models.py)."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from underone.compare import difference
from underone.errors import BadFile, Unsupported
from underone.foreign.from_tensorflow import read_saved_model
from underone.graph import run_reference

GOLDEN = dict(np.load(Path(__file__).parents[2] / "golden" / "tensorflow" / "saved_models.npz"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved_models")
    for name, content in GOLDEN.items():
        if "/" in name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content.tobytes())
    return folder


@pytest.mark.parametrize(
    ("name", "takes", "gives"), [("exported", "keras_tensor", "output_0"), ("session", "picture", "map")]
)
def test_network_of_the_signature_equals_tensorflow(folder, name, takes, gives):
    network = read_saved_model(folder / name).network()
    assert [(v.name, v.shape) for v in network.graph.inputs] == [(takes, (None, 3, 9, 8))]
    assert [v.name for v in network.graph.outputs] == [gives]
    got = run_reference(network.graph, {takes: GOLDEN["input"].transpose(0, 3, 1, 2)})[gives]
    nmse, peak = difference(got, GOLDEN[f"{name}.output"])
    assert nmse < 1e-11
    assert peak < 1e-4
    assert network.notes == ()


def test_variables_have_the_names_of_their_layers(folder):
    found = read_saved_model(folder / "exported").tensors
    names = (
        "first/kernel", "norm/gamma", "norm/beta", "norm/moving_mean", "norm/moving_variance", "second/kernel",
        "second/bias",
    )  # fmt: skip
    assert found.keys() == {f"sequential/{name}" for name in names}
    session = read_saved_model(folder / "session" / "saved_model.pb").tensors
    assert {n: a.shape for n, a in session.items()} == {"net/weights": (3, 3, 3, 4), "net/biases": (4,)}


def test_network_can_be_cut_inside_a_function(folder):
    inside = "StatefulPartitionedCall_1/StatefulPartitionedCall/sequential_1/norm_1/batchnorm/add_1"
    graph = read_saved_model(folder / "exported").graph(outputs=[inside])
    assert [(v.name, v.shape) for v in graph.outputs] == [(inside, (None, 5, 4, 4))]


def test_shape_of_an_input_of_the_signature_can_be_stated(folder):
    graph = read_saved_model(folder / "exported").graph(["keras_tensor[2,9,8,3]"])
    assert [(v.name, v.shape) for v in graph.inputs] == [("keras_tensor", (2, 3, 9, 8))]
    assert [(v.name, v.shape) for v in graph.outputs] == [("output_0", (2, 5))]


def test_network_without_its_variables_is_refused(folder, tmp_path):
    shutil.copy(folder / "session" / "saved_model.pb", tmp_path)
    found = read_saved_model(tmp_path)
    with pytest.raises(Unsupported, match=r"variable 'net/weights' has no value in the file; freeze the"):
        found.graph()


def test_folder_without_a_graph_is_refused(tmp_path):
    with pytest.raises(BadFile, match=r"saved_model.pb cannot be read: No such file"):
        read_saved_model(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    with pytest.raises(BadFile, match=r"saved_model.pb holds no graph; the saved_model.pb of a SavedModel"):
        read_saved_model(tmp_path)

"""Files of Keras in every layout, and two real ones, against Keras' own output (tests/golden/make_keras.py)."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from underone import settings
from underone.compare import difference
from underone.errors import BadFile, FetchFailed, UnknownName, Unsupported
from underone.files import fetch
from underone.foreign.from_keras import read_keras
from underone.graph import run_reference
from underone.weights import REAL_FILES

GOLDEN = Path(__file__).parents[2] / "golden" / "foreign"
NESTED = np.load(GOLDEN / "keras_nested.npz")
LAYOUTS = ("keras_nested_2.h5", "keras_nested_2.keras", "keras_nested_3.h5", "keras_nested.keras")
ANSWERS = np.load(GOLDEN / "keras_answers.npz")


def close(found, wanted, nmse=1e-12, peak=1e-5):
    got = difference(found, wanted)
    assert got[0] < nmse
    assert got[1] < peak


def pictures():
    """The inputs of the nested model, channels first."""
    return {k: np.ascontiguousarray(NESTED[k].transpose(0, 3, 1, 2)) for k in ("left", "right")}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_keras_own_answer(name):
    graph = read_keras(GOLDEN / name).graph()
    assert [v.name for v in graph.inputs] == ["left", "right"]
    assert {v.name: v.shape for v in graph.outputs} == {"scores": (None, 2), "tail": (None, 3)}
    assert [o.meaning for o in graph.spec.outputs] == ["probabilities", None]
    found = run_reference(graph, pictures())
    close(found["scores"], NESTED["scores"])
    close(found["tail"], NESTED["tail"])


@pytest.mark.parametrize("name", LAYOUTS)
def test_tensors_have_one_name_in_every_layout(name):
    tensors = read_keras(GOLDEN / name).tensors
    assert set(tensors) == {
        "shared/kernel", "shared/bias", "inner/inner_conv/kernel", "inner/inner_norm/gamma", "inner/inner_norm/beta",
        "inner/inner_norm/moving_mean", "inner/inner_norm/moving_variance", "scores/kernel", "scores/bias",
        "tail/seq_depthwise/kernel", "tail/seq_depthwise/bias", "tail/seq_dense/kernel", "tail/seq_dense/bias",
    }  # fmt: skip
    assert tensors["inner/inner_conv/kernel"].shape == (3, 3, 3, 4)
    same = read_keras(GOLDEN / LAYOUTS[0]).tensors
    for tensor_name, array in tensors.items():
        np.testing.assert_array_equal(array, same[tensor_name])


def test_files_of_weights_only_give_tensors_and_no_network():
    with_names = read_keras(GOLDEN / "keras_nested_2_weights.h5")
    wanted = read_keras(GOLDEN / "keras_nested_2.h5").tensors
    assert with_names.tensors["tail/seq_depthwise/depthwise_kernel"].shape == (3, 3, 8, 1)  # as Keras 2 calls it
    np.testing.assert_array_equal(with_names.tensors["shared/kernel"], wanted["shared/kernel"])
    by_place = read_keras(GOLDEN / "keras_nested.weights.h5")
    np.testing.assert_array_equal(by_place.tensors["layers/conv2d/vars/0"], wanted["shared/kernel"])
    for file in (with_names, by_place):
        assert len(file.tensors) == len(wanted)
        with pytest.raises(Unsupported, match=r"\(Keras\) holds weights and no network"):
            file.graph()


@pytest.mark.parametrize("name", LAYOUTS)
def test_models_inside_are_given_by_name(name):
    """Keras 2 counts their calls from 1, Keras 3 from 0; the first one is meant."""
    graph = read_keras(GOLDEN / name).graph(outputs=["inner"])
    assert [(v.name, v.shape) for v in graph.outputs] == [("inner", (None, 4, 4, 4))]


def test_outputs_inside_are_given_by_layer():
    file = read_keras(GOLDEN / "keras_nested.keras")
    graph = file.graph(outputs=["both"])
    assert [(v.name, v.shape) for v in graph.outputs] == [("both", (None, 4, 4, 8))]
    assert run_reference(graph, pictures())["both"].min() >= 0  # behind the ReLU6 of the model inside
    with pytest.raises(UnknownName, match=r"unknown layer 'bath'\. Did you mean 'both'"):
        file.graph(outputs=["bath"])
    with pytest.raises(Unsupported, match=r"is read from its own inputs \['left', 'right'\] on"):
        file.graph(inputs=["both"])


def test_functions_without_a_layer_give_keras_own_answer():
    graph = read_keras(GOLDEN / "keras_operators_2.h5").graph()
    golden = np.load(GOLDEN / "keras_operators_2.npz")
    (found,) = run_reference(graph, {"x": golden["x"]}).values()
    close(found, golden["y"])


def real(name):
    try:
        return read_keras(fetch(REAL_FILES[name]))
    except FetchFailed as error:
        pytest.skip(str(error))


def picture(height, width, channels):
    """The picture of make_keras.py, channels first."""
    y, x, c = np.mgrid[0:height, 0:width, 0:channels].astype(np.float64)
    waves = np.sin(x / 7 + c) * np.cos(y / 11 - c) + 0.5 * np.sin((x + 2 * y) / 5 + c * c)
    return np.ascontiguousarray((waves / 1.5).astype(np.float32).transpose(2, 0, 1)[None])


@pytest.mark.parametrize(
    ("pin", "name", "size", "inside", "end"),
    [
        ("dog_breed_h5", "dogs", (160, 160, 3), "global_average_pooling2d", "dense"),
        ("emotion_h5", "faces", (64, 64, 1), "global_average_pooling2d_1", "predictions"),
    ],
)
def test_real_files_give_keras_own_answer(pin, name, size, inside, end):
    file = real(pin)
    assert file.notes == ("the state of the optimizer (optimizer_weights) is left out",)
    graph = file.graph()
    (given,) = graph.inputs
    close(run_reference(graph, {given.name: picture(*size)})[end], ANSWERS[f"{name}/answer"], nmse=1e-10, peak=1e-4)
    graph = file.graph(outputs=[inside])
    close(run_reference(graph, {given.name: picture(*size)})[inside], ANSWERS[f"{name}/inside"], nmse=1e-10, peak=1e-4)


@pytest.mark.parametrize(("photo", "breed", "probability"), [("german_shepherd", 9, 0.999), ("samoyed", 15, 0.997)])
def test_breeds_on_photographs_are_those_that_keras_gave(photo, breed, probability):
    """Measured with Keras on the same files: the whole photograph squeezed to the square, x / 127.5 - 1."""
    folder = settings.assets_dir()
    if folder is None:
        pytest.skip("UNDERONE_ASSETS is not set")
    graph = real("dog_breed_h5").graph()
    with Image.open(folder / "photos" / f"{photo}.jpg") as image:
        pixels = np.asarray(image.convert("RGB").resize((160, 160), Image.Resampling.BILINEAR), np.float32)
    x = (pixels / 127.5 - 1).transpose(2, 0, 1)[None]
    (found,) = run_reference(graph, {graph.inputs[0].name: np.ascontiguousarray(x)})["dense"]
    assert found.argmax() == breed
    assert abs(found[breed] - probability) < 0.002


def test_emotions_agree_with_their_tflite_twin_within_the_quantisation_error():
    """The package holds the same network as Keras h5 and as TFLite with int8 weights, float32 in and out."""
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    graph = real("emotion_h5").graph()
    twin = litert.Interpreter(str(fetch(REAL_FILES["emotion_tflite"])))
    twin.allocate_tensors()
    rng = np.random.default_rng(3)
    found, wanted = [], []
    for _ in range(20):
        x = np.clip(picture(64, 64, 1) * rng.uniform(0.2, 1) + rng.uniform(-0.5, 0.5), -1, 1).astype(np.float32)
        x = np.roll(x, rng.integers(64, size=2), (2, 3))
        twin.set_tensor(twin.get_input_details()[0]["index"], x.transpose(0, 2, 3, 1))
        twin.invoke()
        wanted.append(twin.get_tensor(twin.get_output_details()[0]["index"]))
        found.append(run_reference(graph, {"input_1": x})["predictions"])
    nmse, _ = difference(np.stack(found), np.stack(wanted))
    assert nmse < 1e-3  # measured 1.1e-4
    assert np.abs(np.stack(found) - np.stack(wanted)).max() < 0.03  # of a probability; measured 0.011
    assert {int(a.argmax()) for a in found} == {int(a.argmax()) for a in wanted}


def archive(tmp_path, **members):
    path = tmp_path / "x.keras"
    with zipfile.ZipFile(GOLDEN / "keras_nested.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = members.get(name.replace(".", "_"), old.read(name))
            if data is not None:
                new.writestr(name, data, zipfile.ZIP_DEFLATED)
    return path


@pytest.mark.parametrize(
    ("members", "error", "line"),
    [
        ({"config_json": None}, BadFile, r"x\.keras has no member config\.json; a \.keras archive is required"),
        ({"model_weights_h5": None}, Unsupported, r"no member model\.weights\.h5; weights in one HDF5 file"),
        ({"config_json": b"{"}, BadFile, "the configuration is no JSON"),
        ({"config_json": b"\xff\xfe"}, BadFile, r"config\.json, byte 0: a text that is not UTF-8"),
        ({"config_json": b"[" * 100_000}, BadFile, "the configuration is no JSON: .*recursion"),
        ({"config_json": b"[]"}, BadFile, "the configuration of the model has no valid 'class_name'"),
        ({"config_json": b'{"class_name": "Mine", "config": {}}'}, Unsupported, "the model is of class 'Mine'"),
        ({"config_json": b'{"class_name": "Sequential", "config": []}'}, BadFile, "a model without layers"),
        ({"config_json": b" " * (5 << 20)}, BadFile, r"a configuration of 5242880 characters; at most"),
        ({"metadata_json": b"{"}, BadFile, r"metadata\.json is no JSON"),
        ({"model_weights_h5": b"HDF"}, BadFile, r"x\.keras/model\.weights\.h5, byte 0: no HDF5 file"),
        ({"model_weights_h5": bytes(64 << 20)}, BadFile, r"model\.weights\.h5 unpacks to more than \d+ bytes"),
    ],
)  # fmt: skip
def test_bad_archives_are_refused(tmp_path, members, error, line):
    with pytest.raises(error, match=line):
        read_keras(archive(tmp_path, **members))


def config(tmp_path, change):
    """Write the nested model with another configuration."""
    with zipfile.ZipFile(GOLDEN / "keras_nested.keras") as old:
        raw = json.loads(old.read("config.json"))
    change(raw["config"])
    return archive(tmp_path, config_json=json.dumps(raw).encode())


def layer(raw, name):
    return next(item for item in raw["layers"] if item["name"] == name)


def circle(raw):
    """Let the shared layer be called on what comes of it."""
    both = 2 * json.loads(json.dumps(layer(raw, "scores")["inbound_nodes"]))
    layer(raw, "shared")["inbound_nodes"] = both
    layer(raw, "scores")["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = ["shared", 0, 0]
    both[0]["args"][0]["config"]["keras_history"] = ["scores", 0, 0]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda raw: raw["layers"].append(raw["layers"][0]), "two layers of one model have the same name"),
        (lambda raw: raw["layers"].remove(layer(raw, "both")), "uses the layer 'both', which it does not have"),
        (circle, r"layer '\w+' depends on itself"),
        (lambda raw: raw.update(output_layers=[["tail", 0, 3]]), "output 3 of layer 'tail' is used; it has 1"),
        (lambda raw: raw.update(output_layers=[["shared", 7, 0]]), "call 7 of layer 'shared' is used; it is called 2"),
        (lambda raw: layer(raw, "left")["config"].update(batch_shape="all"), "takes the shape 'all'"),
        (lambda raw: layer(raw, "tail").update(inbound_nodes=4), "inbound_nodes is 4; a list is required"),
        (lambda raw: layer(raw, "tail").update(inbound_nodes=[]), "model 'tail' is given 0 tensors; it takes 1"),
        (lambda raw: layer(raw, "scores").update(inbound_nodes=[]), "is given 0 tensors; at least 1 are required"),
        (lambda raw: layer(raw, "shared").update(name=3), "a layer of class 'Conv2D' has no name"),
        (lambda raw: raw.update(output_layers=[]), "at least one"),
    ],
)
def test_bad_configurations_are_refused(tmp_path, change, line):
    with pytest.raises((BadFile, Unsupported), match=line):
        read_keras(config(tmp_path, change)).graph()

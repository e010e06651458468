"""Every row of the table of layers against Keras' own output (tests/golden/make_keras.py)."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from underone.compare import difference
from underone.errors import BadFile, Unsupported
from underone.foreign.foreign_file import Cut
from underone.foreign.from_keras.config import parse_model
from underone.foreign.from_keras.layers import LAYERS
from underone.foreign.from_keras.network import build_network
from underone.graph import run_reference, to_onnx
from underone.runtime import load

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "foreign" / "keras_layers.npz")
CASES = json.loads(GOLDEN["cases"].tobytes())
FLAT = {name: GOLDEN[name] for name in ("weights", "answers")}


def _cut():
    """Give weights by layer and answer of each case out of the flat arrays."""
    found, at = {}, {"weights": 0, "answers": 0}

    def take(kind, shape):
        size = int(np.prod(shape))
        at[kind] += size
        return FLAT[kind][at[kind] - size : at[kind]].reshape(shape)

    for name, case in CASES.items():
        weights = {}
        for i, (layer, shape) in enumerate(case["weights"]):
            weights.setdefault((layer,), {})[str(i)] = take("weights", shape)
        found[name] = weights, take("answers", case["answer"])
    return found


NUMBERS = _cut()


def graph_of(name, config=None, keras=3):
    model = parse_model(json.dumps(config or CASES[name]["config"]), "x.keras")
    return build_network(model, NUMBERS[name][0], keras, "x.keras", Cut()).graph


def given(name, graph):
    """Give the case's input as the graph takes it: pictures channels first."""
    shape = CASES[name]["config"]["config"]["layers"][0]["config"]["batch_shape"][1:]
    array = GOLDEN[f"given{len(shape)}_{shape[0]}"]
    return {"x": np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if len(shape) == 3 else array}


@pytest.mark.parametrize("name", CASES)
def test_layer_gives_keras_own_answer(name):
    graph = graph_of(name)
    answer, inputs = NUMBERS[name][1], given(name, graph)
    (found,) = run_reference(graph, inputs).values()
    assert found.shape == answer.shape
    nmse, peak = difference(found, answer)
    assert nmse < 1e-12
    assert peak < 1e-5


@pytest.mark.parametrize("name", CASES)
def test_layer_gives_keras_own_answer_in_onnxruntime(name):
    graph = graph_of(name)
    session = onnxruntime.InferenceSession(to_onnx(graph), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, given(name, graph))
    nmse, peak = difference(found, NUMBERS[name][1])
    assert nmse < 1e-10
    assert peak < 1e-4


@pytest.mark.parametrize("name", CASES)
def test_layer_gives_keras_own_answer_in_our_engine(name, tmp_path):
    graph = graph_of(name)
    (tmp_path / "x.onnx").write_bytes(to_onnx(graph))
    (found,) = load(tmp_path / "x.onnx", backend="native").run(given(name, graph)).values()
    nmse, peak = difference(found, NUMBERS[name][1])
    assert nmse < 1e-10
    assert peak < 1e-4


def test_every_layer_has_a_case():
    kinds = {layer["class_name"] for case in CASES.values() for layer in case["config"]["config"]["layers"]}
    same = {k for k, row in LAYERS.items() if row.rule in (LAYERS["Dropout"].rule, LAYERS["RandomFlip"].rule)}
    assert set(LAYERS) - same - kinds == set()


def changed(name, layer, **settings):
    config = json.loads(json.dumps(CASES[name]["config"]))
    config["config"]["layers"][layer]["config"].update(settings)
    return config


def test_hard_sigmoid_of_keras_2_is_steeper():
    name = "activation_hard_sigmoid"
    graph = graph_of(name, keras=2)
    (found,) = run_reference(graph, given(name, graph)).values()
    x = given(name, graph)["x"]
    np.testing.assert_allclose(found, np.clip(0.2 * x + 0.5, 0, 1), atol=1e-6)  # keras 2.15, backend.hard_sigmoid


@pytest.mark.parametrize(
    ("name", "settings", "error", "line"),
    [
        ("conv", {"data_format": "channels_first"}, Unsupported, r"layer 'conv2d\w*': data_format is 'channels_first'"),
        ("conv", {"padding": "causal"}, Unsupported, "padding is 'causal'; 'same' or 'valid' is read"),
        ("conv", {"activation": "my_own"}, Unsupported, "has the activation 'my_own'"),
        ("conv", {"activation": [1]}, Unsupported, r"has the activation \[1\]"),
        ("normalization_given", {"variance": [1, 2, -3, 4]}, BadFile, "has a variance below 0"),
        ("conv", {"strides": [1, 2, 3]}, BadFile, r"strides is \[1, 2, 3\]; \(height, width\) is required"),
        ("conv", {"strides": "many"}, BadFile, "strides is 'many'; a list of whole numbers is required"),
        ("conv", {"strides": [-1, 1]}, BadFile, r"\(height, width\) is required"),
        ("conv", {"strides": [0, 0]}, BadFile, "strides and dilations from 1 up are required"),
        ("conv_same_strides", {"dilation_rate": 0}, BadFile, "strides and dilations from 1 up are required"),
        ("normalization_given", {"mean": [1, 2]}, BadFile, "has 2 means and 4 variances; 1 or 4 are required"),
        ("conv", {"use_bias": False}, BadFile, "has 2 weights in the file; kernel are due"),
        ("conv", {"use_bias": 1}, BadFile, "use_bias is 1; true or false is required"),
        ("conv", {"groups": 3}, BadFile, "group 3"),
        ("conv", {"groups": 1.5}, BadFile, "groups is 1.5; a whole number is required"),
        ("batch_norm", {"axis": 1}, Unsupported, r"works along the axes \(1,\) of 4; the last one is read"),
        ("batch_norm", {"epsilon": "small"}, BadFile, "epsilon is 'small'; a number is required"),
        ("relu_ceiling", {"threshold": 1.0}, Unsupported, "threshold is 1.0; 0 or 0.0 is read"),
        ("rescaling", {"scale": [[1, 2], [3]]}, BadFile, "has scale .* numbers are required"),
        ("rescaling", {"scale": "half"}, BadFile, "has scale half; numbers are required"),
        ("resizing", {"interpolation": "lanczos3"}, Unsupported, "interpolation is 'lanczos3'"),
        ("softmax", {"axis": [1, 2]}, Unsupported, r"is a softmax over the axes \(1, 2\); one is read"),
        ("conv", {"padding": 3}, Unsupported, "padding is 3"),
        ("zero_padding", {"padding": [[0, 1, 2], [0]]}, BadFile, r"padding is \[0, 1, 2\]"),
        ("resizing", {"height": 1 << 40}, BadFile, "cannot be resized by"),
        ("zero_padding", {"padding": [1 << 40, 1 << 40]}, BadFile, "elements"),
    ],
)
def test_settings_that_are_not_read_are_named(name, settings, error, line):
    with pytest.raises(error, match=line) as found:
        graph_of(name, changed(name, 1, **settings))
    assert str(found.value).startswith("x.keras")


def with_input(name, *shape):
    return changed(name, 0, batch_shape=[None, *shape])


@pytest.mark.parametrize(
    ("name", "shape", "line"),
    [
        ("conv_dilated", (), r"has shape \(None,\); \(N, H, W, C\) is required"),
        ("upsampling", (4, 4), r"has shape \(None, 4, 4\); \(N, H, W, C\) is required"),
        ("batch_norm_vector", (4, 5), "normalises a tensor of 3 axes; 2 and 4 are read"),
        ("batch_norm_plain", (1, 1, 1 << 31), "sizes or null are required"),
        ("batch_norm_plain", (1, 1, 1 << 30), "'moving_mean' of float32 .* are required"),
        ("layer_norm", (1, 1, 1 << 30), "works on 1073741824 channels; at most"),
        ("normalization_inverse", (1, 1, 1 << 30), "elements"),
    ],
)
def test_inputs_that_do_not_fit_are_named(name, shape, line):
    with pytest.raises((BadFile, Unsupported), match=line):
        graph_of(name, with_input(name, *shape))


@pytest.mark.parametrize(
    "policy", ["mixed_float16", {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}]
)
def test_half_precision_is_computed_in_float32_and_said(policy):
    config = changed("conv", 1, dtype=policy)
    config["config"]["layers"][0]["config"]["dtype"] = "float16"
    network = build_network(parse_model(json.dumps(config), "x.keras"), NUMBERS["conv"][0], 3, "x.keras", Cut())
    assert network.notes == ("computed in float32; the file asks for mixed_float16",)
    assert [v.dtype for v in network.graph.inputs] == ["float32"]


def test_layers_of_ones_own_are_named_and_not_run():
    config = json.loads(json.dumps(CASES["dropout"]["config"]))
    config["config"]["layers"][1]["class_name"] = "Lambda"
    with pytest.raises(
        Unsupported, match=r"x\.keras: layer 'dropout\w*' is of class 'Lambda', which is not read and never run"
    ):
        graph_of("dropout", config)


def test_unknown_functions_are_named_and_not_run():
    config = json.loads(json.dumps(CASES["dropout"]["config"]))
    config["config"]["layers"][1]["class_name"] = "TFOpLambda"
    config["config"]["layers"][1]["config"]["function"] = "io.read_file"
    with pytest.raises(Unsupported, match=r"is of class 'TFOpLambda' with the function 'io\.read_file'"):
        graph_of("dropout", config)

"""Layers by name, against torch's own hooks on the same network."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto as T
from onnx import helper
from torch import nn

from underone import create_model, reparameterize
from underone.compare import difference
from underone.errors import BadValue, UnknownName
from underone.graph import Node, count, read_onnx, run_reference, to_float16, to_onnx
from underone.graph.layers import find_layers, keep_layers, pooled_layer
from underone.graph.shapes import infer_dtypes
from underone.nn.statistics import randomize_statistics
from underone.trace import trace


@pytest.fixture(scope="module")
def picture():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))


def built(name, **options):
    torch.manual_seed(0)
    model = create_model(name, num_classes=7, **options)
    randomize_statistics(model, torch.randn(2, 3, 64, 64))
    return reparameterize(model)


def traced(model, sides=(64, 64)):
    return trace(model, input_shape=(None, 3, *sides))


@pytest.fixture(scope="module")
def graph():
    return traced(built("mobileone_s0"))


def hooked(model, paths, picture):
    """Return what torch's hooks see behind modules; of several tensors the first."""
    seen = {}
    for path in paths:
        model.get_submodule(path).register_forward_hook(
            lambda _, __, out, path=path: seen.__setitem__(path, (out if torch.is_tensor(out) else out[0]).numpy())
        )
    with torch.inference_mode():
        model(picture)
    return seen


CASES = {
    "mobileone_s0": {"stem": "stem", "stages.1": "stage2", "stages.1.3": "stage2.3", "stages.3": "stage4"},
    "mobilenet_v2_035": {"stem": "stem", "blocks.5": "block5", "blocks.5.project": "block5.project", "last": "last"},
    "mobilenet_v1_025": {"blocks.0": "block0", "blocks.4.depthwise": "block4.depthwise", "blocks.12": "block12"},
}


@pytest.mark.parametrize("name", CASES)
def test_layers_of_the_zoo_are_what_hooks_see(name, picture):
    model = built(name)
    layers = {f"backbone.{path}": layer for path, layer in CASES[name].items()}
    cut = keep_layers(traced(model), [*layers.values()])
    wanted = hooked(model, layers, picture)
    found = run_reference(cut, {"image": picture.numpy()})
    assert [v.name for v in cut.outputs] == [*layers.values()]
    for path, layer in layers.items():
        nmse, peak = difference(found[layer], wanted[path])
        assert nmse < 1e-10, layer
        assert peak < 1e-4, layer


def test_names_are_those_of_the_feature_maps_of_create_model(picture):
    wide = ("block5", "block5.expand", "block16.depthwise", "last")
    model = built("mobilenet_v2_035")
    maps = create_model("mobilenet_v2_035", features_only=True, out_indices=wide).eval()
    maps = reparameterize(maps)
    maps.load_state_dict({k.removeprefix("backbone."): v for k, v in model.state_dict().items() if k[0] == "b"})
    with torch.inference_mode():
        wanted = maps(picture)
    found = run_reference(keep_layers(traced(model), wide), {"image": picture.numpy()})
    for name in wide:
        assert difference(found[name], wanted[name].numpy())[0] < 1e-10, name


def test_a_detector_has_the_layers_of_its_backbone():
    layers = find_layers(trace(create_model("ssdlite320_mobilenet_v2_035")))
    assert {"block13.expand", "block16", "last", "extras.0", "class_heads.3"} <= layers.keys()
    assert layers["block13"] == layers["block13.project"] != layers["block13.expand"]  # all three are read outside


def test_what_layers_do_not_need_is_left_out(graph):
    cut = keep_layers(graph, ["stage1", "stage2"])
    assert count(cut).macs < 0.5 * count(graph).macs
    assert {n.split(".")[2] for n in cut.constants if n.startswith("backbone.stages.")} == {"0", "1"}
    assert (cut.spec.task, cut.spec.labels) == ("features", None)
    assert [(v.name, v.shape) for v in cut.outputs] == [("stage1", (None, 48, 16, 16)), ("stage2", (None, 128, 8, 8))]
    assert graph.outputs[0].name == "logits"


def test_open_heights_stay_open():
    cut = keep_layers(traced(built("mobileone_s0"), (None, None)), ["stage3"])
    assert cut.outputs[0].shape == (None, 256, None, None)
    assert read_onnx(to_onnx(cut)).outputs[0].shape == (None, 256, None, None)


def test_layers_of_a_half_size_file_are_float32(graph, picture):
    given = {"image": picture.numpy()}
    half = keep_layers(read_onnx(to_onnx(to_float16(graph))), ["stage2"])
    found = run_reference(half, given)["stage2"]
    assert found.dtype == np.float32
    assert difference(found, run_reference(keep_layers(graph, ["stage2"]), given)["stage2"])[0] < 1e-4


def test_layers_that_are_tensors_of_a_half_size_file_are_declared_as_they_are(graph, picture):
    half = read_onnx(to_onnx(to_float16(graph)))
    dtypes = infer_dtypes(half)
    layer = next(
        layer for layer, tensor in find_layers(half).items() if layer == tensor and dtypes[tensor] == "float16"
    )
    cut = keep_layers(half, [layer])
    assert cut.outputs[0].dtype == cut.spec.outputs[0].dtype == "float16"
    assert run_reference(cut, {"image": picture.numpy()})[layer].dtype == np.float16


def file(names):
    """Two convolutions and a relu between, whose nodes have these names."""
    rng = np.random.default_rng(0)
    weights = [onnx.numpy_helper.from_array(rng.normal(0, 1, (4, 4, 1, 1)).astype(np.float32), n) for n in ("w", "v")]
    steps = [("Conv", ["x", "w"], ["a"]), ("Relu", ["a"], ["b"]), ("Conv", ["b", "v"], ["y"])]
    nodes = [helper.make_node(*step, name=name) for step, name in zip(steps, names, strict=True)]
    borders = [[helper.make_tensor_value_info(n, T.FLOAT, [1, 4, 5, 5])] for n in "xy"]
    graph = helper.make_graph(nodes, "g", *borders, weights)
    return read_onnx(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())


def test_files_of_others_have_the_names_of_their_nodes():
    slashes = find_layers(file(["/body/body.0/Conv", "/body/body.1/Relu", "/head/Conv"]))
    assert slashes == {
        "/body/body.0/Conv": "a", "/body/body.0": "a", "/body/body.1/Relu": "b", "/body/body.1": "b", "/body": "b",
        "/head/Conv": "y", "/head": "y",
    }  # fmt: skip
    assert find_layers(file(["", "", ""])) == {"a": "a", "b": "b", "y": "y"}


def test_a_quantised_layer_gives_its_rounded_tensor():
    graph = file(["body.0", "body.1", "head"])
    scale = {"s": np.array(0.1, np.float32), "z": np.array(0, np.uint8)}
    rounding = (Node("QuantizeLinear", ("b", "s", "z"), ("q",)), Node("DequantizeLinear", ("q", "s", "z"), ("d",)))
    scale["v8"] = np.ones((4, 4, 1, 1), np.uint8)
    weight = Node("DequantizeLinear", ("v8", "s", "z"), ("v/float",))
    head = replace(graph.nodes[2], inputs=("d", "v/float"))
    nodes = (*graph.nodes[:2], *rounding, weight, head)
    quantised = replace(graph, nodes=nodes, constants={**graph.constants, **scale})
    assert find_layers(quantised) == {"body.0": "a", "body.1": "d", "body": "d", "head": "y"}


def test_a_name_that_is_another_tensors_is_no_layer():
    assert find_layers(file(["b", "w", "x"])) == {}


def test_the_pooled_layer_is_what_a_classifier_averages(graph):
    assert pooled_layer(graph) == "stage4"
    with pytest.raises(BadValue, match="averages no whole maps at its end; name a layer"):
        pooled_layer(file(["", "", ""]))


def test_the_pooled_layer_may_be_a_mean():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.body(x).mean((2, 3)))

    assert pooled_layer(traced(Net())) == "body"


def test_an_unknown_layer_is_refused_with_the_nearest_name(graph):
    with pytest.raises(UnknownName, match=r"unknown layer 'stge4'\. Did you mean 'stage4'"):
        keep_layers(graph, ["stage1", "stge4"])
    for wrong in ([], "stage1"):
        with pytest.raises(BadValue, match="a list of one or more names is required"):
            keep_layers(graph, wrong)

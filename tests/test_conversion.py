"""Files of other frameworks become networks that answer: by the zoo's road, by the graph's, and both alike."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import underone as uo
from underone import settings
from underone.compare import difference
from underone.errors import BadFile, BadValue, FetchFailed, ParityFailed, Unsupported, WeightsMismatch
from underone.files import fetch
from underone.formats import write
from underone.graph import Graph, Node, Value, read_onnx, read_verdict, to_onnx
from underone.weights import LABELLED_PHOTOGRAPHS, LAYOUTS, REAL_FILES, Layout, Rule, read_checkpoint


def real(name):
    """Fetch a real file, or skip."""
    try:
        return fetch(REAL_FILES[name])
    except FetchFailed as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def photographs():
    try:
        return [(fetch(p.file), p.imagenet_index) for p in LABELLED_PHOTOGRAPHS]
    except FetchFailed as error:
        pytest.skip(str(error))


def right(path, photographs, background):
    """Count the photographs whose class stands first, and among the first five."""
    top1 = top5 = 0
    with uo.load(path) as net:
        for photograph, index in photographs:
            answers = [label.index for label in net.classify(photograph).top(5)]
            top1 += answers[0] == index + background
            top5 += index + background in answers
    return top1, top5


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frozen")
    source = real("mobilenet_v1_frozen")
    zoo, graph = folder / "zoo.onnx", folder / "graph.onnx"
    return uo.convert(source, zoo), uo.convert(source, graph, outputs=["MobilenetV1/Predictions/Reshape"])


def test_frozen_mobilenet_v1_goes_both_roads_to_the_same_answers(frozen):
    zoo, graph = frozen
    assert (zoo.road, zoo.layout, zoo.spec.name, zoo.form) == ("zoo", "TensorFlow", "mobilenet_v1_100", "training")
    assert (graph.road, graph.layout, graph.parity) == ("graph", None, None)
    assert zoo.parity.passed
    assert zoo.parity.worst.nmse <= 1e-9
    assert len(zoo.rows) == 137
    assert any("final_training_ops" in note for note in zoo.notes)  # the head of another network behind it
    assert (zoo.spec.padding, zoo.spec.bn_eps) == ("tf_same", 1e-3)
    assert zoo.spec.labels[:2] == ("background", "tench")


@pytest.mark.parametrize("road", [0, 1], ids=["zoo", "graph"])
def test_frozen_mobilenet_v1_answers_the_photographs(frozen, photographs, road):
    assert frozen[road].spec.task == "classify"
    top1, top5 = right(frozen[road].output, photographs, background=1)
    assert top1 >= 16  # as the original in TensorFlow
    assert top5 == 20


def test_efficientnet_lite_answers_the_photographs(tmp_path, photographs):
    made = uo.convert(real("efficientnet_lite0_pth"), tmp_path / "lite.onnx")
    assert (made.road, made.spec.name, made.spec.padding) == ("zoo", "efficientnet_lite0", "tf_same")
    assert right(made.output, photographs, background=0) == (18, 19)  # as the original in its own code


@pytest.mark.parametrize(("name", "classes"), [("mobilenet_v1_100", 1001), ("efficientnet_lite0", 1000)])
def test_weights_that_are_fetched_are_those_of_the_files(name, classes):
    real({"mobilenet_v1_100": "mobilenet_v1_frozen", "efficientnet_lite0": "efficientnet_lite0_pth"}[name])
    spec = uo.create_model(name, weights="DEFAULT").spec
    assert (spec.padding, spec.bn_eps, len(spec.labels)) == ("tf_same", 1e-3, classes)
    assert spec.weights == "tensorflow_in1k"


def test_torchvision_mobilenet_v2_answers_the_photographs(tmp_path, photographs):
    made = uo.convert(real("mobilenet_v2_torchvision"), tmp_path / "v2.onnx")
    assert right(made.output, photographs, background=0) == (18, 20)


@pytest.fixture(scope="module")
def dogs(tmp_path_factory):
    return uo.convert(real("dog_breed_h5"), tmp_path_factory.mktemp("dogs") / "dogs.onnx")


def test_keras_classifier_goes_both_roads_to_the_same_answers(dogs):
    assert (dogs.road, dogs.layout, dogs.spec.name) == ("zoo", "Keras", "mobilenet_v2_100")
    assert dogs.parity.passed
    assert read_verdict(Path(dogs.output)).passed
    assert dogs.spec.input.shape == (None, 3, 160, 160)  # as the file says
    assert dogs.spec.outputs[0].shape == (None, 19)
    assert any("optimizer" in note for note in dogs.notes)
    rows = {row.theirs: row for row in dogs.rows}
    assert len(rows) == 262
    assert {row.change for row in dogs.rows} == {"", "HWIO → OIHW", "HWCM → CM,1,H,W", "IO → OI"}


def test_keras_classifier_knows_the_german_shepherd(dogs):
    assets = settings.assets_dir()
    if assets is None:
        pytest.skip("UNDERONE_ASSETS is not set")
    with uo.load(dogs.output) as net:
        assert net.classify(assets / "photos/german_shepherd.jpg").top(1)[0].index == 9
        assert net.classify(assets / "photos/samoyed.jpg").top(1)[0].index == 15


def wrong_padding():
    """Our layouts with a fault: Keras' V2 padded as torch pads."""
    return [
        replace(of, padding="symmetric") if (of.source, of.family) == ("Keras", "mobilenet_v2") else of
        for of in LAYOUTS
    ]


def test_network_of_the_zoo_that_answers_otherwise_is_not_taken(tmp_path):
    source = real("dog_breed_h5")
    made = uo.convert(source, tmp_path / "dogs.onnx", layouts=wrong_padding())
    assert made.road == "graph"
    assert any("mobilenet_v2_100 with its weights answers otherwise" in note for note in made.notes)
    assert (made.spec.task, made.spec.outputs[0].meaning) == ("classify", "probabilities")


def test_network_that_was_asked_for_and_answers_otherwise_is_an_error(tmp_path):
    with pytest.raises(ParityFailed, match="convert FAILED: mobilenet_v2_100 with the weights of the file"):
        uo.convert(real("dog_breed_h5"), tmp_path / "d.onnx", "mobilenet_v2_100", layouts=wrong_padding())
    assert not list(tmp_path.iterdir())


def test_weights_of_keras_become_weights_of_ours(dogs, tmp_path):
    made = uo.convert(real("dog_breed_h5"), tmp_path / "dogs.safetensors")
    assert made.verdict is None
    assert made.parity.passed
    model = uo.create_model("mobilenet_v2_100", weights=tmp_path / "dogs.safetensors").eval()
    assert (model.spec.padding, model.spec.bn_eps, model.spec.input.size) == ("tf_same", 1e-3, (160, 160))
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, 160, 160)).astype(np.float32)
    with torch.no_grad(), uo.load(dogs.output) as net:
        (answer,) = net.run(image).values()
        assert difference(model(torch.from_numpy(image)).numpy(), answer)[0] <= 1e-9


def test_file_of_no_network_of_the_zoo_becomes_a_graph(tmp_path):
    made = uo.convert(real("emotion_h5"), tmp_path / "emotion.onnx")
    assert made.road == "graph"
    assert any(note.startswith("into no network of the zoo") for note in made.notes)
    assert any("assumed: GRAY, -1 to 1" in note for note in made.notes)
    assert made.spec.outputs[0].shape == (None, 7)
    with uo.load(tmp_path / "emotion.onnx") as net:
        assert len(net.classify(np.zeros((80, 80, 3), np.uint8)).top(7)) == 7


def test_tflite_is_taken_over_as_a_graph(tmp_path):
    made = uo.convert(real("mobilenet_v1_075_uint8_tflite"), tmp_path / "v1.onnx")
    assert (made.road, made.format, made.spec.task) == ("graph", "TFLite", "classify")
    assert not any("convert it to .onnx" in note for note in made.notes)
    with pytest.raises(BadFile, match="a TFLite file is taken over as a network, not as weights"):
        uo.convert(real("mobilenet_v1_075_uint8_tflite"), tmp_path / "v1.onnx", "mobilenet_v1_075")


@pytest.mark.parametrize(("name", "widened"), [("mobilenet_v2_uint8_tflite", True), ("deeplab_uint8_tflite", False)])
def test_quantised_network_is_held_to_what_rounding_explains(tmp_path, name, widened):
    made = uo.convert(real(name), tmp_path / "net.onnx")
    assert made.verdict.passed
    rows = made.verdict.comparisons
    assert {row.whole for row in rows} == {not widened}  # scores, and the classes of pixels
    photo = [row.limits for row in rows if row.on.startswith("photo")]
    assert {limits.nmse for limits in photo} == {1e-9 if widened else 1e-4}
    assert {limits.peak for limits in photo} == {1e-4}


def test_quantised_network_is_kept_as_it_rounds(tmp_path):
    source = real("mobilenet_v1_075_uint8_tflite")
    made = uo.convert(source, tmp_path / "kept.onnx", quantised="kept")
    assert (made.road, made.spec.task, made.verdict.passed) == ("graph", "classify", True)
    operators = Counter(node.op for node in read_onnx(tmp_path / "kept.onnx").nodes)
    assert operators["QLinearConv"] > 20


def test_rounding_that_nothing_has_is_refused(tmp_path):
    uo.save_weights(uo.create_model("mobilenet_v1_025"), tmp_path / "w.safetensors")
    with pytest.raises(BadValue, match=r"quantised=kept: .*w\.safetensors holds weights and no network to cut"):
        uo.convert(tmp_path / "w.safetensors", tmp_path / "a.onnx", quantised="kept")
    with pytest.raises(BadValue, match=r"quantised='int8'; 'dequantised' or 'kept' is required"):
        uo.convert(tmp_path / "w.safetensors", tmp_path / "a.onnx", quantised="int8")


def test_network_of_two_inputs_is_refused_with_the_cure(tmp_path):
    picture = Value("a", (1, 3, 8, 8)), Value("b", (1, 3, 8, 8))
    graph = Graph((Node("Add", ("a", "b"), ("y",)),), picture, (Value("y", (1, 3, 8, 8)),), {})
    (tmp_path / "two.onnx").write_bytes(to_onnx(graph))
    with pytest.raises(Unsupported, match=r"two\.onnx is a network of 2 inputs, a, b; one is required: cut it to the"):
        uo.convert(tmp_path / "two.onnx", tmp_path / "a.onnx")


def last_weight_off(graph):
    """The planted fault: the weights of the last convolution are one percent too large."""
    name = [node for node in graph.nodes if node.op == "Conv"][-1].inputs[1]
    return to_onnx(replace(graph, constants={**graph.constants, name: graph.constants[name] * np.float32(1.01)}))


def clipped_input(graph):
    """The planted fault: what lies outside of a picture's values is cut off, so that a photograph shows nothing."""
    (image,) = graph.inputs
    nodes = [replace(node, inputs=tuple("cut" if n == image.name else n for n in node.inputs)) for node in graph.nodes]
    clip = Node("Clip", (image.name,), ("cut",), {"min": -1.5, "max": 1.5}, "cut")
    return to_onnx(replace(graph, nodes=(clip, *nodes)))


@pytest.mark.parametrize(("name", "fault"), [
    ("mobilenet_v2_uint8_tflite", last_weight_off), ("mobilenet_v2_uint8_tflite", clipped_input),
    ("deeplab_uint8_tflite", last_weight_off),
])  # fmt: skip
def test_quantised_network_with_a_fault_is_not_written(tmp_path, monkeypatch, name, fault):
    source = real(name)
    monkeypatch.setattr(write, "to_onnx", fault)
    with pytest.raises(
        ParityFailed, match=r"net\.onnx was not written: export FAILED: .* (nmse|values that differ) \d"
    ):
        uo.convert(source, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "outputs"), [
    ("ultraface_rfb_onnx", 2), ("ultraface_slim_onnx", 2), ("centerface_onnx", 4), ("text_direction_onnx", 1),
])  # fmt: skip
def test_onnx_of_others_is_written_as_ours_and_runs_here_as_there(tmp_path, name, outputs):
    source = real(name)
    made = uo.convert(source, tmp_path / "ours.onnx")
    assert (made.road, made.format) == ("graph", "ONNX")
    assert made.verdict.passed
    shape = [n or size for n, size in zip(made.spec.input.shape, (1, 3, 48, 192), strict=True)]
    image = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    with uo.load(tmp_path / "ours.onnx", backend="native") as ours, uo.load(source, backend="onnxruntime") as theirs:
        got, want = ours.run(image), theirs.run(image)
    assert list(got) == list(want)
    assert len(got) == outputs
    assert made.spec.name == source.stem
    for key, array in want.items():
        assert difference(got[key], array)[0] <= 1e-9


def test_what_cannot_be_is_refused_in_one_line(tmp_path):
    weights = tmp_path / "w.pth"
    torch.save({"conv1.weight": torch.zeros(3)}, weights)
    made = tmp_path / "a.onnx"
    uo.export(uo.reparameterize(uo.create_model("mobilenet_v1_025")), tmp_path / "net.onnx")
    with pytest.raises(BadValue, match=r"the suffix says the form; \.safetensors \(weights\) or \.onnx"):
        uo.convert(weights, tmp_path / "a.tflite")
    with pytest.raises(BadFile, match="tensor names of no known layout"):
        uo.convert(weights, made)
    with pytest.raises(BadValue, match=r"holds weights and no network; leave out to='graph'"):
        uo.convert(weights, made, to="graph")
    with pytest.raises(BadValue, match=r"holds a network, which is taken over as it is; leave out to='mobilenet"):
        uo.convert(tmp_path / "net.onnx", made, to="mobilenet_v1_025")
    with pytest.raises(BadValue, match=r"is taken over as a network, whose weights have no names of ours"):
        uo.convert(tmp_path / "net.onnx", tmp_path / "a.safetensors")
    assert not made.exists()


@pytest.mark.parametrize("cut", [{"inputs": ["a"]}, {"outputs": ["b", "c"]}, {"inputs": ["a"], "outputs": ["b", "c"]}])
def test_cut_that_would_be_ignored_is_refused(tmp_path, cut):
    given = " and ".join(f"{name}={','.join(names)}" for name, names in cut.items())
    model = uo.create_model("mobilenet_v1_025")
    uo.save_weights(model, tmp_path / "w.safetensors")
    torch.save(model.state_dict(), tmp_path / "w.pth")
    uo.export(uo.reparameterize(model), tmp_path / "net.onnx")
    for name in ("w.safetensors", "w.pth"):
        with pytest.raises(BadValue, match=rf"^{given}: .*{name} holds weights and no network to cut; leave them out"):
            uo.convert(tmp_path / name, tmp_path / "a.onnx", **cut)
    with pytest.raises(BadValue, match=rf"^{given}: .*net\.onnx is taken over whole; .* onnx\.utils\.extract_model"):
        uo.convert(tmp_path / "net.onnx", tmp_path / "a.onnx", **cut)
    with pytest.raises(
        BadValue, match=rf"^{given}: .*own network, which to='mobilenet_v1_100' does not take; leave out"
    ):
        uo.convert(real("mobilenet_v1_frozen"), tmp_path / "a.onnx", "mobilenet_v1_100", **cut)
    assert not (tmp_path / "a.onnx").exists()


@pytest.mark.parametrize("name", ["mobileone_s0", "mobilenet_v2_100.torchvision_in1k"])
def test_name_of_the_zoo_is_sent_to_export(tmp_path, name):
    with pytest.raises(BadValue, match=rf"^{name} is a name of the zoo and no file; `underone export {name} -o FILE`"):
        uo.convert(name, tmp_path / "a.onnx")


@pytest.mark.parametrize("name", ["mobileone_s0.pth", "nothere", "."])
def test_source_that_is_no_file_is_said(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadFile, match=r"No such file|there is no such file|is a folder without a SavedModel"):
        uo.convert(name, tmp_path / "a.onnx")


def test_names_of_ones_own_are_read(tmp_path, randomize_statistics):
    model = randomize_statistics(uo.create_model("mobilenet_v1_025", num_classes=4)).eval()
    mine = Layout(
        "mine", "mobilenet_v1", "training", ("net.first.weight",),
        (
            Rule("net.first.{tensor}", "backbone.stem.conv.{tensor}"),
            Rule("net.first_norm.{tensor}", "backbone.stem.bn.{tensor}"),
            Rule("net.{i}.{layer}.{part}.{tensor}", "backbone.blocks.{i}.{layer}.{part}.{tensor}"),
            Rule("out.{tensor}", "head.{tensor}"),
        ),
    )  # fmt: skip
    names = {"backbone.stem.conv": "net.first", "backbone.stem.bn": "net.first_norm", "head": "out"}
    state = {}
    for name, tensor in model.state_dict().items():
        layer, _, part = name.rpartition(".")
        state[f"{names.get(layer, layer.replace('backbone.blocks', 'net'))}.{part}"] = tensor.numpy()
    save_file(state, tmp_path / "mine.safetensors")
    with pytest.raises(BadFile, match="no known layout"):
        read_checkpoint(tmp_path / "mine.safetensors")
    made = uo.convert(tmp_path / "mine.safetensors", tmp_path / "net.onnx", layouts=[mine, *LAYOUTS])
    assert (made.layout, made.spec.name) == ("mine", "mobilenet_v1_025")
    image = torch.randn(1, 3, 224, 224)
    with torch.no_grad(), uo.load(tmp_path / "net.onnx") as net:
        assert difference(net.run(image.numpy())["logits"], model(image).numpy())[0] <= 1e-9


def test_single_names_that_do_not_fit_are_listed(tmp_path, randomize_statistics):
    state = {n: t.numpy() for n, t in uo.create_model("mobilenet_v1_025").state_dict().items()}
    save_file(state | {"backbone.blocks.2.depthwise.conv.weight": np.zeros((5, 1, 3, 3))}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsMismatch, match=r"blocks\.2\.depthwise\.conv\.weight +file \(5, 1, 3, 3\)"):
        uo.convert(tmp_path / "w.safetensors", tmp_path / "a.onnx")

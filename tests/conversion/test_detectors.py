"""Detectors under the names of other programs, in networks of the zoo: their boxes are those of the programs."""

import contextlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import underone as uo
from underone.boxes import iou
from underone.errors import BadFile, BadValue, FetchFailed, UnderOneError
from underone.files import fetch
from underone.foreign import read_foreign
from underone.image import prepare, read_image
from underone.post import decode_detection
from underone.weights import REAL_FILES, Checkpoint, read_checkpoint, recognise

GOLDEN = Path(__file__).parents[1] / "golden" / "detections"
ASSETS = os.environ.get("UNDERONE_ASSETS")


@pytest.fixture(scope="module")
def pedestrians(tmp_path_factory):
    """Return the weights of a published detector as its checkpoint has them: the variables, and what training left."""
    try:
        frozen = read_foreign(fetch(REAL_FILES["pedestrian_ssdlite_frozen"])).tensors
    except FetchFailed as error:
        pytest.skip(str(error))
    variables = {n: a for n, a in frozen.items() if n.startswith(("FeatureExtractor/", "BoxPredictor")) and a.ndim}
    return variables | {"global_step": np.zeros(1, np.float32)}


def shares(found):
    height, width = found.picture.shape[:2]
    return found.boxes / np.float32([width, height, width, height])


@pytest.mark.skipif(not ASSETS, reason="needs the photographs of the assets; UNDERONE_ASSETS names their folder")
def test_checkpoint_of_a_detector_gives_the_boxes_that_tensorflow_finds(pedestrians, tmp_path):
    save_file(pedestrians, tmp_path / "w.safetensors")
    checkpoint = read_checkpoint(tmp_path / "w.safetensors")
    model = uo.create_model(checkpoint.network.model, weights=checkpoint).eval()
    wanted, compared = json.loads((GOLDEN / "pedestrian.json").read_text()), 0
    for name, want in wanted.items():
        if not want["scores"]:
            continue
        picture = read_image(Path(ASSETS) / "photos" / name)
        with torch.no_grad():
            outputs = model(torch.from_numpy(prepare(picture, model.spec.input)))
        found = decode_detection({n: v.numpy() for n, v in outputs.items()}, model.spec, picture, 0.25)
        assert len(found) == len(want["scores"]), name
        assert np.diag(iou(np.array(want["boxes"]), shares(found))).min() >= 0.9999, name
        np.testing.assert_allclose(found.scores, want["scores"], atol=1e-5, err_msg=name)
        compared += len(found)
    assert compared >= 12


@pytest.mark.slow
def test_checkpoint_of_a_detector_becomes_a_network_that_runs(pedestrians, tmp_path):
    save_file(pedestrians, tmp_path / "w.safetensors")
    made = uo.convert(tmp_path / "w.safetensors", tmp_path / "net.onnx")
    assert (made.layout, made.spec.name) == ("TensorFlow Object Detection API", "ssdlite300_mobilenet_v2_100")
    assert any("those of the published configurations at 300 pixels" in note for note in made.notes)
    with uo.load(made.output) as net:
        assert net.spec.task == "detect"


# the widths of the extra maps stand in their names
EXTRAS = [(2, 256, 512), (3, 128, 256), (4, 128, 256), (5, 64, 128)]
NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
KINDS = {
    "ssd300_mobilenet_v1_025": ("MobilenetV1", "dense", "dense"),
    "ssdlite300_mobilenet_v1_025": ("MobilenetV1", "separable", "separable"),
    "ssd300_mobilenet_v2_035": ("MobilenetV2", "separable", "dense"),
    "ssdlite300_mobilenet_v2_035": ("MobilenetV2", "separable", "separable"),
}


def published_scopes(base, extras, heads):
    """Say our block, its published scope and whether it is depthwise, by the rules of the published code."""
    prefix = {"MobilenetV1": "MobilenetV1/Conv2d_13_pointwise", "MobilenetV2": "MobilenetV2/layer_19"}[base]
    for number, narrow, wide in EXTRAS:
        ours, filtered = f"extras.{number - 2}", f"FeatureExtractor/{prefix}_2_Conv2d_{number}_3x3_s2_{wide}"
        yield f"{ours}.0", f"FeatureExtractor/{prefix}_1_Conv2d_{number}_1x1_{narrow}", False
        if extras == "separable":
            yield f"{ours}.1", f"{filtered}_depthwise", True
        yield f"{ours}.{1 + (extras == 'separable')}", filtered, False
    for i in range(6):
        for ours, theirs in (("box_heads", "BoxEncodingPredictor"), ("class_heads", "ClassPredictor")):
            if heads == "separable":
                yield f"{ours}.{i}.0", f"BoxPredictor_{i}/{theirs}_depthwise", True
            yield f"{ours}.{i}.{int(heads == 'separable')}", f"BoxPredictor_{i}/{theirs}", False


def backbone_scope(block, base):
    part, *rest = block.removeprefix("backbone.").split(".")
    if part != "blocks":
        return {"stem": "Conv2d_0" if base == "MobilenetV1" else "Conv", "last": "Conv_1"}[part]
    number, layer = int(rest[0]), rest[1]
    if base == "MobilenetV1":
        return f"Conv2d_{number + 1}_{layer}"
    return f"expanded_conv{f'_{number}' if number else ''}/{layer}"


def as_published(model, base, extras, heads):
    """Name the tensors of a model of ours as the Object Detection API does, in TensorFlow's layout."""
    scopes = {ours: (theirs, is_depthwise) for ours, theirs, is_depthwise in published_scopes(base, extras, heads)}
    named = {}
    for name, tensor in model.state_dict().items():
        block, _, part = name.rpartition(".")
        owner = block.removesuffix(".conv").removesuffix(".bn")
        if part == "num_batches_tracked":
            continue
        if owner.startswith("backbone"):
            scope = f"FeatureExtractor/{base}/{backbone_scope(owner, base)}"
            is_depthwise = owner.endswith("depthwise")
        else:
            scope, is_depthwise = scopes[owner]
        array = tensor.numpy()
        if array.ndim == 4:
            kernel = "depthwise_weights" if is_depthwise else "weights"
            turned = array.transpose((2, 3, 0, 1) if is_depthwise else (2, 3, 1, 0))
            named[f"{scope}/{kernel}"] = np.ascontiguousarray(turned)
        elif block.endswith(".bn"):
            named[f"{scope}/BatchNorm/{NORM[part]}"] = array
        else:
            named[f"{scope}/biases"] = array
    return named


@pytest.mark.parametrize("name", KINDS)
def test_checkpoint_of_each_published_kind_is_read(name, tmp_path, randomize_statistics):
    torch.manual_seed(3)
    model = randomize_statistics(uo.create_model(name, num_classes=90, padding="tf_same", bn_eps=1e-3)).eval()
    save_file(as_published(model, *KINDS[name]), tmp_path / "w.safetensors")
    found = read_checkpoint(tmp_path / "w.safetensors").network
    assert (found.model, found.notes) == (name, ())
    read = uo.create_model(name, weights=tmp_path / "w.safetensors").eval()
    image = torch.randn(1, 3, 300, 300)
    with torch.no_grad():
        for output, want in model(image).items():
            assert torch.equal(read(image)[output], want), output
    spec = read.spec
    assert (spec.classes, spec.labels[0], spec.labels[89]) == (90, "person", "toothbrush")
    assert spec.input.preparation.interpolation == "bilinear_corner"
    assert spec.detection == model.spec.detection


def test_detector_serves_as_backbone_and_for_other_classes(pedestrians, tmp_path):
    path = tmp_path / "w.safetensors"
    save_file(pedestrians, path)
    maps = uo.create_model("mobilenet_v2_100", weights=path, features_only=True)(torch.zeros(1, 3, 64, 64))
    assert len(maps) == 5
    model = uo.create_model("ssdlite300_mobilenet_v2_100", weights=path, num_classes=3)
    assert (model.spec.classes, model.spec.weights) == (3, "w.safetensors, new head")
    with pytest.raises(BadValue, match=r"holds 'ssdlite300_mobilenet_v2_100', not 'mobilenet_v2_100'"):
        uo.create_model("mobilenet_v2_100", weights=path)


def test_heads_of_other_anchors_are_refused(pedestrians, tmp_path):
    name = "BoxPredictor_0/BoxEncodingPredictor/biases"
    save_file(pedestrians | {name: np.zeros(24, np.float32)}, tmp_path / "w.safetensors")
    with pytest.raises(BadFile, match=r"first map have 24 and 6 outputs; 12 for 3 boxes and a multiple of 3 for their"):
        uo.create_model("ssdlite300_mobilenet_v2_100", weights=tmp_path / "w.safetensors")


def test_frozen_detector_goes_the_zoos_road_with_its_own_rules(tmp_path):
    try:
        source = fetch(REAL_FILES["pedestrian_ssdlite_frozen"])
    except FetchFailed as error:
        pytest.skip(str(error))
    made = uo.convert(source, tmp_path / "net.safetensors")
    assert (made.road, made.spec.name) == ("zoo", "ssdlite300_mobilenet_v2_100")
    assert made.parity.passed
    assert made.spec.detection.iou_threshold == pytest.approx(0.6)  # as the graph says, in float32
    assert not any("published configurations" in note for note in made.notes)
    read = uo.create_model("ssdlite300_mobilenet_v2_100", weights=made.output)
    assert read.spec.detection == made.spec.detection


def test_damaged_shapes_end_in_an_error_of_ours(pedestrians):
    rng = np.random.default_rng(1)
    telling = ["BoxPredictor_0/ClassPredictor/biases", "BoxPredictor_0/BoxEncodingPredictor/weights"]
    for name in [*telling, *rng.choice(list(pedestrians), 4)]:
        shape = tuple(rng.integers(0, 5, rng.integers(0, 6)))
        with contextlib.suppress(UnderOneError):
            network = recognise(pedestrians | {name: np.ones(shape, np.float32)}, "w.ckpt")
            uo.create_model(network.model, weights=Checkpoint(Path("w.ckpt"), network))

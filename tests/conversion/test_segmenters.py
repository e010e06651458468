"""Segmenters under the names of other programs, in networks of the zoo: their maps are those of the programs."""

import contextlib
import gzip
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import underone as uo
from underone.compare import difference
from underone.errors import UnderOneError
from underone.foreign import read_foreign
from underone.weights import read_checkpoint

GOLDEN = Path(__file__).parents[1] / "golden"
NAMED = runpy.run_path(str(GOLDEN / "make_named_networks.py"))  # the rule by which names give numbers
ANSWERS = json.loads((GOLDEN / "tensorflow_deeplab/answers.json").read_text())
SIDE = 97
NAMES = {"light": "deeplabv3light", "pyramid": "deeplabv3", "decoder": "deeplabv3plus"}


def picture():
    """Make the picture of the golden answers, as make_tensorflow_deeplab.py does."""
    coarse = np.random.default_rng(3).integers(0, 256, (7, 7, 3)).astype(np.float32)
    return np.kron(coarse, np.ones((14, 14, 1)))[:SIDE, :SIDE].astype(np.uint8)


def variables(kind):
    shapes = ANSWERS[kind]["shapes"]
    return {n: NAMED["numbers"](n, tuple(s), NAMED["keras_fan_in"](n, s)) for n, s in shapes.items()}


def answer(model):
    image = torch.from_numpy(picture().transpose(2, 0, 1)[None] / np.float32(127.5) - 1)
    with torch.no_grad():
        return model.eval()(image)["logits"][0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("kind", NAMES)
def test_checkpoint_of_deeplab_gives_tensorflows_class_outputs(kind, tmp_path):
    training = {"global_step": np.zeros(1, np.float32), "aspp0/weights/Momentum": np.zeros(3, np.float32)}
    save_file(variables(kind) | training, tmp_path / "w.safetensors")
    found = read_checkpoint(tmp_path / "w.safetensors").network
    assert (found.layout.source, found.model) == (
        "TensorFlow DeepLab",
        f"{NAMES[kind]}_mobilenet_v2_035",
    )  # the nearest
    model = uo.create_model(found.model, weights=tmp_path / "w.safetensors", size=SIDE)
    nmse, peak = difference(answer(model), np.array(ANSWERS[kind]["logits"]))
    assert nmse <= 1e-9
    assert peak <= 1e-4
    spec = model.spec
    assert (spec.padding, spec.bn_eps, spec.segmentation.output_stride) == ("tf_same", 1e-3, 16)
    assert spec.input.preparation.mean == (0.5,) * 3
    assert (spec.labels, spec.segmentation.background) == (None, None)  # five classes are nobody's


def test_another_dilation_would_be_noticed(tmp_path):
    save_file(variables("light"), tmp_path / "w.safetensors")
    model = uo.create_model("deeplabv3light_mobilenet_v2_035", weights=tmp_path / "w.safetensors", size=SIDE)
    dilated = [m for m in model.backbone.modules() if isinstance(m, torch.nn.Conv2d) and m.dilation == (2, 2)]
    assert len(dilated) == 3  # the blocks behind the stride that is left out
    for conv in dilated:
        conv.dilation = conv.padding = (1, 1)
    wanted = np.array(ANSWERS["light"]["logits"])
    got = answer(model)
    assert got.shape == wanted.shape
    assert difference(got, wanted)[0] > 1e-3


@pytest.fixture(scope="module", params=[16, 8])
def frozen(request, tmp_path_factory):
    """Return the output stride of a frozen graph, and its file."""
    path = tmp_path_factory.mktemp("frozen") / "light.pb"
    path.write_bytes(gzip.decompress((GOLDEN / f"tensorflow_deeplab/light_{request.param}.pb.gz").read_bytes()))
    return request.param, path


def test_frozen_deeplab_goes_the_zoos_road_and_gives_tensorflows_classes(frozen, tmp_path):
    stride, path = frozen
    made = uo.convert(path, tmp_path / "w.safetensors")
    assert made.spec.segmentation.output_stride == stride  # which no weight shows
    assert (made.road, made.layout, made.spec.task) == ("zoo", "TensorFlow DeepLab", "segment")
    assert made.parity.passed
    assert not any("are assumed" in note for note in made.notes)  # its own network has been compared
    large = np.kron(picture()[:96, :96], np.ones((5, 5, 1), np.uint8))
    padded = np.pad(large - np.float32(127.5), ((0, 33), (0, 33), (0, 0))).transpose(2, 0, 1)[None] / np.float32(127.5)
    model = uo.create_model(made.spec.name, weights=made.output).eval()
    with torch.no_grad():
        logits = model(torch.from_numpy(padded))["logits"]
    points = torch.nn.functional.interpolate(logits, (513, 513), mode="bilinear", align_corners=True)
    classes = points[0].argmax(0).numpy()[:480:8, :480:8]
    assert np.mean(classes == np.array(ANSWERS["frozen_classes"][str(stride)])) >= 0.999
    assert len(np.unique(classes)) > 1


def test_segmenter_of_transformers_gives_its_class_outputs(tmp_path):
    row = json.loads((GOLDEN / "named_networks/transformers.json").read_text())["deeplabv3light_mobilenet_v2_035"]
    fan_in = NAMED["torch_fan_in"]
    state = {n: NAMED["numbers"](n, tuple(s), fan_in(n, s)) for n, s in row["shapes"].items()}
    save_file(state, tmp_path / "w.safetensors")
    found = read_checkpoint(tmp_path / "w.safetensors").network
    assert (found.layout.source, found.model) == ("Hugging Face", "deeplabv3light_mobilenet_v2_035")
    assert any("conv_1x1" in note for note in found.notes)  # which the head does not read
    model = uo.create_model(found.model, weights=tmp_path / "w.safetensors").eval()
    assert model.spec.segmentation.output_stride == 8
    with torch.no_grad():
        logits = model(torch.from_numpy(NAMED["image"]().transpose(0, 3, 1, 2)))["logits"]
    nmse, peak = difference(logits.numpy().ravel(), np.array(row["logits"]))
    assert nmse <= 1e-9
    assert peak <= 1e-4


def test_backbone_of_a_segmenter_serves_other_heads(tmp_path):
    save_file(variables("light"), tmp_path / "w.safetensors")
    maps = uo.create_model(
        "mobilenet_v2_035", weights=tmp_path / "w.safetensors", features_only=True, out_indices=(1, 2)
    )
    assert len(maps(torch.zeros(1, 3, 64, 64))) == 2


def test_weights_of_the_graph_are_those_of_its_names(frozen):
    """The frozen graphs stand in the repository whole; the rule gives the same numbers."""
    tensors = read_foreign(frozen[1]).tensors
    for name, array in variables("light").items():
        np.testing.assert_array_equal(tensors[name], array, err_msg=name)


@pytest.mark.parametrize("kind", NAMES)
def test_damaged_shapes_end_in_an_error_of_ours(kind, tmp_path):
    whole, rng = variables(kind), np.random.default_rng(1)
    telling = ["logits/semantic/weights", "image_pooling/weights", "MobilenetV2/Conv/weights"]
    for name in [*telling, *rng.choice(list(whole), 9)]:
        shape = tuple(rng.integers(0, 5, rng.integers(0, 6)))
        save_file(whole | {name: np.ones(shape, np.float32)}, tmp_path / "w.safetensors")
        with contextlib.suppress(UnderOneError):
            found = read_checkpoint(tmp_path / "w.safetensors")
            uo.create_model(found.network.model, weights=found)

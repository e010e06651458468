"""DeepLab: counts against the published ones, folding, files, and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn

import underone as uo
from underone.errors import BadFile, BadValue, UnknownName, WeightsMismatch
from underone.models.build_segmenter import build_segmenter
from underone.models.deeplab import DeepLab
from underone.models.segmenters import SEGMENTERS, find_segmenter
from underone.nn.macs import count_macs
from underone.weights import save_weights
from underone.weights.store import write_safetensors

# Of tensorflow/models, research/deeplab/g3doc/model_zoo.md: 2.75 B multiply-adds for the light head at 513, 0.88 B at
# half the width; the others by counting from slim's code. Name, options, params, MACs
COUNTS = [
    ("deeplabv3light_mobilenet_v2_100", {}, 513, 2.11e6, 2.74e9),
    ("deeplabv3light_mobilenet_v2_100", {"output_stride": 8}, 513, 2.11e6, 8.83e9),
    ("deeplabv3light_mobilenet_v2_100", {}, 257, 2.11e6, 0.72e9),
    ("deeplabv3light_mobilenet_v2_050", {"rounding": "none"}, 513, None, 0.867e9),
    ("deeplabv3plus_mobilenet_v2_100", {}, 513, 5.8e6, 27e9),
]


def lively(model, seed=0):
    """Give batch norms statistics that are not 0 and 1, and answers that differ."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return model


@pytest.mark.parametrize(("name", "options", "size", "params", "macs"), COUNTS)
def test_counts_are_those_of_the_model_zoo_and_of_slim_s_code(name, options, size, params, macs):
    model = build_segmenter(name, size=size, **options).eval()
    with torch.device("meta"):
        image = torch.zeros(1, 3, size, size)
    if params is not None:
        assert sum(p.numel() for p in model.parameters()) == pytest.approx(params, rel=0.005)
    assert count_macs(model.to("meta"), image) == pytest.approx(macs, rel=0.005)


@pytest.mark.parametrize("name", [name for name in SEGMENTERS if name.endswith(("_025", "_035", "_s1", "lite0"))])
def test_every_segmenter_gives_the_map_of_its_spec(name):
    model = build_segmenter(name, size=(97, 65), num_classes=3, output_stride=8).eval()
    with torch.no_grad():
        outputs = model(torch.zeros(2, 3, 97, 65))
    assert outputs["logits"].shape == (2, *model.spec.outputs[0].shape[1:])
    assert model.spec.classes == 3
    stride = 4 if name.startswith("deeplabv3plus") else 8
    assert model.spec.outputs[0].shape[2:] == (96 // stride + 1, 64 // stride + 1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("deeplabv3light_mobilenet_v1_025", {}),
        ("deeplabv3_mobilenet_v2_035", {"output_stride": 8, "padding": "tf_same", "bn_eps": 1e-3}),
        ("deeplabv3plus_mobileone_s0", {"separable": True}),
        ("deeplabv3plus_efficientnet_lite0", {"alignment": "borders"}),
    ],
)
def test_folded_and_exported_segmenter_gives_the_same_map(name, options, tmp_path):
    model = lively(build_segmenter(name, size=65, num_classes=4, **options))
    folded = uo.reparameterize(model)
    assert folded.certificate.passed
    with uo.load(uo.export(folded, tmp_path / "net.onnx")) as net:
        image = np.random.default_rng(0).normal(0, 1, (1, 3, 65, 65)).astype("float32")
        with torch.no_grad():
            want = model.eval()(torch.from_numpy(image))["logits"].numpy()
        got = net.run(image)["logits"]
    assert np.abs(got - want).max() < 1e-4 * want.std()
    assert net.spec.task == "segment"
    assert net.spec.segmentation == model.spec.segmentation


def test_first_rates_start_one_block_after_the_lost_stride():
    model = build_segmenter("deeplabv3_mobilenet_v2_100", output_stride=8)
    rates = [block.depthwise.conv.dilation[0] for block in model.backbone.blocks]
    assert rates == [1] * 7 + [2] * 7 + [4] * 3  # slim's mobilenet_base with output_stride=8
    assert [branch.conv.dilation[0] for branch in model.head.branches] == [1, 12, 24, 36]


def test_auxiliary_head_answers_in_training_only():
    model = build_segmenter("deeplabv3_mobileone_s0", size=65, auxiliary=True, num_classes=4)
    image = torch.randn(2, 3, 65, 65)
    outputs = model.train()(image)
    assert outputs["auxiliary"].shape == outputs["logits"].shape == (2, 4, 5, 5)
    assert list(model.eval()(image)) == ["logits"]


def test_corners_and_borders_differ():
    models = [
        build_segmenter("deeplabv3plus_mobilenet_v1_025", size=65, alignment=how) for how in ("corners", "borders")
    ]
    models[1].load_state_dict(lively(models[0]).state_dict())
    image = torch.randn(1, 3, 65, 65)
    a, b = (model.eval()(image)["logits"] for model in models)
    assert not torch.allclose(a, b, rtol=1e-2)


def test_mobileone_s4_is_also_without_squeeze_and_excitation():
    model = uo.create_model("deeplabv3_mobileone_s4", se_blocks=(0, 0, 0, 0), size=65)
    assert not any(".se." in name for name in model.state_dict())


def test_file_gives_the_whole_segmenter_again(tmp_path):
    made = uo.create_model(
        "deeplabv3plus_mobilenet_v1_025", num_classes=3, size=(65, 97), output_stride=8, separable=True,
        auxiliary=True, background=0, alignment="borders", labels=("none", "cat", "dog"),
    )  # fmt: skip
    save_weights(lively(made), tmp_path / "a.safetensors")
    read = uo.create_model("deeplabv3plus_mobilenet_v1_025", tmp_path / "a.safetensors")
    assert read.spec == made.spec
    image = torch.randn(1, 3, 65, 97)
    assert torch.equal(read.eval()(image)["logits"], made.eval()(image)["logits"])


def test_file_with_other_classes_gets_new_class_layers_alone(tmp_path):
    made = uo.create_model("deeplabv3_mobilenet_v1_025", num_classes=3, auxiliary=True, labels=("a", "b", "c"))
    save_weights(made, tmp_path / "a.safetensors")
    read = uo.create_model("deeplabv3_mobilenet_v1_025", tmp_path / "a.safetensors", num_classes=5)
    assert (read.spec.classes, read.spec.labels) == (5, None)
    assert torch.equal(read.head.project.conv.weight, made.head.project.conv.weight)
    assert read.auxiliary[2].weight.shape[0] == 5


def test_backbone_of_a_classifier_gets_a_new_head(tmp_path):
    classifier = lively(uo.create_model("mobilenet_v2_035", num_classes=3, padding="tf_same", bn_eps=1e-3))
    save_weights(classifier, tmp_path / "a.safetensors")
    model = uo.create_model("deeplabv3_mobilenet_v2_035", tmp_path / "a.safetensors", num_classes=4)
    assert (model.spec.padding, model.spec.bn_eps, model.spec.classes) == ("tf_same", 1e-3, 4)
    assert torch.equal(model.backbone.stem.conv.weight, classifier.backbone.stem.conv.weight)
    assert model.head.project.bn.eps == 1e-5


def test_alias_of_the_backbone_is_taken():
    assert find_segmenter("deeplabv3_mobilenet_v2").backbone == "mobilenet_v2_100"
    assert uo.list_models("deeplabv3plus_mobileone*") == [f"deeplabv3plus_mobileone_s{n}" for n in range(5)]


REFUSED = [
    ({"num_classes": 1}, "num_classes=1; a whole number, 2 or more, the background counted, is required"),
    ({"background": 21}, "background=21 with 21 classes; 0 to 20 is required"),
    ({"size": 20}, r"size=20; \(height, width\) in pixels, each 33 or more, is required"),
    ({"size": (64, "a")}, r"size=\(64, 'a'\); \(height, width\) in pixels"),
    ({"output_stride": 4}, "output_stride=4; 8, 16, 32 are possible"),
    ({"features_only": True}, "a segmenter has no features_only; create its backbone for that"),
    ({"out_indices": ()}, "a segmenter has no out_indices; create its backbone for that"),
    ({"labels": ("a",)}, "1 labels for 21 classes; pass num_classes=1 too"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_bad_argument_is_refused(arguments, message):
    with pytest.raises(BadValue, match=message):
        uo.create_model("deeplabv3_mobilenet_v1_025", **arguments)


def test_unknown_names_are_refused():
    with pytest.raises(UnknownName, match=r"unknown segmenter 'deeplabv3_mobileone_s9'\. Did you mean"):
        uo.create_model("deeplabv3_mobileone_s9")
    with pytest.raises(UnknownName, match="unknown option of mobilenet_v1_025 'rate'"):
        uo.create_model("deeplabv3_mobilenet_v1_025", rate=3)


def test_backbone_with_other_maps_is_refused():
    backbone = build_segmenter("deeplabv3_mobilenet_v1_025").backbone
    with pytest.raises(BadValue, match="the backbone gives 1 maps; 2 are required: the last one, a fine one"):
        DeepLab(backbone, 3, nn.Identity, decoder=True)


def test_damaged_files_are_refused(tmp_path):
    made = uo.create_model("deeplabv3_mobilenet_v1_025", num_classes=3)
    state = {name: tensor.numpy() for name, tensor in made.state_dict().items()}

    def refused(error, message, name="deeplabv3_mobilenet_v1_025", spec=made.spec, **changes):
        changed = {key: array for key, array in (state | changes).items() if array is not None}
        path = write_safetensors(tmp_path / "damaged.safetensors", changed, spec)
        with pytest.raises(error, match=message):
            uo.create_model(name, path)

    other = made.spec.model_copy(update={"labels": ("a", "b")})
    refused(BadFile, "its spec has 2 labels, its tensors 3 classes", spec=other)
    refused(BadFile, "without the convolution that gives the classes", **{"classifier.weight": None})
    refused(BadFile, "without the convolution that gives", **{"classifier.weight": np.zeros(3, "float32")})
    refused(WeightsMismatch, "head.pool.conv.weight", **{"head.pool.conv.weight": None})
    refused(BadValue, "holds 'deeplabv3_mobilenet_v1_025', not", name="deeplabv3plus_mobilenet_v1_025")


def test_file_without_inputs_in_its_spec_is_read(tmp_path):
    made = uo.create_model("deeplabv3light_mobilenet_v1_025", num_classes=3)
    state = {name: tensor.numpy() for name, tensor in made.state_dict().items()}
    bare = made.spec.model_copy(update={"inputs": (), "segmentation": None})
    path = write_safetensors(tmp_path / "bare.safetensors", state, bare)
    assert uo.create_model("deeplabv3light_mobilenet_v1_025", path).spec.input == made.spec.input

"""The zoo against timm and torchvision with the same weights, and on real photographs."""

import importlib.util
import json
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import timm
import torch
import torchvision
from timm.utils import reparameterize_model
from torch import nn

from underone.compare import difference
from underone.errors import BadFile, BadValue, FetchFailed, MissingExtra, UnknownName, WeightsMismatch
from underone.files import fetch
from underone.fold import reparameterize
from underone.image import prepare
from underone.models.build import build_model
from underone.weights import LABELLED_PHOTOGRAPHS, layouts, read_safetensors, weights_of, write_safetensors
from underone.weights.rename import inverse, rename
from underone.zoo import create_model, imagenet_labels, list_models, model_info, save_weights

VARIANTS = ("s0", "s1", "s2", "s3", "s4")
PARITY = 1e-12  # NMSE in float32; 1.6e-13 is the largest seen


def randomised(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give batch norms statistics far from 0 and 1, so that a misplaced tensor shows; in eval mode."""
    rng = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0.0, 0.3, rng)
            nn.init.normal_(module.bias, 0.0, 0.3, rng)
            nn.init.uniform_(module.running_var, 0.5, 2.0, rng)
            nn.init.uniform_(module.weight, 0.5, 1.5, rng)
    return model.eval()


def noise(channels: int = 3) -> torch.Tensor:
    return torch.randn(2, channels, 64, 64, generator=torch.Generator().manual_seed(7))


@torch.no_grad()
def nmse(got: nn.Module, want: nn.Module, image: torch.Tensor) -> float:
    return difference(got.eval()(image).numpy(), want.eval()(image).numpy())[0]


def saved(model: nn.Module, path):
    torch.save(model.state_dict(), path)
    return path


def timm_map(folded: bool):
    return layouts.timm.MOBILEONE_FOLDED if folded else layouts.timm.MOBILEONE


# ---------------------------------------------------------------- the same weights, another implementation


@pytest.mark.parametrize("folded", [False, True], ids=["training", "folded"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_timms_mobileone_answers_the_same_after_loading_here(tmp_path, variant, folded):
    theirs = randomised(timm.create_model(f"mobileone_{variant}"))
    theirs = reparameterize_model(theirs) if folded else theirs
    ours = create_model(f"mobileone_{variant}", weights=saved(theirs, tmp_path / "timm.pth"))
    assert ours.spec.form == ("folded" if folded else "training")
    assert nmse(ours, theirs, noise()) <= PARITY


@pytest.mark.parametrize("folded", [False, True], ids=["training", "folded"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_our_mobileone_answers_the_same_after_loading_in_timm(variant, folded):
    theirs = timm.create_model(f"mobileone_{variant}")
    theirs = reparameterize_model(theirs) if folded else theirs
    ours = randomised(build_model(f"mobileone_{variant}", form="folded" if folded else "training"), seed=3)
    state = ours.state_dict()
    names = rename(state, inverse(timm_map(folded)))
    theirs.load_state_dict({names[key]: tensor for key, tensor in state.items()}, strict=True)
    assert nmse(theirs, ours, noise()) <= PARITY


@pytest.mark.parametrize("folded", [False, True], ids=["training", "folded"])
@pytest.mark.parametrize("variant", ["s0", "s4"])
@pytest.mark.parametrize("source", [layouts.apple, layouts.mmpretrain])
def test_apples_and_mmpretrains_layouts_give_timms_answer(tmp_path, source, variant, folded):
    theirs = randomised(timm.create_model(f"mobileone_{variant}"))
    theirs = reparameterize_model(theirs) if folded else theirs
    state = theirs.state_dict()
    ours = rename(state, timm_map(folded))
    there = rename(ours.values(), inverse(getattr(source, f"MOBILEONE{'_FOLDED' * folded}")))
    # the file's order must not matter
    torch.save({"state_dict": {there[ours[key]]: state[key] for key in sorted(state)}}, tmp_path / "w.pth.tar")
    model = create_model(f"mobileone_{variant}", weights=tmp_path / "w.pth.tar")
    assert nmse(model, theirs, noise()) <= PARITY


@pytest.mark.parametrize(("name", "theirs"), [
    ("mobilenet_v2_100", "torchvision"), ("mobilenet_v2_100", "mobilenetv2_100"),
    ("mobilenet_v2_035", "mobilenetv2_035"), ("mobilenet_v2_140", "mobilenetv2_140"),
])  # fmt: skip
def test_mobilenet_v2_of_timm_and_torchvision_answers_the_same_here(tmp_path, name, theirs):
    model = torchvision.models.mobilenet_v2() if theirs == "torchvision" else timm.create_model(theirs)
    model = randomised(model)
    ours = create_model(name, weights=saved(model, tmp_path / "w.pth"))
    assert nmse(ours, model, noise()) <= PARITY


@pytest.mark.parametrize(("theirs", "rules"), [
    ("torchvision", layouts.torchvision.MOBILENET_V2), ("timm", layouts.timm.MOBILENET_V2),
])  # fmt: skip
def test_our_mobilenet_v2_answers_the_same_in_timm_and_torchvision(theirs, rules):
    model = torchvision.models.mobilenet_v2() if theirs == "torchvision" else timm.create_model("mobilenetv2_100")
    ours = randomised(create_model("mobilenet_v2_100"), seed=3)
    state = ours.state_dict()
    names = rename(state, inverse(rules))
    model.load_state_dict({names[key]: tensor for key, tensor in state.items()}, strict=True)
    assert nmse(model, ours, noise()) <= PARITY


# ---------------------------------------------------------------- real weights, real photographs


@contextmanager
def skip_without_network():
    """Skip where nothing can be fetched; a file that came and is another than the pinned one is a failure."""
    try:
        yield
    except FetchFailed as error:
        if "sha256" in str(error):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def trained():
    with skip_without_network():
        return create_model("mobilenet_v2_100", weights="DEFAULT").eval()


def test_trained_mobilenet_v2_knows_the_labelled_photographs(trained):
    with skip_without_network():
        paths = [(fetch(photograph.file), photograph.imagenet_index) for photograph in LABELLED_PHOTOGRAPHS]
    images = np.concatenate([prepare(path, trained.spec.input) for path, _ in paths])
    with torch.no_grad():
        best = trained(torch.from_numpy(images)).topk(5).indices.tolist()
    right = sum(found[0] == index for found, (_, index) in zip(best, paths, strict=True))
    among_five = sum(index in found for found, (_, index) in zip(best, paths, strict=True))
    assert right >= 18
    assert among_five == 20
    assert f"{right} of the 20" in weights_of("mobilenet_v2_100")[0].measured


def test_trained_mobilenet_v2_gives_torchvisions_own_logits(trained):
    theirs = torchvision.models.mobilenet_v2()
    entry = weights_of("mobilenet_v2_100")[0]
    theirs.load_state_dict(torch.load(fetch(entry.file), weights_only=True))
    assert nmse(trained, theirs, noise()) <= PARITY


def test_spec_of_trained_weights_says_where_they_are_from(trained):
    spec = trained.spec
    assert (spec.name, spec.form, spec.weights, spec.licence) == (
        *("mobilenet_v2_100", "training", "torchvision_in1k", "BSD-3-Clause"),
    )
    assert (spec.padding, spec.bn_eps) == ("symmetric", 1e-5)
    assert spec.labels[:2] == ("tench", "goldfish")
    assert len(spec.labels) == 1000
    assert spec.input.preparation.crop_ratio == 0.875


def test_name_with_tag_gives_the_same_weights(trained):
    tagged = create_model("mobilenetv2_100.torchvision_in1k")
    assert tagged.spec == trained.spec
    assert torch.equal(tagged.head.weight, trained.head.weight)


# ---------------------------------------------------------------- files of ours


@pytest.mark.parametrize("name", ["mobileone_s0", "mobilenet_v2_050"])
def test_saved_model_comes_back_with_its_spec(tmp_path, name):
    model = randomised(create_model(name, num_classes=4))
    labels = ("hat", "shirt", "shoes", "skirt")
    model.spec = model.spec.model_copy(update={"labels": labels, "weights": "clothing", "licence": "CC0-1.0"})
    again = create_model(name, weights=save_weights(model, tmp_path / "w.safetensors"))
    assert again.spec == model.spec
    assert nmse(again, model, noise()) == 0


def test_folded_file_gives_the_folded_form(tmp_path):
    model = reparameterize(randomised(create_model("mobileone_s1")))
    again = create_model("mobileone_s1", weights=save_weights(model, tmp_path / "w.safetensors"))
    assert again.spec == model.spec
    assert again.spec.form == "folded"
    assert not any(isinstance(module, nn.BatchNorm2d) for module in again.modules())
    assert sum(parameter.numel() for parameter in again.parameters()) == 4_764_840  # published, folded
    assert nmse(again, model, noise()) == 0


def test_padding_and_epsilon_come_from_the_file(tmp_path):
    model = randomised(create_model("mobilenet_v2_050", padding="tf_same", bn_eps=1e-3, num_classes=4))
    again = create_model("mobilenet_v2_050", weights=save_weights(model, tmp_path / "w.safetensors"))
    assert (again.spec.padding, again.spec.bn_eps) == ("tf_same", 1e-3)
    assert nmse(again, model, noise()) == 0


def test_backbone_takes_its_part_of_a_classifiers_file(tmp_path):
    whole = randomised(create_model("mobileone_s0", num_classes=4))
    path = save_weights(whole, tmp_path / "w.safetensors")
    backbone = create_model("mobileone_s0", weights=path, features_only=True, out_indices=(1, "stage3")).eval()
    with torch.no_grad():
        maps = backbone(noise())
        stem = whole.backbone.stem(noise())
        stage1 = whole.backbone.stages[0](stem)
    assert {name: tuple(value.shape) for name, value in maps.items()} == {
        "stage1": (2, 48, 16, 16), "stage3": (2, 256, 4, 4),
    }  # fmt: skip
    assert torch.equal(maps["stage1"], stage1)
    assert [output.name for output in backbone.spec.outputs] == ["stage1", "stage3"]
    again = create_model(
        "mobileone_s0", weights=save_weights(backbone, tmp_path / "b.safetensors"),
        features_only=True, out_indices=("stage1", "stage3"),
    ).eval()  # fmt: skip
    assert torch.equal(again(noise())["stage3"], maps["stage3"])


def test_all_levels_are_given_by_default():
    maps = create_model("mobilenet_v2_050", features_only=True).eval()(noise())
    assert list(maps) == ["block0", "block2", "block5", "block12", "block16"]
    assert [value.shape[-1] for value in maps.values()] == [32, 16, 8, 4, 2]
    last = create_model("mobilenet_v2_050", features_only=True, out_indices=(-1,))
    assert [feature.name for feature in last.features] == ["block16"]


def test_imagenet_file_of_a_known_layout_gets_its_labels_and_preparation(tmp_path):
    path = saved(timm.create_model("mobileone_s1"), tmp_path / "mobileone_s1.pth")
    spec = create_model("mobileone_s1", weights=path).spec
    assert spec.labels == imagenet_labels()
    assert spec.input.preparation.crop_ratio == 0.9
    assert (spec.weights, spec.source, spec.licence) == ("mobileone_s1.pth", "timm", None)


def test_random_weights_have_no_labels():
    spec = create_model("mobileone_s0").spec
    assert (spec.weights, spec.labels, spec.form) == ("random", None, "training")
    assert spec.outputs[0].shape == (None, 1000)


# ---------------------------------------------------------------- what is refused, and how


@pytest.fixture(scope="module")
def small_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    return save_weights(create_model("mobilenet_v2_035", num_classes=4), path)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"in_chans": 1}, r"in_chans=1, but \S+ has in_chans=3; leave it out"),
    ({"padding": "tf_same"}, r"padding='tf_same', but \S+ has padding='symmetric'; leave it out, the weights were"),
    ({"bn_eps": 1e-3}, r"bn_eps=0\.001, but \S+ has bn_eps=1e-05; leave it out"),
])  # fmt: skip
def test_argument_that_contradicts_the_file_is_refused(small_file, arguments, message):
    with pytest.raises(BadValue, match=message):
        create_model("mobilenet_v2_035", weights=small_file, **arguments)


def test_another_number_of_classes_gives_the_trained_backbone_with_a_new_head(small_file, tmp_path):
    whole = create_model("mobilenet_v2_035", weights=small_file)
    tuned = create_model("mobilenet_v2_035", weights=small_file, num_classes=10)
    for name, tensor in whole.backbone.state_dict().items():
        assert torch.equal(tuned.backbone.state_dict()[name], tensor), name
    assert tuned.eval()(noise()).shape == (2, 10)
    assert float(tuned.head.weight.detach().std()) > 0
    again = create_model("mobilenet_v2_035", weights=save_weights(tuned, tmp_path / "w.safetensors"))
    assert nmse(again, tuned, noise()) == 0


def test_new_head_is_said_once(small_file, tmp_path):
    whole = create_model("mobilenet_v2_035", weights=small_file)
    whole.spec = whole.spec.model_copy(update={"weights": "mine", "published": None})
    path = save_weights(whole, tmp_path / "mine.safetensors")
    for classes, name in ((10, "mobilenet_v2_035"), (20, "mobilenet_v2_035"), (5, "ssdlite320_mobilenet_v2_035")):
        model = create_model(name, weights=path, num_classes=classes)
        assert model.spec.weights == "mine, new head"
        path = save_weights(model, tmp_path / f"{classes}.safetensors")


def test_spec_of_a_new_head_says_so(trained):
    spec = create_model("mobilenet_v2_100", weights="IMAGENET1K_V1", num_classes=10).spec
    assert (spec.weights, spec.labels, spec.published) == ("torchvision_in1k, new head", None, None)
    assert (spec.licence, spec.source) == (trained.spec.licence, trained.spec.source)
    assert spec.input.preparation == trained.spec.input.preparation
    assert spec.outputs[0].shape == (None, 10)


def test_backbone_file_with_a_number_of_classes_gets_a_new_head(tmp_path):
    backbone = create_model("mobileone_s0", features_only=True)
    model = create_model("mobileone_s0", weights=save_weights(backbone, tmp_path / "b.safetensors"), num_classes=3)
    assert torch.equal(model.backbone.stem.branches[0].conv.weight, backbone.stem.branches[0].conv.weight)


def test_labels_are_written_into_the_spec(small_file):
    labels = ("hat", "shirt", "shoes", "skirt")
    assert create_model("mobileone_s0", num_classes=4, labels=labels).spec.labels == labels
    assert create_model("mobilenet_v2_035", weights=small_file, labels=[*labels]).spec.labels == labels
    assert create_model("mobilenet_v2_035", weights=small_file, num_classes=2, labels=("a", "b")).spec.labels == (
        *("a", "b"),
    )
    with pytest.raises(BadValue, match="2 labels for 4 classes; pass num_classes=2 too"):
        create_model("mobilenet_v2_035", weights=small_file, labels=("a", "b"))
    with pytest.raises(BadValue, match="labels='ab'; a sequence of class names is required, for a model with a class"):
        create_model("mobileone_s0", num_classes=2, labels="ab")
    with pytest.raises(BadValue, match="for a model with a classifier"):
        create_model("mobileone_s0", features_only=True, labels=("a",))


def test_labels_that_do_not_fit_the_head_are_not_saved(tmp_path):
    model = create_model("mobileone_s0", num_classes=2, labels=("a", "b"))
    model.head = nn.Linear(1024, 3)
    with pytest.raises(BadValue, match=r"'mobileone_s0' has 2 labels for 3 classes; name them by model\.spec = "):
        save_weights(model, tmp_path / "w.safetensors")


@pytest.mark.parametrize(("name", "arguments", "message"), [
    (None, {}, "a NoneType was given as name; a text is required"),
    ("t.safetensors", {}, "'t.safetensors' is no model but a file: name the model, and pass weights='t.safetensors'"),
    ("x.pth", {}, "'x.pth' is no model but a file: name the model, and pass weights='x.pth'"),
    ("x.onnx", {}, r"'x.onnx' is a network in a file; load\('x.onnx'\) runs it"),
    ("mobileone_s0", {"weights": True}, 'weights came as bool; None for random ones, "DEFAULT", a tag, or the path'),
    ("mobileone_s0", {"weights": {}}, "weights came as dict; None for random ones"),
    ("mobileone_s0", {"pretrained": True}, 'pretrained is no argument; pass weights="DEFAULT" for trained weights'),
    ("mobileone_s0", {"features_only": True, "out_indices": 3}, r"out_indices=3; a sequence is required: \(3,\)"),
    ("mobileone_s0", {"num_classes": "3"}, "num_classes='3'; a whole number, 1 or more, is required"),
    ("mobileone_s0", {"in_chans": 1.5}, "in_chans=1.5; a whole number, 1 or more, is required"),
])  # fmt: skip
def test_usual_mistakes_give_one_line(name, arguments, message):
    with pytest.raises(BadValue, match=message) as caught:
        create_model(name, **arguments)
    assert "\n" not in str(caught.value)


def test_unknown_option_names_those_of_the_backbone():
    with pytest.raises(
        UnknownName,
        match=r"unknown option of mobileone_s0 'padding'\. Known: activation, block, num_branches, se_blocks\.",
    ):
        create_model("mobileone_s0", padding="tf_same")


def test_argument_that_agrees_with_the_file_is_taken(small_file):
    create_model("mobilenet_v2_035", weights=small_file, num_classes=4, in_chans=3, padding="symmetric", bn_eps=1e-5)


def test_file_of_another_network_is_refused_with_its_name(small_file):
    with pytest.raises(BadValue, match=r"small\.safetensors holds 'mobilenet_v2_035', not 'mobileone_s0'"):
        create_model("mobileone_s0", weights=small_file)


def test_backbone_file_is_no_classifier(tmp_path):
    backbone = create_model("mobilenet_v2_035", features_only=True)
    path = save_weights(backbone, tmp_path / "b.safetensors")
    with pytest.raises(
        BadValue, match=r"b\.safetensors has no classifier; pass features_only=True, or num_classes for a new head"
    ):
        create_model("mobilenet_v2_035", weights=path)


def test_all_misfitting_tensors_of_a_file_are_listed(small_file, tmp_path):
    weights, spec = read_safetensors(small_file)
    del weights["backbone.blocks.3.expand.bn.running_var"]
    weights["backbone.blocks.5.extra"] = np.zeros(2, np.float32)
    weights["backbone.blocks.7.depthwise.conv.weight"] = np.zeros((1, 1, 3, 3), np.float32)
    path = write_safetensors(tmp_path / "w.safetensors", weights, spec)
    with pytest.raises(WeightsMismatch, match=r"^3 of 314 tensors do not fit 'mobilenet_v2_035':") as raised:
        create_model("mobilenet_v2_035", weights=path)
    lines = {" ".join(line.split()) for line in str(raised.value).splitlines()[1:]}
    assert lines == {
        "backbone.blocks.3.expand.bn.running_var file has none model (48,)",
        "backbone.blocks.5.extra file (2,) model has none",
        "backbone.blocks.7.depthwise.conv.weight file (1, 1, 3, 3) model (144, 1, 3, 3)",
    }


@pytest.mark.parametrize(("changed", "message"), [
    ({"labels": ("one", "two")}, "its spec has 2 labels, its tensors 4 classes"),
    ({"inputs": (1,)}, r"its spec says input \(None, 1, 224, 224\), its tensors \(None, 3, 224, 224\)"),
])  # fmt: skip
def test_spec_that_contradicts_its_tensors_is_refused(small_file, tmp_path, changed, message):
    weights, spec = read_safetensors(small_file)
    if "inputs" in changed:
        changed = {"inputs": (spec.input.model_copy(update={"shape": (None, 1, 224, 224), "preparation": None}),)}
    path = write_safetensors(tmp_path / "w.safetensors", weights, spec.model_copy(update=changed))
    with pytest.raises(BadFile, match=message):
        create_model("mobilenet_v2_035", weights=path)


def test_default_of_a_network_without_weights_names_the_choices():
    with pytest.raises(
        BadValue, match=r"no ImageNet-1k weights of 'mobileone_s0' can be fetched\. Choices: .*apple_in1k: download"
    ):
        create_model("mobileone_s0", weights="DEFAULT")


def test_named_weights_say_where_they_are():
    with pytest.raises(BadValue, match=r"'mobileone_s2\.apple_in1k' is known but not fetched by us.*pass weights="):
        create_model("mobileone_s2.apple_in1k")


def test_two_choices_of_weights_are_refused():
    with pytest.raises(BadValue, match="the name asks for the weights 'a', the argument for 'b'; give one of them"):
        create_model("mobileone_s0.a", weights="b")


def test_unknown_names_suggest_the_closest():
    with pytest.raises(UnknownName, match=r"unknown model 'mobileone_s9'\. Did you mean 'mobileone_s"):
        create_model("mobileone_s9")
    with pytest.raises(
        UnknownName, match=r"unknown weights of 'mobileone_s0' 'apple_in22k'\. Did you mean 'apple_in1k'"
    ):
        create_model("mobileone_s0", weights="apple_in22k")


def test_missing_file_is_said(tmp_path):
    with pytest.raises(BadFile, match=r"none\.pth cannot be read: No such file"):
        create_model("mobileone_s0", weights=str(tmp_path / "none.pth"))


def test_wrong_feature_arguments_are_refused():
    with pytest.raises(BadValue, match=r"out_indices=\(1,\) without features_only=True; give both or neither"):
        create_model("mobileone_s0", out_indices=(1,))
    with pytest.raises(BadValue, match="out_indices has 5; mobileone_s0 has 5 levels: 0 to 4"):
        create_model("mobileone_s0", features_only=True, out_indices=(5,))
    with pytest.raises(UnknownName, match="unknown feature 'stage9'"):
        create_model("mobileone_s0", features_only=True, out_indices=("stage9",))


def test_missing_torch_names_the_extra():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import underone\n"
        "from underone.errors import MissingExtra\n"
        "try: underone.create_model('mobileone_s0')\n"
        "except MissingExtra as error: print(error)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert (
        "create_model('mobileone_s0') needs the package torch; install it with: pip install 'underone[train]'"
        in printed
    )


def test_missing_torchvision_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(
        MissingExtra, match=r"naming the ImageNet classes needs the package torchvision; .*underone\[train\]"
    ):
        imagenet_labels()


# ---------------------------------------------------------------- the list


def test_list_is_in_natural_order_and_filtered():
    assert list_models("mobileone*") == [f"mobileone_{variant}" for variant in VARIANTS]
    names = list_models()
    assert names.index("mobilenet_v2_050") < names.index("mobilenet_v2_100") < names.index("mobileone_s0")
    assert list_models("resnet*") == []


def test_list_of_weights_names_what_create_model_can_fetch():
    assert list_models(weights=True) == [
        "efficientnet_lite0.tensorflow_in1k", "mobilenet_v1_100.tensorflow_in1k", "mobilenet_v2_100.clothing10",
        "mobilenet_v2_100.torchvision_in1k", "mobileone_s0.clothing10",
    ]  # fmt: skip


def test_listing_imports_no_torch():
    code = (
        "import sys, underone, json\n"
        "from underone.zoo import model_info\n"
        "names = underone.list_models(); infos = [model_info(name) for name in names]\n"
        "print(json.dumps([len(names), [m for m in ('torch', 'torchvision', 'timm', 'onnx') if m in sys.modules]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [112, []]
    assert importlib.util.find_spec("torch")  # it could have been imported


def test_info_tells_figures_and_weights_with_their_licence():
    info = model_info("mobilenetv2_100")
    assert info.name == "mobilenet_v2_100"
    assert "mobilenet_v2" in info.aliases
    assert info.published.params == 3_504_872  # torchvision
    assert [(weights.tag, weights.fetchable) for weights in info.weights] == [
        *(("torchvision_in1k", True), ("torchvision_v2_in1k", False), ("ra_in1k", False)),
        ("clothing10", True),
    ]
    assert info.weights[0].size_bytes == 14_212_972
    assert [weights.data for weights in info.weights] == [*["ImageNet-1k"] * 3, "10 classes of clothing"]
    apple = model_info("mobileone_s4.apple_in1k").weights[0]
    assert apple.licence.startswith("Apple's own")
    assert any(url.endswith("/mobileone_s4.pth.tar") for url in apple.urls)
    assert json.loads(info.model_dump_json())["weights"][0]["licence"] == "BSD-3-Clause"


def test_info_of_an_unknown_model_suggests_the_closest():
    with pytest.raises(UnknownName, match="unknown model 'mobileone_s7'"):
        model_info("mobileone_s7")

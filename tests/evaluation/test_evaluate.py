"""A file on labelled pictures: the same score on every engine."""

import numpy as np
import pytest
import torch
from PIL import Image

import underone as uo
from underone.errors import BadValue
from underone.evaluation import evaluate
from underone.nn.statistics import randomize_statistics


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for name in ("cat", "dog", "owl"):
        (root / name).mkdir()
        for number in range(4):
            Image.fromarray(generator.integers(0, 256, (40, 50, 3), np.uint8)).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = uo.create_model("mobilenet_v2_035", num_classes=3, labels=["cat", "dog", "owl"])
    randomize_statistics(model, torch.randn(4, 3, 64, 64))
    image = model.spec.input.model_copy(update={"shape": (None, 3, 64, 64)})
    model.spec = model.spec.model_copy(update={"inputs": (image,)})
    return model


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    return uo.export(uo.reparameterize(model), tmp_path_factory.mktemp("net") / "net.onnx", size=(64, 64))


def test_engines_agree_on_the_score(file, folder):
    native, other = (evaluate(file, folder, backend=name) for name in ("native", "onnxruntime"))
    assert native.pictures == 12
    assert native.confusion == other.confusion
    assert native.loss == pytest.approx(other.loss, rel=1e-5)


def test_weights_and_modules_score_as_the_exported_network(file, folder, model, tmp_path):
    exported = evaluate(file, folder)
    uo.save_weights(model, tmp_path / "w.safetensors")
    for form in (model, uo.reparameterize(model), tmp_path / "w.safetensors"):
        score = evaluate(form, folder)
        assert score.confusion == exported.confusion
        assert score.loss == pytest.approx(exported.loss, rel=1e-4)


def test_class_order_is_that_of_the_network(file, folder, tmp_path):
    (tmp_path / "dog").mkdir()
    Image.open(folder / "dog" / "0.png").save(tmp_path / "dog" / "0.png")
    score = evaluate(file, str(tmp_path))
    assert score.classes == ("cat", "dog", "owl")
    assert score.by_class[0] is None
    assert sum(score.confusion[1]) == 1


def test_network_without_classes_is_refused(tmp_path, folder):
    model = uo.create_model("mobilenet_v2_035", features_only=True, out_indices=(0,))
    path = uo.export(uo.reparameterize(model), tmp_path / "features.onnx", size=(32, 32))
    with pytest.raises(BadValue, match=r"has the task 'features'; a network whose file says one of"):
        evaluate(path, folder)

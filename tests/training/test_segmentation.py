"""A segmenter through the whole loop: coloured areas, seconds."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

import underone as uo
from underone.data.open_masks import open_mask_splits
from underone.errors import BadValue
from underone.training import RECIPES, train
from underone.training.recipe import Recipe, Stage
from underone.training.segmentation import Segmentation

NAMES = ("background", "blue", "green", "red")
RECIPE_NAMES = [name for name, recipe in RECIPES.items() if recipe.task == "segment"]


@pytest.fixture(scope="module")
def areas(tmp_path_factory) -> Path:
    """Pictures with one to three coloured squares on noise; the lowest rows are ignored."""
    root, random = tmp_path_factory.mktemp("areas"), np.random.default_rng(0)
    (root / "classes.txt").write_text("\n".join((*NAMES, "void")))
    for part, count in (("train", 24), ("val", 6), ("test", 4)):
        for kind in ("images", "masks"):
            (root / part / kind).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 80, (60, 80, 3), np.uint8)
            mask = np.zeros((60, 80), np.uint8)
            for slot in range(int(random.integers(1, 4))):
                index, side = int(random.integers(3)), int(random.integers(16, 24))
                x, y = slot * 26 + int(random.integers(0, 26 - side)), int(random.integers(0, 60 - side))
                pixels[y : y + side, x : x + side, 2 - index] = 255
                mask[y : y + side, x : x + side] = index + 1
            mask[56:] = 4
            Image.fromarray(pixels).save(root / part / "images" / f"{number}.png")
            Image.fromarray(mask).save(root / part / "masks" / f"{number}.png")
    return root


@pytest.fixture
def quick() -> dict[str, object]:
    """Changes that make the recipe a matter of seconds."""
    return {
        "model": "deeplabv3plus_mobilenet_v1_025", "weights": None, "epochs": 2, "batch": 4, "size": 65, "ema": 0.5,
        "head_channels": 32,
    }  # fmt: skip


def test_a_segmenter_learns_in_8_bits(areas, tmp_path, quick):
    changes = quick | {"epochs": 1, "quantize": True, "optimizer": "adamw", "lr": 1e-4, "decay_norms": False}
    result = train("finetune_segmentation", areas, tmp_path / "run", workers=0, **changes, auxiliary=0.0)
    with uo.load(result.weights, "reference") as net:
        assert net.quantised
        assert uo.evaluate(net, areas / "test").miou == pytest.approx(result.test.miou, abs=0.5)


def task_of(areas: Path, quick: dict[str, object], **changes: object) -> Segmentation:
    recipe = RECIPES["finetune_segmentation"].changed(**quick | changes)
    return Segmentation(recipe, open_mask_splits(areas).train, torch.device("cpu"))


def test_a_run_learns_and_leaves_its_folder(areas, tmp_path, quick):
    easy = {"epochs": 16, "lr": 1e-2, "ema": None, "zoom": (0.8, 1.25), "photometric": 0.0}
    easy |= {"dice": 0.5, "auxiliary": 0.4}
    folder = tmp_path / "run"
    result = train("finetune_segmentation", areas, folder, workers=0, **quick | easy)
    with (folder / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    first, last = ({key: float(value) for key, value in rows[i].items()} for i in (0, -1))
    assert last["train_loss"] < 0.5 * first["train_loss"]
    parts = sum(last[f"train_{name}_loss"] for name in ("pixel", "dice", "auxiliary"))
    assert last["train_loss"] == pytest.approx(parts, rel=1e-4)
    assert max(float(row["val_miou"]) for row in rows) == pytest.approx(result.validation.miou, abs=1e-4)
    assert result.validation.miou > 50  # 21 is what one class for everything has
    assert (result.test.pictures, result.test.classes) == (4, NAMES)
    for name in (
        "confusion_matrix.png",
        "train_batch0.jpg",
        "val_batch0_pred.jpg",
        "val_worst_pred.jpg",
        "results.png",
    ):
        with Image.open(folder / name) as image:
            assert min(image.size) > 100
    assert json.loads((folder / "result.json").read_text())["validation"]["miou"] == result.validation.miou
    assert uo.evaluate(result.weights, areas / "val").confusion == result.validation.confusion
    model = uo.create_model("deeplabv3plus_mobilenet_v1_025", result.weights)
    assert (model.spec.segmentation.background, model.spec.labels) == (0, NAMES)
    onnx = uo.export(uo.reparameterize(model), folder / "n.onnx")
    shipped = uo.evaluate(onnx, areas / "val", backend="native", threads=1)
    assert shipped.miou == pytest.approx(result.validation.miou, abs=0.2)


def test_a_run_that_was_cut_off_goes_on_to_the_same_weights(areas, tmp_path, quick):
    def stop(where) -> None:
        if (where.epoch, where.step) == (2, 2):
            raise KeyboardInterrupt

    given = quick | {"class_balance": 0.5, "hardest": 0.5}
    whole = train("finetune_segmentation", areas, tmp_path / "whole", workers=0, **given)
    with pytest.raises(KeyboardInterrupt):
        train("finetune_segmentation", areas, tmp_path / "cut", workers=0, progress=stop, **given)
    resumed = train("finetune_segmentation", areas, tmp_path / "cut", workers=0, resume=True, **given)
    first, second = load_file(whole.weights), load_file(resumed.weights)
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.task == "segment"])
def test_every_recipe_runs_whole_in_its_smoke_form(areas, tmp_path, name):
    result = train(f"{name}_smoke", areas, tmp_path / "run", workers=0, weights=None, batch=4)
    assert Path(result.weights).is_file()
    assert result.test.pictures == 4


@pytest.mark.parametrize("name", RECIPE_NAMES)
def test_every_recipe_takes_a_step_in_its_smoke_form(areas, name):
    recipe = RECIPES[name].smoke().changed(weights=None)
    task = Segmentation(recipe, open_mask_splits(areas).train, torch.device("cpu"))
    out = np.empty((3, 64, 64), np.uint8)
    target = task.sampler(Stage(until=1, size=recipe.size))(open_mask_splits(areas).train, 1, 0, out)
    assert target.shape == (64, 64)
    outputs = task.model(torch.zeros((2, 3, recipe.size, recipe.size)))
    loss, parts = task.loss(outputs, torch.zeros(()), torch.stack([target.long()] * 2))
    loss.backward()
    assert math.isfinite(float(loss.detach()))
    assert ("auxiliary_loss" in parts) == bool(recipe.auxiliary)
    assert [name for name, weight in task.model.named_parameters() if weight.grad is None] == []


def test_the_pictures_and_masks_of_a_batch_are_what_the_network_is_taught(areas, quick):
    task = task_of(areas, quick, photometric=0.0)
    pictures, sample = open_mask_splits(areas).train, task.sampler(Stage(until=1, size=65))
    images = np.empty((len(pictures), 3, 65, 65), np.uint8)
    taught = [sample(pictures, index, 0, images[index]) for index in range(len(pictures))]
    red = (images[:, 0] > 250) & (images[:, 1] < 90) & (images[:, 2] < 90)
    found = torch.stack(taught)[torch.from_numpy(red)]
    assert len(found) > 100
    assert (found == 3).float().mean() > 0.95


def test_classes_weigh_by_their_share(areas, quick):
    counts = np.zeros(256, np.int64)
    for file in (areas / "train" / "masks").glob("*.png"):
        counts += np.bincount(np.asarray(Image.open(file)).ravel(), minlength=256)
    shares = counts[:4] / counts[:4].sum()
    weights = task_of(areas, quick, class_balance=1.0)._weights.numpy()
    np.testing.assert_allclose(weights, 0.25 / shares, rtol=1e-5)  # all classes the same sum; the mean pixel has 1
    half = task_of(areas, quick, class_balance=0.5)._weights.numpy()
    assert half[3] / half[0] == pytest.approx(math.sqrt(shares[0] / shares[3]), rel=1e-5)
    assert task_of(areas, quick)._weights is None


def test_the_test_sees_another_size_than_training(areas, quick):
    task = task_of(areas, quick, test_size=97)
    assert task.spec.input.shape == (None, 3, 97, 97)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model": "mobilenet_v2_035"},
            "mobilenet_v2_035 does not segment; a model such as deeplabv3_mobilenet_v2_035",
        ),
        (
            {"batch": 8, "accumulate": 8},
            "batch=8, processes=1, accumulate=8; 2 pictures or more in each part are required",
        ),
    ],
)
def test_values_that_do_not_fit_are_refused(areas, quick, changes, message):
    with pytest.raises(BadValue, match=message):
        task_of(areas, quick, **changes)


@pytest.mark.parametrize("zoom", [(2.0, 1.0), (0.0, 1.0), (1.0, 9.0)])
def test_factors_that_do_not_rise_are_refused(zoom):
    with pytest.raises(BadValue, match="two rising factors above 0, at most 8, are required"):
        Recipe(name="t").changed(zoom=zoom)


def test_folded_weights_are_refused(areas, quick, tmp_path):
    model = uo.create_model("deeplabv3light_mobilenet_v2_035", num_classes=4, size=65)
    uo.save_weights(uo.reparameterize(model), tmp_path / "folded.safetensors")
    given = {"model": "deeplabv3light_mobilenet_v2_035", "weights": str(tmp_path / "folded.safetensors")}
    with pytest.raises(BadValue, match="holds a folded network, which cannot be trained"):
        task_of(areas, quick | given, head_channels=None, separable=None)


def test_the_smallest_batch_of_a_process_is_counted(areas, quick, monkeypatch):
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 8)
    with pytest.raises(BadValue, match="batch=8, processes=8, accumulate=1; 2 pictures or more"):
        task_of(areas, quick, batch=8)


def test_a_batch_that_parts_do_not_divide_is_trained_on(areas, quick, tmp_path):
    changes = {"epochs": 1, "batch": 7, "accumulate": 3}
    result = train("finetune_segmentation", areas, tmp_path / "run", workers=0, **(quick | changes))
    assert math.isfinite(result.validation.miou)

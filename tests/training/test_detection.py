"""A detector through the whole loop: coloured squares, seconds."""

import csv
import json
import math
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

import underone as uo
from underone.data.open_boxes import open_box_splits
from underone.errors import BadFile, BadValue, UnknownName
from underone.training import RECIPES, box_augmentation, train
from underone.training.box_loss import detection_loss
from underone.training.detection import Detection
from underone.training.distribution import Group
from underone.training.learner import Learner
from underone.training.recipe import Stage

NAMES = ("blue", "green", "red")
EASY = {"epochs": 16, "lr": 2e-2, "ema": None, "expand": 1.0, "min_iou_crop": False, "photometric": 0.0}


@pytest.fixture(scope="module")
def squares(tmp_path_factory) -> Path:
    """Pictures with one to three coloured squares on noise; one has none."""
    root, random = tmp_path_factory.mktemp("squares"), np.random.default_rng(0)
    for part, count in (("train", 24), ("val", 6), ("test", 4)):
        rows = ["file,label,x1,y1,x2,y2"]
        (root / part).mkdir()
        for number in range(count):
            pixels = random.integers(0, 80, (90, 120, 3), np.uint8)
            file = f"{part}/{number}.png"
            rows += [f"{file},,,,,"]
            for slot in range(int(random.integers(1, 4)) if number else 0):
                index, side = int(random.integers(3)), int(random.integers(20, 34))
                x, y = slot * 40 + int(random.integers(0, 40 - side)), int(random.integers(0, 90 - side))
                pixels[y : y + side, x : x + side, 2 - index] = 255
                rows.append(f"{file},{NAMES[index]},{x},{y},{x + side},{y + side}")
            Image.fromarray(pixels).save(root / file)
        (root / f"{part}.csv").write_text("\n".join(rows))
    return root


@pytest.fixture
def quick() -> dict[str, object]:
    """Changes that make the recipe a matter of seconds."""
    return {
        "model": "ssdlite320_mobilenet_v2_035", "weights": None, "epochs": 2, "batch": 8, "size": 96, "ema": 0.5,
        "scales": (0.2, 0.4, 0.5, 0.6, 0.7, 0.9, 1.0),
    }  # fmt: skip


@pytest.mark.slow
def test_a_detector_learns_in_8_bits(squares, tmp_path, quick):
    begun = train("finetune_detection", squares, tmp_path / "float", workers=0, **quick | EASY | {"epochs": 6})
    changes = {"epochs": 1, "quantize": True, "optimizer": "adamw", "lr": 1e-4, "decay_norms": False}
    changes = quick | changes | {"weights": begun.weights}
    result = train("finetune_detection", squares, tmp_path / "run", workers=0, **changes)
    with uo.load(result.weights, "reference") as net:
        assert net.quantised
        assert uo.evaluate(net, squares / "test.csv").coco.ap50 == pytest.approx(result.test.coco.ap50, abs=0.05) != 0


def test_a_run_learns_and_leaves_its_folder(squares, tmp_path, quick):
    result = train("finetune_detection", squares, tmp_path / "run", workers=0, **quick | EASY)
    folder = tmp_path / "run"
    with (folder / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["train_loss"]) < 0.7 * float(rows[0]["train_loss"])
    assert float(rows[-1]["train_loss"]) == pytest.approx(
        float(rows[-1]["train_box_loss"]) + float(rows[-1]["train_class_loss"]), rel=1e-4
    )
    assert max(float(row["val_ap50"]) for row in rows) == pytest.approx(result.validation.coco.ap50, abs=1e-4)
    assert result.validation.coco.ap50 > 30
    assert (result.test.pictures, result.test.classes) == (4, NAMES)
    drawn = ("pr_curve.png", "confusion_matrix.png", "train_batch0.jpg", "val_batch0_pred.jpg", "results.png")
    for name in drawn:
        with Image.open(folder / name) as image:
            assert min(image.size) > 100
    assert json.loads((folder / "result.json").read_text())["validation"]["coco"]["ap50"] == result.validation.coco.ap50
    again = uo.evaluate(result.weights, squares / "val.csv")
    assert again.coco == result.validation.coco
    onnx = uo.export(
        uo.reparameterize(uo.create_model("ssdlite320_mobilenet_v2_035", result.weights)), folder / "n.onnx"
    )
    shipped = uo.evaluate(onnx, squares / "val.csv", backend="native", threads=1)
    assert shipped.coco.ap50 == pytest.approx(result.validation.coco.ap50, abs=1)
    assert shipped.by_class[0].name == "blue"


def test_a_run_that_was_cut_off_goes_on_to_the_same_weights(squares, tmp_path, quick):
    def stop(where) -> None:
        if (where.epoch, where.step) == (2, 2):
            raise KeyboardInterrupt

    whole = train("finetune_detection", squares, tmp_path / "whole", workers=0, **quick | {"mosaic": 0.5})
    with pytest.raises(KeyboardInterrupt):
        train("finetune_detection", squares, tmp_path / "cut", workers=0, progress=stop, **quick | {"mosaic": 0.5})
    resumed = train("finetune_detection", squares, tmp_path / "cut", workers=0, resume=True, **quick | {"mosaic": 0.5})
    first, second = load_file(whole.weights), load_file(resumed.weights)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def task_of(squares: Path, quick: dict[str, object], **changes: object) -> Detection:
    recipe = RECIPES["finetune_detection"].changed(**quick | changes)
    return Detection(recipe, open_box_splits(squares).train, torch.device("cpu"))


@pytest.mark.parametrize("name", ["ssdlite320_mobileone_coco", "ssdlite_voc", "finetune_detection"])
def test_every_recipe_takes_a_step_in_its_smoke_form(squares, name):
    recipe = RECIPES[name].smoke().changed(weights=None)
    task = Detection(recipe, open_box_splits(squares).train, torch.device("cpu"))
    out = np.empty((3, recipe.size, recipe.size), np.uint8)
    target = task.sampler(Stage(until=1, size=recipe.size))(open_box_splits(squares).train, 1, 0, out)
    outputs = task.model(torch.zeros((2, 3, recipe.size, recipe.size)))
    loss, _ = task.loss(outputs, torch.zeros(()), torch.stack([target] * 2))
    loss.backward()
    assert math.isfinite(float(loss.detach()))
    without = [name for name, weight in task.model.named_parameters() if weight.grad is None]
    assert without == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.task == "detect"])
def test_every_recipe_runs_whole_in_its_smoke_form(squares, tmp_path, name):
    result = train(f"{name}_smoke", squares, tmp_path / "run", workers=0, weights=None, batch=4)
    assert Path(result.weights).is_file()
    assert result.test.pictures == 4


def test_the_loss_is_computed_once_in_a_step(squares, quick, tmp_path, monkeypatch):
    losses = []

    def note(*given):
        losses.append(detection_loss(*given))
        return losses[-1]

    monkeypatch.setattr("underone.training.detection.detection_loss", note)
    train("finetune_detection", squares, tmp_path / "run", workers=0, **quick | {"epochs": 1})
    assert len(losses) == 3  # 24 pictures in batches of 8
    with (tmp_path / "run" / "results.csv").open() as file:
        (row,) = csv.DictReader(file)
    boxes, classes = (float(sum(part).detach()) / 24 for part in zip(*losses, strict=True))
    assert (float(row["train_box_loss"]), float(row["train_class_loss"])) == pytest.approx((boxes, classes), rel=1e-4)


def test_frozen_weights_do_not_learn_and_the_heads_learn_faster(squares, quick):
    task = task_of(squares, quick, frozen=("backbone.stem", "backbone.blocks.0."))
    groups = Learner(task, task.recipe, Group(), torch.device("cpu")).optimizer.param_groups
    frozen = [name for name, weight in task.model.named_parameters() if not weight.requires_grad]
    assert frozen
    assert all(name.startswith(("backbone.stem", "backbone.blocks.0.")) for name in frozen)
    assert {group["lr_factor"] for group in groups} == {1.0, 2.0}
    assert sum(len(group["params"]) for group in groups) == sum(1 for _ in task.model.parameters()) - len(frozen)


def test_anchors_have_the_scales_of_the_recipe(squares, quick):
    spec = task_of(squares, quick).spec.detection
    assert [grid.shapes[0][0] for grid in spec.anchors] == [0.2, 0.4, 0.5, 0.6, 0.7, 0.9]
    assert spec.anchors[0].shapes[1][0] == pytest.approx(math.sqrt(0.2 * 0.4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scales": (0.1, 0.2)}, "one scale more than maps is required"),
        ({"convention": "tensorflow"}, "need the convention torchvision, with six anchors a cell"),
        (
            {"model": "mobilenet_v2_035"},
            r"mobilenet_v2_035 does not detect; a model such as ssdlite320_mobilenet_v2_035",
        ),
    ],
)
def test_values_that_do_not_fit_are_refused(squares, quick, changes, message):
    with pytest.raises(BadValue, match=message):
        task_of(squares, quick, **changes)


def test_the_point_of_a_mosaic_does_not_follow_from_whether_there_is_one(squares, quick, monkeypatch):
    places = []

    def note(page, pixels, boxes, quarter):
        places.append(quarter[2] / page.shape[1])
        return boxes

    monkeypatch.setattr(box_augmentation, "_place", note)
    sample = task_of(squares, quick, mosaic=0.2).sampler(Stage(until=1, size=96))
    pictures = open_box_splits(squares).train
    for seed in range(100):
        sample(pictures, 1, seed, np.empty((3, 96, 96), np.uint8))
    x = places[::4]  # of the upper left quarter of each page
    assert 8 < len(x) < 40
    assert (min(x), max(x)) == pytest.approx((0.3, 0.7), abs=0.06)


def test_stages_of_another_size_are_refused_before_anything_is_trained(squares, quick):
    stages = [{"until": 0.5, "size": 96}, {"until": 1, "size": 64}]
    with pytest.raises(BadValue, match="a stage has the size 64; detectors have anchors for 96 alone"):
        task_of(squares, quick, stages=stages)


def test_a_broken_picture_of_a_mosaic_does_not_blame_the_good_ones(squares, quick, tmp_path):
    shutil.copytree(squares, tmp_path / "set")
    (tmp_path / "set" / "train" / "3.png").write_bytes(b"no picture")
    pictures = open_box_splits(tmp_path / "set").train
    sample = task_of(squares, quick, mosaic=1.0).sampler(Stage(until=1, size=96))
    broken = next(i for i in range(24) if pictures.name(i).endswith("train/3.png"))
    out = np.empty((3, 96, 96), np.uint8)
    for seed in range(40):  # one in eight draws the broken one
        out[...] = 0
        sample(pictures, (broken + 1) % 24, seed, out)
        assert out.any()
    with pytest.raises(BadFile, match="picture"):
        sample(pictures, broken, 0, out)


def test_unknown_models_are_refused(squares, quick):
    with pytest.raises(UnknownName, match="ssdlite320_mobilenet_v2_035"):
        task_of(squares, quick, model="ssdlite320_mobilenet_v2_03")


def test_folded_weights_are_refused(squares, quick, tmp_path):
    model = uo.create_model("ssdlite320_mobilenet_v2_035", num_classes=3, size=96)
    uo.save_weights(uo.reparameterize(model), tmp_path / "folded.safetensors")
    with pytest.raises(BadValue, match="holds a folded network, which cannot be trained"):
        task_of(squares, quick, weights=str(tmp_path / "folded.safetensors"), scales=(), convention=None)


def test_without_the_package_of_the_score_nothing_is_trained(squares, quick, monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(uo.errors.MissingExtra, match=r"underone\[detection\]"):
        task_of(squares, quick)

"""Schedules against torch's schedulers and the paper's formula."""

import math

import pytest
import torch

from underone.errors import BadFile, BadValue, UnknownName
from underone.training import RECIPES, Recipe, recipe_of
from underone.training.recipes import write_recipe
from underone.training.schedules import rates_at, stage_at


def test_learning_rate_is_torchs_cosine():
    recipe = Recipe(name="r", epochs=7, lr=0.3, lr_end=0.01)
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.3)
    oracle = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 7 * 13, eta_min=0.01)
    for step in range(7 * 13):
        assert rates_at(recipe, step, 13).lr == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        oracle.step()


def test_weight_decay_falls_as_the_paper_says():
    recipe, steps = RECIPES["mobileone_in1k"], 5004
    total = 300 * steps
    for step in (0, 1, 38 * steps, total // 2, total - 1):
        paper = 1e-5 + 0.5 * (1e-4 - 1e-5) * (1 + math.cos(math.pi * step / total))
        assert rates_at(recipe, step, steps).weight_decay == pytest.approx(paper, rel=1e-12)


def test_warm_up_rises_linearly_to_the_cosine():
    recipe = Recipe(name="r", epochs=4, lr=1.0, warmup_epochs=0.5)
    lrs = [rates_at(recipe, step, 10).lr for step in range(40)]
    assert lrs[:5] == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6])
    assert lrs[5] == 1.0
    assert lrs[5:] == sorted(lrs[5:], reverse=True)


def test_sizes_change_where_the_papers_figure_has_its_steps():
    sizes = [stage_at(RECIPES["mobileone_in1k"], epoch).size for epoch in range(300)]
    assert [sizes.count(size) for size in (160, 192, 224)] == [38, 75, 187]
    assert sizes == sorted(sizes)


def test_recipe_survives_its_file(tmp_path):
    for recipe in RECIPES.values():
        write_recipe(recipe, tmp_path / "recipe.yaml")
        assert recipe_of(str(tmp_path / "recipe.yaml")) == recipe
    assert recipe_of("finetune_smoke").epochs == 1


@pytest.mark.parametrize(
    "text", ["- a\n", "name: r\nepochs: 0\n", "name: r\nepoch: 1\n", "!!python/object:os.system {}", "\x00"]
)
def test_file_that_is_no_recipe_is_refused(tmp_path, text):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(BadFile, match=r"r\.yaml is no recipe: "):
        recipe_of(str(tmp_path / "r.yaml"))


def test_unknown_key_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match=r"unknown recipe key 'epoch'\. Did you mean 'epochs'\?"):
        RECIPES["finetune"].changed(epoch=3)
    with pytest.raises(UnknownName, match=r"unknown recipe 'finetun'\. Did you mean 'finetune'\?"):
        recipe_of("finetun")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "^epochs=0; greater than or equal to 1 is required$"),
        ({"lr": "fast"}, "^lr='fast'; a valid number is required$"),
        ({"policy": "magic"}, "^policy='magic'; 'none', 'autoaugment' or 'randaugment' is required$"),
        ({"scales": 3}, "^scales=3; a valid tuple is required$"),
        ({"scales": [0.1, "x"]}, "^scales.1='x'; a valid number is required$"),
        ({"epochs": 1.5}, "^epochs=1.5; a valid integer is required$"),
        ({"zoom": [1, 2, 3]}, r"^zoom=\[1, 2, 3\]; Tuple should have at most 2 items after validation, not 3$"),
        ({"zoom": [1]}, r"^zoom\.1 is required$"),
        ({"stages": [{"until": 1}]}, r"^stages\.0\.size is required$"),
        ({"stages": [{"until": 2, "size": 64}]}, r"^stages\.0\.until=2; less than or equal to 1 is required$"),
        ({"stages": [{"until": 1, "size": 64, "x": 1}]}, r"^stages\.0=\{.*\}; unknown fields: x$"),
    ],
)
def test_value_that_does_not_fit_is_named(changes, message):
    with pytest.raises(BadValue, match=message):
        RECIPES["finetune"].changed(**changes)


def test_stages_that_do_not_end_are_refused():
    with pytest.raises(BadValue, match=r"the stages end at \[0\.5\]; rising shares that end at 1 are required"):
        RECIPES["finetune"].changed(stages=[{"until": 0.5, "size": 64}])

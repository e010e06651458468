"""The averaged copy against timm's, and which weights decay or do not learn."""

import pytest
import torch
from timm.utils import ModelEmaV2

import underone as uo
from underone.errors import BadValue
from underone.training import RECIPES, train
from underone.training.checkpoint import read_state
from underone.training.optimization import Average, freeze, make_optimizer, set_rates
from underone.training.schedules import Rates


def _model():
    torch.manual_seed(0)
    return uo.create_model("mobilenet_v2_035", num_classes=3).train()


def test_average_is_timms(monkeypatch):
    monkeypatch.setattr("underone.training.optimization.ema_decay_at", lambda decay, step: decay)
    model = _model()
    ours, oracle = Average(model, 0.9), ModelEmaV2(model, decay=0.9)
    for step in range(3):
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight))
            model(torch.randn(4, 3, 32, 32))
        ours.update(model, step)
        oracle.update(model)
    for (name, a), b in zip(ours.model.state_dict().items(), oracle.module.state_dict().values(), strict=True):
        if a.is_floating_point():
            torch.testing.assert_close(a, b, rtol=2e-5, atol=1e-6, msg=name)
        else:
            assert a == 3, name  # timm averages the counters too
    assert not ours.model.training


def test_norms_and_biases_decay_only_where_the_recipe_says():
    model = _model()
    for decay_norms in (True, False):
        recipe = RECIPES["finetune"].changed(decay_norms=decay_norms)
        optimizer = make_optimizer(model, recipe)
        set_rates(optimizer, Rates(0.1, 0.02))
        seen = {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
        for name, weight in model.named_parameters():
            expected_decay = 0.02 if decay_norms or weight.ndim > 1 else 0.0
            assert seen[id(weight)] == (0.5 if name.startswith("head.") else 0.1, expected_decay), name
        assert len(seen) == len(list(model.parameters()))


def test_frozen_weights_of_a_classifier_stay_where_they_are(colours, tmp_path, tiny):
    ends = [
        read_state(tmp_path / name)["model"]
        for name, epochs in (("short", 1), ("long", 2))
        if train(
            "finetune", colours, tmp_path / name, workers=0, frozen=("backbone.stem",), **tiny | {"epochs": epochs}
        )
    ]  # fmt: skip
    same = {name for name, _ in _model().named_parameters() if torch.equal(ends[0][name], ends[1][name])}
    assert same == {name for name, _ in _model().named_parameters() if name.startswith("backbone.stem")}
    assert same


def test_names_that_freeze_nothing_or_everything_are_refused():
    with pytest.raises(BadValue, match=r"frozen='stem': no weight's name begins so; they begin with backbone\.stem, "):
        freeze(_model(), ("backbone.stem", "stem"))
    with pytest.raises(BadValue, match=r"frozen=\['backbone', 'head'\] leaves no weight that learns"):
        freeze(_model(), ("backbone", "head"))

"""The penalty on channels that lie apart: by hand, against what reparameterize folds, and what a run makes of it."""

import csv

import numpy as np
import pytest
import torch

import underone as uo
from underone.errors import BadValue
from underone.training import train
from underone.training.range_penalty import channels_apart


def largest_weights(model):
    """Return the largest weight of every channel, by folded convolution with a batch norm before."""
    folded = uo.reparameterize(model, (3, 64, 64))
    weights = {name: w for name, w in folded.state_dict().items() if w.ndim == 4 and ".conv." in name}
    return [w.abs().flatten(1).amax(1).double().numpy() for w in weights.values()]


@pytest.mark.parametrize(
    ("name", "options"),
    [("mobilenet_v2_035", {}), ("mobileone_s0", {"num_branches": 2}), ("mobileone_s0", {"block": "dbb"})],
    ids=str,
)
def test_it_is_the_spread_of_the_logarithms_of_what_is_folded(name, options, randomize_statistics):
    model = randomize_statistics(uo.create_model(name, num_classes=3, **options))
    found = [len(w) * np.log(np.maximum(w, w.max() / 64)).var() for w in largest_weights(model)]
    assert float(channels_apart(model).detach()) == pytest.approx(sum(found), rel=1e-4)


def test_factors_of_the_batch_norms_learn_by_it():
    torch.manual_seed(0)
    model = uo.create_model("mobilenet_v2_035", num_classes=3)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.1, 3.0)
    before = channels_apart(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    for _ in range(5):
        optimizer.zero_grad()
        channels_apart(model).backward()
        optimizer.step()
    assert channels_apart(model) < 0.8 * before
    assert all((p.grad is None) == (p.ndim > 1 or name.endswith("bias")) for name, p in model.named_parameters())


def test_run_with_the_penalty_brings_the_channels_together(colours, tmp_path, tiny):
    apart = {}
    for weight in (1e-9, 0.1):
        train("finetune", colours, tmp_path / str(weight), workers=0, range_penalty=weight, **tiny | {"lr": 0.05})
        with (tmp_path / str(weight) / "results.csv").open() as file:
            apart[weight] = [float(row["train_apart"]) for row in csv.DictReader(file)]
    assert apart[0.1][-1] < 0.9 * apart[1e-9][-1]


def test_folded_network_is_refused():
    folded = uo.reparameterize(uo.create_model("mobilenet_v2_035", num_classes=3))
    with pytest.raises(BadValue, match="range_penalty is for networks whose blocks fold; this one has none: leav"):
        channels_apart(folded)

import torch
from torch import nn

from underone.nn.statistics import randomize_statistics


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8))


def test_statistics_are_those_of_the_images():
    model, images = network().eval(), torch.randn(4, 3, 16, 16)
    randomize_statistics(model, images)
    first = model[0](images)  # (4, 8, 14, 14)
    torch.testing.assert_close(model[1].running_mean, first.mean((0, 2, 3)))
    torch.testing.assert_close(model[1].running_var, first.var((0, 2, 3)))
    assert model[1].weight.std() > 0.1
    assert model[4].bias.std() > 0.1


def test_mode_and_momentum_stay():
    model = network()
    model[1].eval()
    randomize_statistics(model, torch.randn(4, 3, 16, 16))
    assert [m.training for m in model] == [True, False, True, True, True]
    assert model[4].momentum == 0.1


def test_seed_decides():
    models = [network() for _ in range(3)]
    images = torch.randn(4, 3, 16, 16)
    for model, seed in zip(models, (0, 0, 1), strict=True):
        randomize_statistics(model, images, seed)
    assert torch.equal(models[0][1].weight, models[1][1].weight)
    assert not torch.equal(models[0][1].weight, models[2][1].weight)

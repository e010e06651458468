"""Statistics of networks that were never trained."""

import torch
from torch import nn

import underone as uo
from underone.zoo.statistics import settle_statistics


def test_settled_statistics_are_not_trivial():
    torch.manual_seed(0)
    model = uo.create_model("mobilenet_v2_035")
    settle_statistics(model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean.abs().max() > 1e-4
            assert (module.running_var - 1).abs().max() > 1e-4
            assert (module.weight - 1).abs().max() > 0.05
            assert module.bias.abs().max() > 0.01

import torch
import torchvision
from torch import nn

from underone.nn.macs import count_macs


def test_macs_by_hand():
    # 4x6 outputs * 8 channels * (4 / 2 inputs) * 3 * 3; then 8 -> 5 once
    model = nn.Sequential(
        nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )
    assert count_macs(model, torch.zeros(1, 4, 8, 12)) == 4 * 6 * 8 * 2 * 9 + 40


def test_macs_of_resnet50_are_the_published():
    published = torchvision.models.ResNet50_Weights.IMAGENET1K_V1.meta["_ops"]  # GFLOPs that are multiply-adds
    macs = count_macs(torchvision.models.resnet50().eval(), torch.zeros(1, 3, 224, 224))
    assert round(macs / 1e9, 3) == published


def test_counting_leaves_no_hooks():
    model = nn.Conv2d(1, 1, 1)
    count_macs(model, torch.zeros(1, 1, 2, 2))
    assert not model._forward_hooks

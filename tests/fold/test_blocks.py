import copy

import pytest
import torch
from torch import nn

from underone.errors import Unsupported
from underone.fold.blocks import fold_blocks
from underone.nn.folding import fold_conv_bn
from underone.nn.mobileone_block import MobileOneBlock


class Pair(nn.Module):
    """A foreign block with a convolution and a batch norm."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(3)

    def forward(self, x):
        return self.bn(self.conv(x))


class Fuses(Pair):
    """As timm's LeViT: returns the new module."""

    def fuse(self):
        return fold_conv_bn(self.conv, self.bn)


class FusesInPlace(Pair):
    """As ultralytics: changes itself and returns itself."""

    def fuse(self):
        self.conv, self.bn = fold_conv_bn(self.conv, self.bn), nn.Identity()
        return self


class Switches(Pair):
    """As RepVGG: changes itself, returns nothing, freezes what is left, and may be called again."""

    def switch_to_deploy(self):
        if isinstance(self.bn, nn.Identity):
            return
        assert self.conv.weight.dtype == torch.float64
        self.conv, self.bn = fold_conv_bn(self.conv, self.bn).requires_grad_(False), nn.Identity()


class Reparameterizes(Switches):
    """As Apple and timm."""

    def reparameterize(self):
        self.switch_to_deploy()


class Builds(Pair):
    """As timm's LeViT: builds a layer and copies into it."""

    def fuse(self):
        exact = fold_conv_bn(self.conv, self.bn)
        conv = nn.Conv2d(3, 3, 3, padding=1)
        with torch.no_grad():
            conv.weight.copy_(exact.weight)
            conv.bias.copy_(exact.bias)
        return conv


class Fails(Pair):
    def fuse(self):
        raise RuntimeError("no such branch")


def folded_and_compared(model, randomize_statistics):
    model = randomize_statistics(model, size=16).eval()
    tree = fold_blocks(copy.deepcopy(model))
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(tree.model(x), model(x), rtol=1e-4, atol=1e-5)
    return tree


@pytest.mark.parametrize("kind", [Fuses, FusesInPlace, Switches, Reparameterizes])
def test_foreign_methods_are_called_in_float64(kind, randomize_statistics):
    tree = folded_and_compared(nn.Sequential(kind(), nn.ReLU(), kind()), randomize_statistics)
    assert tree.names == ["0", "2"]
    assert not [m for m in tree.model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {p.dtype for p in tree.model.parameters()} == {torch.float32}
    assert all(p.requires_grad for p in tree.model.parameters())


@pytest.mark.parametrize("kind", [Switches, Reparameterizes, FusesInPlace])
def test_folded_foreign_blocks_are_not_counted_again(kind, randomize_statistics):
    once = folded_and_compared(nn.Sequential(kind()), randomize_statistics)
    if kind is not FusesInPlace:
        assert fold_blocks(once.model).names == []


def test_a_frozen_foreign_block_stays_frozen(randomize_statistics):
    tree = folded_and_compared(nn.Sequential(Switches().requires_grad_(False)), randomize_statistics)
    assert not any(p.requires_grad for p in tree.model.parameters())


def test_a_failing_foreign_method_is_an_error():
    with pytest.raises(Unsupported, match=r"1: Fails.fuse\(\) failed: no such branch; fold it yourself"):
        fold_blocks(nn.Sequential(nn.ReLU(), Fails()))
    assert torch.get_default_dtype() == torch.float32


def test_foreign_layers_are_built_in_float64(randomize_statistics):
    model = randomize_statistics(nn.Sequential(Builds()), size=16).eval().double()
    folded, _ = fold_blocks(copy.deepcopy(model))
    x = torch.randn(1, 3, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(folded(x), model(x), rtol=1e-12, atol=1e-12)
    assert torch.get_default_dtype() == torch.float32


def test_blocks_are_found_at_any_depth(randomize_statistics):
    inner = nn.Sequential(MobileOneBlock(3, 3, 3), nn.ModuleDict({"a": nn.ReLU()})["a"], Fuses())
    tree = folded_and_compared(nn.Sequential(nn.Sequential(nn.Identity(), inner), nn.ReLU()), randomize_statistics)
    assert tree.names == ["0.1.0", "0.1.2"]


def test_a_pair_in_a_sequence_is_folded_and_names_stay(randomize_statistics):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 1))
    tree = folded_and_compared(model, randomize_statistics)
    assert tree.names == [""]
    assert set(tree.model.state_dict()) == {"0.weight", "0.bias", "3.weight", "3.bias"}


class Skips(nn.Sequential):
    def forward(self, x):
        return self[1](self[0](self[0](x)))


class Activated(nn.BatchNorm2d):
    def forward(self, x):
        return super().forward(x).relu()


class Standardized(nn.Conv2d):
    def forward(self, x):
        return self._conv_forward(x, self.weight - self.weight.mean(), self.bias)


CONV = nn.Conv2d(3, 3, 3, padding=1)


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU(), nn.BatchNorm2d(3)),
        nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3, track_running_stats=False)),
        nn.Sequential(nn.Conv2d(3, 3, 3), Activated(3)),
        nn.Sequential(Standardized(3, 3, 3), nn.BatchNorm2d(3)),
        Skips(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)),
        nn.Sequential(CONV, nn.BatchNorm2d(3), CONV),
    ],
    ids=["activation between", "no statistics", "norm subclass", "conv subclass", "own forward", "used twice"],
)
def test_what_only_looks_like_a_pair_is_left_alone(model):
    assert fold_blocks(copy.deepcopy(model)).names == []


def test_a_block_that_stands_twice_stays_one(randomize_statistics):
    block = MobileOneBlock(3, 3, 3)
    tree = folded_and_compared(nn.Sequential(block, nn.ReLU(), block), randomize_statistics)
    assert tree.model[0] is tree.model[2]
    assert tree.names == ["0"]

import copy

import torch
from torch import nn

from underone.fold.blocks import fold_blocks
from underone.fold.parity import LIMITS, Parity, named_outputs
from underone.nn.mobileone_block import MobileOneBlock


def forms(randomize_statistics):
    model = nn.Sequential(MobileOneBlock(3, 8, 3), nn.Sequential(MobileOneBlock(8, 8, 1)), nn.Conv2d(8, 4, 1))
    before = randomize_statistics(model, size=16).eval()
    return before, *fold_blocks(copy.deepcopy(before))


@torch.no_grad()
def compared(before, after, names):
    parity = Parity(before, after, names)
    parity.compare_on("noise", torch.randn(1, 3, 16, 16))
    return parity


def test_blocks_come_in_the_order_of_execution_and_the_network_last(randomize_statistics):
    rows = compared(*forms(randomize_statistics)).rows
    assert [row.on for row in rows] == ["0 on noise", "1.0 on noise", "noise"]
    assert all(row.passed and row.limits == LIMITS for row in rows)


def test_a_fault_between_the_blocks_shows_in_the_network(randomize_statistics):
    before, after, names = forms(randomize_statistics)
    nn.init.zeros_(after[2].bias)
    assert [row.passed for row in compared(before, after, names).rows] == [True, True, False]


def test_a_fault_in_one_block_shows_only_there_and_in_the_network(randomize_statistics):
    before, after, names = forms(randomize_statistics)
    with torch.no_grad():
        after[0].conv.bias[3] += 1e-3
    assert [row.passed for row in compared(before, after, names).rows] == [False, True, False]


def test_a_block_that_does_not_run_is_noted(randomize_statistics):
    before, after, _ = forms(randomize_statistics)
    before[1], after[1] = nn.Identity(), nn.Identity()
    before.unused, after.unused = MobileOneBlock(3, 3, 3), MobileOneBlock(3, 3, 3).folded()
    before.forward = lambda x: before[2](before[0](x))
    after.forward = lambda x: after[2](after[0](x))
    assert compared(before, after, ["0", "unused"]).notes == ["unused was folded but did not run on 'noise'"]


def test_no_hook_stays(randomize_statistics):
    before, after, names = forms(randomize_statistics)
    compared(before, after, names)
    assert not [m for m in before.modules() if m._forward_hooks]


def test_outputs_of_any_kind_have_names():
    one, two = torch.zeros(1), torch.ones(1)
    assert list(named_outputs(one)) == ["output"]
    assert list(named_outputs({"a": one, "b": two})) == ["a", "b"]
    assert list(named_outputs((one, two))) == ["0", "1"]
    assert list(named_outputs((one, [two, two]))) == ["0", "1.0", "1.1"]
    assert list(named_outputs({"a": one, "loss": None, "b": 3})) == ["a"]

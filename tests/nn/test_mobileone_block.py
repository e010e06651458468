import itertools

import pytest
import torch
from torch import nn

from underone.compare import difference
from underone.errors import BadValue
from underone.nn.folded_block import FoldedBlock
from underone.nn.mobileone_block import MobileOneBlock, folded_mobileone_block

SHAPES = {
    "depthwise": {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "groups": 8},
    "depthwise stride": {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "groups": 8, "stride": 2},
    "depthwise dilated": {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "groups": 8, "dilation": 2},
    "depthwise dilated stride": {
        "in_channels": 8, "out_channels": 8, "kernel_size": 3, "groups": 8, "dilation": 2, "stride": 2,
    },
    "pointwise": {"in_channels": 8, "out_channels": 8, "kernel_size": 1},
    "pointwise wider": {"in_channels": 8, "out_channels": 24, "kernel_size": 1},
    "dense": {"in_channels": 3, "out_channels": 8, "kernel_size": 3, "stride": 2},
    "dense 5x5": {"in_channels": 8, "out_channels": 8, "kernel_size": 5},
    "grouped": {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "groups": 2},
    "weighted": {"in_channels": 32, "out_channels": 32, "kernel_size": 3, "groups": 32, "use_se": True},
    "smooth": {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "activation": nn.GELU},
}  # fmt: skip


def block_with_statistics(shape, k, seed=0):
    torch.manual_seed(seed)
    block = MobileOneBlock(**shape, num_branches=k)
    with torch.no_grad():
        for bn in (m for m in block.modules() if isinstance(m, nn.BatchNorm2d)):
            bn.running_mean.normal_()
            bn.running_var.uniform_(0.3, 3)
            bn.weight.normal_(1, 0.5)
            bn.bias.normal_()
    return block.eval()


@pytest.mark.parametrize(("name", "k"), list(itertools.product(SHAPES, [1, 2, 3, 4, 5])))
def test_folded_block_gives_same_output(name, k):
    block = block_with_statistics(SHAPES[name], k)
    x = torch.randn(2, SHAPES[name]["in_channels"], 13, 14)
    nmse, peak = difference(block.folded()(x).detach(), block(x).detach())
    assert nmse <= 1e-12
    assert peak <= 1e-5


@pytest.mark.parametrize("name", SHAPES)
def test_folded_block_is_the_plain_block(name):
    folded = block_with_statistics(SHAPES[name], 2).folded()
    plain = folded_mobileone_block(**SHAPES[name], num_branches=2)
    assert isinstance(folded, FoldedBlock)
    assert repr(folded) == repr(plain)
    assert {k: v.shape for k, v in folded.state_dict().items()} == {k: v.shape for k, v in plain.state_dict().items()}


def test_branches_follow_the_rule():
    def parts(name, k=1):
        block = MobileOneBlock(**SHAPES[name], num_branches=k)
        return len(block.branches), block.scale is not None, block.skip is not None

    assert parts("depthwise", 4) == (4, True, True)
    assert parts("depthwise stride") == (1, True, False)
    assert parts("pointwise") == (1, False, True)
    assert parts("pointwise wider") == (1, False, False)
    assert parts("dense") == (1, True, False)


def test_folding_leaves_the_block_alone():
    block = block_with_statistics(SHAPES["weighted"], 3)
    before = {k: v.clone() for k, v in block.state_dict().items()}
    folded = block.folded()
    assert all(torch.equal(before[k], v) for k, v in block.state_dict().items())
    with torch.no_grad():
        for parameter in folded.parameters():
            parameter.fill_(7)  # shares no memory
    assert all(torch.equal(before[k], v) for k, v in block.state_dict().items())


def test_folded_block_is_trainable():
    folded = block_with_statistics(SHAPES["weighted"], 3).folded()
    assert all(p.requires_grad for p in folded.parameters())
    assert not [t for t in vars(folded).values() if isinstance(t, torch.Tensor)]


def test_folding_draws_no_random_numbers():
    block = block_with_statistics(SHAPES["weighted"], 3)
    state = torch.get_rng_state()
    block.folded()
    assert torch.equal(torch.get_rng_state(), state)


def test_no_branch_is_an_error():
    with pytest.raises(BadValue, match="num_branches=0; 1 or more is required"):
        MobileOneBlock(8, 8, 3, num_branches=0)

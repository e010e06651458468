import pytest
import torch
import torch.nn.functional as F
from torch import nn

from underone.compare import difference
from underone.nn.families import FAMILIES
from underone.nn.folded_block import FoldedBlock
from underone.trace import trace

PLACES = {
    "stem": {"in_channels": 3, "out_channels": 8, "kernel_size": 3, "stride": 2},
    "dense": {"in_channels": 8, "out_channels": 8, "kernel_size": 3},
    "dense dilated": {"in_channels": 4, "out_channels": 8, "kernel_size": 3, "dilation": 2},
    "grouped 5x5": {"in_channels": 8, "out_channels": 12, "kernel_size": 5, "groups": 4, "stride": 2, "dilation": 2},
    "depthwise": {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "groups": 8},
    "depthwise stride": {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "groups": 8, "stride": 2},
    "depthwise dilated": {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "groups": 8, "dilation": 2},
    "pointwise": {"in_channels": 8, "out_channels": 8, "kernel_size": 1},
    "pointwise wider": {"in_channels": 8, "out_channels": 24, "kernel_size": 1},
    "weighted": {"in_channels": 32, "out_channels": 32, "kernel_size": 3, "groups": 32, "use_se": True},
}


def block_of(family, place, seed=0):
    """Statistics, weights and biases of the batch norms lie far from those of fresh ones."""
    torch.manual_seed(seed)
    block = FAMILIES[family](**PLACES[place], activation=nn.GELU).double()
    with torch.no_grad():
        for bn in (module for module in block.modules() if isinstance(module, nn.BatchNorm2d)):
            bn.running_mean.normal_()
            bn.running_var.uniform_(0.3, 3)
            bn.weight.normal_(1, 0.5)
            bn.bias.normal_()
    return block.eval()


def picture(place, height=13, width=14):
    return torch.randn(2, PLACES[place]["in_channels"], height, width, dtype=torch.float64)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("family", FAMILIES)
def test_folded_block_gives_the_same_numbers_up_to_the_border(family, place):
    block, x = block_of(family, place), picture(place)
    folded = block.folded()
    assert isinstance(folded, FoldedBlock)
    nmse, peak = difference(folded(x).detach(), block(x).detach())
    assert nmse <= 1e-28
    assert peak <= 1e-13


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_branch_learns(family, place):
    block = block_of(family, place).train()
    (block(picture(place)) ** 2).sum().backward()
    parts = [(name, p) for name, p in block.named_parameters() if not name.startswith("se.")]
    still = [name for name, p in parts if p.grad is None or not p.grad.abs().sum() > 0]
    assert not still


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("family", FAMILIES)
def test_folding_keeps_dtype_mode_and_what_is_trained_and_changes_nothing(family, place):
    block = block_of(family, place).float().train().requires_grad_(False)
    before = {name: value.clone() for name, value in block.state_dict().items()}
    folded = block.folded()
    assert folded.training
    assert folded.conv.weight.dtype == torch.float32
    assert not folded.conv.weight.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in block.state_dict().items())


# Weights of the convolutions and 2 numbers a channel of every batch norm, counted by hand from the papers' figures
SIZES = {
    ("plain", "stem"): 8 * 3 * 9 + 16,
    ("plain", "depthwise"): 8 * 9 + 16,
    ("plain", "pointwise wider"): 24 * 8 + 48,
    ("repvgg", "stem"): 8 * 3 * 9 + 8 * 3 + 2 * 16,  # no identity
    ("repvgg", "depthwise"): 8 * 9 + 8 + 3 * 16,
    ("repvgg", "pointwise"): 8 * 8 + 2 * 16,
    ("acnet", "stem"): 8 * 3 * (9 + 3 + 3) + 3 * 16,
    ("acnet", "depthwise"): 8 * (9 + 3 + 3) + 3 * 16,
    ("acnet", "pointwise"): 8 * 8 + 16,
    # window; 1x1; 1x1 and average; 1x1 to as many channels and window
    ("dbb", "dense"): (8 * 8 * 9 + 16) + (8 * 8 + 16) + (8 * 8 + 16 + 16) + (8 * 8 + 16 + 8 * 8 * 9 + 16),
    # window; average; 1x1 to twice the channels and window
    ("dbb", "depthwise"): (8 * 9 + 16) + 16 + (16 + 32 + 16 * 9 + 16),
    ("dbb", "pointwise"): 8 * 8 + 16,
    # 1x1 to four times the channels, window, 1x1 back
    ("expandnet", "stem"): 12 * 3 + 32 * 12 * 9 + 8 * 32 + 16,
    ("expandnet", "depthwise"): 8 * (4 + 4 * 4 * 9 + 4) + 16,
    ("expandnet", "pointwise"): 8 * 8 + 16,
}


@pytest.mark.parametrize(("family", "place"), SIZES)
def test_training_form_has_the_size_of_its_source(family, place):
    assert sum(p.numel() for p in FAMILIES[family](**PLACES[place]).parameters()) == SIZES[family, place]


@pytest.mark.parametrize("place", ["stem", "dense", "depthwise", "depthwise stride"])
def test_repvgg_block_is_timms(place):
    byobnet = pytest.importorskip("timm.models.byobnet")
    shape = PLACES[place]
    theirs = byobnet.RepVggBlock(
        shape["in_channels"], shape["out_channels"], stride=shape.get("stride", 1), group_size=int("groups" in shape)
    ).double()
    ours = FAMILIES["repvgg"](**shape).double()
    names = {"conv_kxk": "branches.0", "conv_1x1": "scale", "identity": "skip"}
    torch.manual_seed(1)
    state = {name: torch.rand_like(value, dtype=torch.float64) for name, value in theirs.state_dict().items()}
    theirs.load_state_dict(state)
    ours.load_state_dict({names[name.split(".")[0]] + name[name.index(".") :]: value for name, value in state.items()})
    x = picture(place)
    for train in (False, True):
        assert torch.allclose(ours.train(train)(x), theirs.train(train)(x), rtol=1e-12, atol=1e-12)


def test_border_of_a_diverse_branch_is_what_the_batch_norm_gives_for_zeros():
    """In training too, by the running statistics: as the source fills its border."""
    block = block_of("dbb", "dense").train()
    branch, x = block.branches[3], picture("dense")
    seen = []
    branch.window.conv.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    norm = branch.point.bn
    border = norm.bias - norm.running_mean * norm.weight / torch.sqrt(norm.running_var + norm.eps)
    point = F.batch_norm(branch.point.conv(x), None, None, norm.weight, norm.bias, training=True)
    norm.momentum = 0.0  # keep the statistics that the border was calculated from
    branch(x)
    assert torch.allclose(seen[0][:, :, 1:-1, 1:-1], point)
    edge = torch.cat([seen[0][:, :, 0], seen[0][:, :, -1], seen[0][..., 0], seen[0][..., -1]], 2)
    assert torch.allclose(edge, border.view(1, -1, 1).expand_as(edge))


def test_average_branch_is_the_average_pool():
    block = block_of("dbb", "depthwise stride")
    branch, x = block.branches[1], picture("depthwise stride")
    assert torch.allclose(branch(x), branch.bn(F.avg_pool2d(x, 3, 2, 1)))
    branch, x = block_of("dbb", "stem").branches[2], picture("stem")
    point = branch.point(x)
    border = branch._border()
    assert torch.allclose(branch(x), branch.window.bn(F.avg_pool2d(F.pad(point - border, [1] * 4) + border, 3, 2)))


@pytest.mark.parametrize("place", ["stem", "dense dilated", "depthwise stride"])
def test_product_of_an_expanded_convolution_is_the_three_in_turn(place):
    branch, x = block_of("expandnet", place).branches[0], picture(place)
    shape = PLACES[place]
    groups, stride, dilation = (shape.get(key, 1) for key in ("groups", "stride", "dilation"))
    y = F.conv2d(x, branch.conv.weight, padding=dilation, groups=groups)
    y = F.conv2d(y, branch.window.weight, stride=stride, dilation=dilation, groups=groups)
    y = F.conv2d(y, branch.reduce.weight, groups=groups)
    assert torch.allclose(branch(x), branch.bn(y), rtol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
def test_training_form_is_followed_by_the_tracer(family):
    """Operations on the batch's own size or under `no_grad` would stop it."""
    block = nn.Sequential(block_of(family, "stem"), nn.AdaptiveAvgPool2d(1), nn.Flatten()).float()
    assert trace(block, input_shape=(None, 3, 16, 16)).nodes

"""The plain block, which is torch's own convolutions, batch norms and autograd, is the oracle."""

import copy
import math

import pytest
import torch
from torch import nn

from underone.models.build import build_model
from underone.nn.mobileone_block import MobileOneBlock
from underone.nn.training_form import use_training_forms

# (in, out, kernel, stride, groups, dilation), then height and width, odd and even
SHAPES = {
    "stem": ((3, 8, 3, 2, 1, 1), (13, 16)),
    "dense with skip": ((6, 6, 3, 1, 1, 1), (9, 7)),
    "dense dilated": ((6, 6, 3, 1, 1, 2), (9, 8)),
    "pointwise": ((12, 12, 1, 1, 1, 1), (7, 5)),
    "pointwise wider": ((12, 20, 1, 1, 1, 1), (5, 8)),
    "pointwise stride": ((12, 20, 1, 2, 1, 1), (5, 8)),
    "depthwise": ((10, 10, 3, 1, 10, 1), (7, 6)),
    "depthwise stride": ((10, 10, 3, 2, 10, 1), (7, 6)),
    "depthwise stride even": ((10, 10, 3, 2, 10, 1), (8, 9)),
    "depthwise dilated": ((10, 10, 3, 1, 10, 2), (7, 6)),
    "depthwise 5x5": ((10, 10, 5, 1, 10, 1), (7, 6)),
    "one pixel": ((10, 10, 3, 1, 10, 1), (1, 1)),
}


def pair(shape, k, dtype, seed=0):
    """Return a plain block and its copy that folds by batch."""
    torch.manual_seed(seed)
    inputs, outputs, size, stride, groups, dilation = shape
    plain = MobileOneBlock(
        inputs, outputs, size, stride=stride, groups=groups, dilation=dilation, num_branches=k, activation=nn.GELU
    ).to(dtype)
    with torch.no_grad():
        for norm in (m for m in plain.modules() if isinstance(m, nn.BatchNorm2d)):
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_()
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
    folding = copy.deepcopy(plain)
    assert use_training_forms(folding, "moments") == {"": "moments"}
    return plain, folding


def step(block, x, grad):
    """Return output, gradients and buffers of one forward and backward pass."""
    x = x.clone().requires_grad_()
    y = block(x)
    y.backward(grad(y))
    found = {"output": y.detach(), "x": x.grad}
    found |= {f"grad {name}": value.grad for name, value in block.named_parameters()}
    return found | {name: value.double() for name, value in block.named_buffers()}


def fixed_gradient(y):
    return torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(y.dtype)


def errors(got, want):
    """Return the largest error of each, relative to the largest value; gradients relative to those of their kind."""
    kinds = {name: "gradients" if name.startswith("grad") and "conv.weight" in name else name for name in want}
    largest = {kind: max(want[n].abs().max().item() for n in want if kinds[n] == kind) for kind in kinds.values()}
    return {n: (got[n] - want[n]).abs().max().item() / (largest[kinds[n]] or 1.0) for n in want}


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("name", SHAPES)
def test_folding_by_batch_gives_output_gradients_and_statistics_of_the_branches(name, k):
    shape, size = SHAPES[name]
    plain, folding = pair(shape, k, torch.float64)
    x = torch.randn(3, shape[0], *size, dtype=torch.float64) + 1
    found = errors(step(folding, x, fixed_gradient), step(plain, x, fixed_gradient))
    assert max(found.values()) <= 1e-12, found
    assert folding.state_dict().keys() == plain.state_dict().keys()


@pytest.mark.parametrize("name", ["dense with skip", "pointwise", "depthwise"])
def test_every_parameter_has_a_gradient_of_its_own(name):
    shape, size = SHAPES[name]
    _, folding = pair(shape, 4, torch.float32)
    folding(torch.randn(2, shape[0], *size)).square().sum().backward()
    grads = [p.grad for p in folding.parameters()]
    want = [grad.clone() for grad in grads]
    for grad in grads:
        grad.mul_(2)  # as clipping does
    for grad, before in zip(grads, want, strict=True):
        torch.testing.assert_close(grad, 2 * before, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["stem", "pointwise", "depthwise", "depthwise stride"])
def test_float32_is_as_near_to_float64_as_the_branches_are(name):
    shape, size = SHAPES[name]
    x = torch.randn(8, shape[0], *size, dtype=torch.float64) + 1
    truth = step(pair(shape, 4, torch.float64)[0], x, fixed_gradient)
    plain, folding = (errors(step(b, x.float(), fixed_gradient), truth) for b in pair(shape, 4, torch.float32))
    assert max(folding.values()) <= max(4 * max(plain.values()), 2e-6), (plain, folding)


@pytest.mark.parametrize("name", ["stem", "pointwise", "depthwise"])
def test_mean_far_from_zero_costs_no_accuracy(name):
    shape, size = SHAPES[name]
    x = torch.randn(8, shape[0], *size, dtype=torch.float64) + 300
    truth = step(pair(shape, 4, torch.float64)[0], x, fixed_gradient)
    plain, folding = (errors(step(b, x.float(), fixed_gradient), truth) for b in pair(shape, 4, torch.float32))
    for kind in ("output", "x", "grad branches.0.bn.weight"):
        assert folding[kind] <= max(4 * plain[kind], 2e-6), (kind, plain[kind], folding[kind])


def test_cumulative_and_untracked_statistics_are_those_of_batch_norm():
    plain, folding = pair(SHAPES["pointwise"][0], 2, torch.float64)
    for block in (plain, folding):
        block.skip.momentum = None
        block.branches[0].bn = nn.BatchNorm2d(12, track_running_stats=False, dtype=torch.float64)
        block.branches[1].bn.momentum = 0.3
    for seed in range(3):
        x = torch.randn(2, 12, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        plain(x), folding(x)
    for (name, want), got in zip(plain.named_buffers(), folding.buffers(), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-13, atol=0, msg=name)


def test_frozen_batch_norm_and_eval_mode_take_the_running_statistics():
    for freeze in (lambda block: block.eval(), lambda block: block.skip.eval()):
        plain, folding = pair(SHAPES["depthwise"][0], 2, torch.float64)
        freeze(plain), freeze(folding)
        x = torch.randn(2, 10, 5, 4, dtype=torch.float64)
        assert torch.equal(plain(x), folding(x))


def test_one_value_per_channel_is_the_error_of_batch_norm():
    _, folding = pair(SHAPES["pointwise"][0], 1, torch.float32)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        folding(torch.randn(1, 12, 1, 1))


@pytest.mark.parametrize("name", ["stem", "pointwise", "depthwise"])
def test_second_derivative_is_refused(name):
    shape, size = SHAPES[name]
    _, folding = pair(shape, 1, torch.float64)
    x = torch.randn(2, shape[0], *size, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(folding(x).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["stem", "pointwise", "depthwise"])
def test_autocast_keeps_the_statistics_in_float32(name, dtype):
    shape, size = SHAPES[name]
    plain, folding = pair(shape, 4, torch.float32)
    x = torch.randn(4, shape[0], *size).to(dtype).float()
    truth = step(copy.deepcopy(plain), x, fixed_gradient)
    with torch.autocast("cpu", dtype):
        found = step(folding, x.to(dtype), fixed_gradient)
        half = step(plain, x.to(dtype), fixed_gradient)
    assert found["output"].dtype == dtype
    for kind, got in errors(found, truth).items():
        limit = 1e-5 if "running" in kind else 4 * errors(half, truth)[kind] + 1e-2
        assert got <= limit, (kind, got, limit)


def test_only_the_input_is_kept_for_the_backward_pass():
    plain, folding = (block.to(torch.float32) for block in pair((32, 32, 1, 1, 1, 1), 4, torch.float32))
    x = torch.randn(4, 32, 24, 24).to(memory_format=torch.channels_last).requires_grad_()
    sizes = []
    for block in (plain, folding):
        block.act = nn.ReLU()
        kept = {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, kept=kept: kept.setdefault(t.untyped_storage().data_ptr(), t), lambda t: t
        ):
            y = block(x)
        sizes.append(sum(t.untyped_storage().nbytes() for t in kept.values()) / (x.numel() * 4))
        del y
    assert sizes[0] > 5  # four outputs, the input, the activation
    assert sizes[1] < 2.5  # the input, the activation, small matrices


def test_whole_network_learns_the_same():
    torch.manual_seed(0)
    plain = build_model("mobileone_s0", num_classes=10).double()
    folding = copy.deepcopy(plain)
    use_training_forms(folding, "moments")
    images, targets = torch.randn(4, 3, 64, 64, dtype=torch.float64), torch.arange(4)
    losses = []
    for model in (plain, folding):
        loss = nn.functional.cross_entropy(model(images), targets)
        loss.backward()
        losses.append(loss.item())
    assert math.isclose(*losses, rel_tol=1e-10)
    grads = [torch.cat([p.grad.flatten() for p in model.parameters()]) for model in (plain, folding)]
    assert (grads[1] - grads[0]).norm() <= 1e-10 * grads[0].norm()

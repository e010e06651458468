"""Two processes with one half of the batch each, against one process with all of it and torch's own batch norm."""

import copy
import itertools
import socket

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from underone.errors import BadValue
from underone.nn.mobileone_block import MobileOneBlock
from underone.nn.synchronise import SynchronisedNorm, synchronise_norms
from underone.nn.training_form import use_training_forms

BLOCKS = {
    "stem": {"in_channels": 3, "out_channels": 8, "kernel_size": 3, "stride": 2},
    "pointwise": {"in_channels": 8, "out_channels": 8, "kernel_size": 1},
    "depthwise": {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "groups": 8},
}
FORMS = ("plain", "moments")
SPLIT = 1  # pictures of the first process, of 4: the processes count unlike


def block_and_batch(name):
    torch.manual_seed(0)
    block = MobileOneBlock(**BLOCKS[name], num_branches=2, activation=nn.Tanh).double()
    return block, torch.randn(4, BLOCKS[name]["in_channels"], 6, 7, dtype=torch.float64) + 1


def gradients_and_buffers(block, x):
    block(x).square().sum().backward()
    grads = {name: p.grad for name, p in block.named_parameters()}
    return grads, {name: b.clone() for name, b in block.named_buffers()}


def work(rank, port, results):
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    for name, forms in itertools.product(BLOCKS, FORMS):
        block, x = block_and_batch(name)
        synchronise_norms(block, torch.device("cpu"))
        use_training_forms(block, forms)
        grads, buffers = gradients_and_buffers(block, x[:SPLIT] if rank == 0 else x[SPLIT:])
        for grad in grads.values():
            dist.all_reduce(grad)
        results[rank, name, forms] = copy.deepcopy((grads, buffers))
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def of_two_processes():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with mp.get_context("spawn").Manager() as manager:
        results = manager.dict()
        mp.spawn(work, (port, results), nprocs=2)
        return dict(results)


@pytest.mark.parametrize("forms", FORMS)
@pytest.mark.parametrize("name", BLOCKS)
def test_two_processes_with_synchronised_norms_are_one_with_the_whole_batch(name, forms, of_two_processes):
    want_grads, want_buffers = gradients_and_buffers(*block_and_batch(name))
    for rank in (0, 1):
        grads, buffers = of_two_processes[rank, name, forms]
        for key, want in want_grads.items():
            scale = max(value.abs().max() for value in want_grads.values())
            assert (grads[key] - want).abs().max() <= 1e-12 * scale, (rank, key)
        for key, want in want_buffers.items():
            torch.testing.assert_close(buffers[key], want, rtol=1e-12, atol=1e-14, msg=f"{rank} {key}")


@pytest.mark.parametrize("forms", FORMS)
def test_one_process_needs_no_group(forms):
    block, x = block_and_batch("pointwise")
    want = gradients_and_buffers(copy.deepcopy(block), x)
    synchronise_norms(block, torch.device("cpu"))
    use_training_forms(block, forms)
    got = gradients_and_buffers(block, x)
    for mine, other in zip(got, want, strict=True):
        for key in other:
            torch.testing.assert_close(mine[key], other[key], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_alone_the_norm_is_torchs_own(dtype):
    torch.manual_seed(0)
    want = nn.BatchNorm2d(5)
    nn.init.uniform_(want.weight, 0.5, 2)
    nn.init.normal_(want.bias)
    got = nn.Sequential(copy.deepcopy(want))
    synchronise_norms(got, torch.device("cpu"))
    assert type(got[0]) is SynchronisedNorm
    x = (torch.randn(4, 5, 6, 7) * 3 + 10).to(dtype)
    limit = 1e-5 if dtype == torch.float32 else 2e-2
    torch.testing.assert_close(got(x), want(x), rtol=limit, atol=limit)
    for key, value in want.state_dict().items():
        torch.testing.assert_close(got[0].state_dict()[key], value, rtol=limit, atol=limit)
    torch.testing.assert_close(got.eval()(x), want.eval()(x), rtol=limit, atol=limit)


def test_one_value_for_a_channel_has_no_statistics():
    norm = nn.Sequential(nn.BatchNorm2d(4))
    synchronise_norms(norm, torch.device("cpu"))
    with pytest.raises(BadValue, match=r"got one value for each channel, \(1, 4, 1, 1\); 2 or more are required"):
        norm.train()(torch.randn(1, 4, 1, 1))

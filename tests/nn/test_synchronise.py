"""Two processes with one half of the batch each, against one process with all of it and torch's own batch norm."""

import copy
import socket

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from underone.nn.mobileone_block import MobileOneBlock
from underone.nn.training_form import use_training_forms

BLOCKS = {
    "stem": {"in_channels": 3, "out_channels": 8, "kernel_size": 3, "stride": 2},
    "pointwise": {"in_channels": 8, "out_channels": 8, "kernel_size": 1},
    "depthwise": {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "groups": 8},
}
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
    for name in BLOCKS:
        block, x = block_and_batch(name)
        block = nn.SyncBatchNorm.convert_sync_batchnorm(block)
        use_training_forms(block, "moments")
        grads, buffers = gradients_and_buffers(block, x[:SPLIT] if rank == 0 else x[SPLIT:])
        for grad in grads.values():
            dist.all_reduce(grad)
        results[rank, name] = copy.deepcopy((grads, buffers))
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


@pytest.mark.parametrize("name", BLOCKS)
def test_two_processes_with_synchronised_norms_are_one_with_the_whole_batch(name, of_two_processes):
    want_grads, want_buffers = gradients_and_buffers(*block_and_batch(name))
    for rank in (0, 1):
        grads, buffers = of_two_processes[rank, name]
        for key, want in want_grads.items():
            scale = max(value.abs().max() for value in want_grads.values())
            assert (grads[key] - want).abs().max() <= 1e-12 * scale, (rank, key)
        for key, want in want_buffers.items():
            torch.testing.assert_close(buffers[key], want, rtol=1e-12, atol=1e-14, msg=f"{rank} {key}")


def test_one_process_needs_no_group():
    block, x = block_and_batch("pointwise")
    want = gradients_and_buffers(copy.deepcopy(block), x)
    block = nn.SyncBatchNorm.convert_sync_batchnorm(block)
    use_training_forms(block, "moments")
    got = gradients_and_buffers(block, x)
    for mine, other in zip(got, want, strict=True):
        for key in other:
            torch.testing.assert_close(mine[key], other[key], rtol=1e-11, atol=1e-13)

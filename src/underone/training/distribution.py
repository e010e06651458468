"""Many processes that train one network: who we are, as `torchrun` or another launcher says."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch._C._distributed_c10d import PrefixStore, Store, TCPStore  # torch.distributed's own, untyped there

from ..errors import BadValue

T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """The processes of a run.

    Attributes:
        rank: of this one, from 0.
        world: number of processes.
        local_rank: of this one on its machine.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def total(self, *values: float) -> list[float]:
        """Add up numbers over all processes."""
        if self.world == 1:
            return list(values)
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        tensor = torch.tensor(values, dtype=torch.float64, device=device)
        dist.all_reduce(tensor)
        return [float(value) for value in tensor]

    def share(self, value: T) -> T:
        """Return the leading process's value in every process."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box)
        return box[0]

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.world > 1:
            dist.barrier()

    def spread(self, model: nn.Module, device: torch.device) -> nn.Module:
        """Return the module whose gradients are averaged over all processes."""
        if self.world == 1:
            return model
        return nn.parallel.DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)


@contextmanager
def joined_group(device: str) -> Iterator[Group]:
    """Join the group that the launcher's variables RANK, WORLD_SIZE and LOCAL_RANK describe; leave it at the end.

    Raises:
        BadValue: only a part of the variables is set, or one is no number.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    given = {name: os.environ[name] for name in names if name in os.environ}
    if not all(value.isdecimal() for value in given.values()):
        raise BadValue(f"the launcher's variables {given} are not whole numbers; start with torchrun")
    if int(given.get("WORLD_SIZE", 1)) == 1:
        yield Group()
        return
    missing = [name for name in names if name not in given]
    if missing:
        raise BadValue(f"{', '.join(given)} are set, {', '.join(missing)} not; start with torchrun")
    rank, world, local = (int(given[name]) for name in names)
    joined = dist.is_initialized()  # by the launcher, which then leaves the group too
    if not joined:
        backend = "nccl" if kind_of_device(device) == "cuda" else "gloo"
        dist.init_process_group(backend, store=_store(world), rank=rank, world_size=world)
    try:
        yield Group(rank, world, local)
    finally:
        if not joined:
            dist.destroy_process_group()


def _store(world: int) -> Store | None:
    """Return a store of this attempt's own under torchrun's agent, whose store still holds dead workers' addresses."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    agent = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), world, is_master=False)
    return PrefixStore(f"attempt{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", agent)


def kind_of_device(wanted: str) -> str:
    """Return ``cpu``, ``cuda`` or ``mps``; for ``auto`` the best that this machine has.

    Raises:
        BadValue: another device.
    """
    if wanted not in ("auto", "cpu", "cuda", "mps"):
        raise BadValue(f"device={wanted!r}; auto, cpu, cuda or mps is required")
    if wanted != "auto":
        return wanted
    return next(kind for kind in ("cuda", "mps", "cpu") if _is_there(kind))


def _is_there(kind: str) -> bool:
    return {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[kind]


def choose_device(wanted: str, group: Group) -> torch.device:
    """Return the device of this process.

    Args:
        wanted: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        group: several processes of one machine take one GPU each.

    Raises:
        BadValue: another device, or one that this machine has not.
    """
    kind = kind_of_device(wanted)
    if not _is_there(kind):
        raise BadValue(f"device={wanted!r}: torch finds none on this machine; auto or cpu is required")
    return torch.device(kind, group.local_rank) if kind == "cuda" else torch.device(kind)

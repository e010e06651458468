"""One training step of MobileOne: folded by batch, against the same network plain and against timm's.

    python benchmarks/training_step.py [MODEL [BATCH …]]        default: mobileone_s0, batches of 32 and 8

Forward, backward and update by SGD with momentum, float32, 224 px, one process, networks in turns, all with the same
weights. Three contestants: ``underone-auto`` (use_training_forms "auto"), ``underone-plain`` (every branch calculated,
the layout of the released block) and ``timm``. First loss and all gradients of the first two are compared in float64,
and the losses of all three. Activation memory: the storage that autograd keeps between forward and backward, parameters
not counted. Writes one Record for each row into benchmarks/training_step/, and the memory into memory.json there.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from turns import clocked, in_turns

import underone as uo
from underone.bench import ratio, write_records
from underone.bench.record import Protocol
from underone.errors import ParityFailed
from underone.files import make_folder
from underone.nn.training_form import use_training_forms

RESULTS = Path(__file__).with_name("training_step")
ROUNDS = 5
Networks = Mapping[str, nn.Module]


def networks(name: str) -> dict[str, nn.Module]:
    """Build the three networks with timm's weights."""
    torch.manual_seed(0)
    theirs = timm.create_model(name).train()
    with tempfile.TemporaryDirectory() as folder:
        torch.save(theirs.state_dict(), Path(folder, "timm.pth"))
        auto, plain = (uo.create_model(name, Path(folder, "timm.pth")).train() for _ in range(2))
    use_training_forms(auto, "auto")
    return {"underone-auto": auto, "underone-plain": plain, "timm": theirs}


def check(nets: Networks) -> dict[str, float]:
    """Compare losses and gradients on two pictures of 64 px, in float64.

    Raises:
        ParityFailed: the forms differ by more than 1e-10, or timm's loss from ours.
    """
    torch.manual_seed(1)
    images, targets = torch.randn(4, 3, 64, 64, dtype=torch.float64), torch.randint(0, 1000, (4,))
    losses, grads = {}, {}
    for name, net in nets.items():
        before = {key: value.clone() for key, value in net.state_dict().items()}
        net.double()
        loss = F.cross_entropy(net(images), targets)
        loss.backward()
        losses[name] = loss.item()
        grads[name] = torch.cat([p.grad.flatten() for p in net.parameters()])
        net.zero_grad()
        net.float().load_state_dict(before)
    auto, plain = grads["underone-auto"], grads["underone-plain"]
    found = {"gradients": float((auto - plain).norm() / plain.norm())}
    found |= {name: abs(loss / losses["underone-plain"] - 1) for name, loss in losses.items()}
    if max(found.values()) > 1e-10:
        raise ParityFailed(f"relative differences in float64: {found}; 1e-10 is allowed")
    return found


def training_step(net: nn.Module, images: Tensor, targets: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)

    def run() -> None:
        optimizer.zero_grad()
        F.cross_entropy(net(images), targets).backward()
        optimizer.step()

    return run


def kept_megabytes(net: nn.Module, images: Tensor) -> float:
    """Return what autograd keeps of one forward pass, each storage once, without the parameters."""
    own = {p.untyped_storage().data_ptr() for p in net.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = net(images)
    total = sum(t.untyped_storage().nbytes() for pointer, t in kept.items() if pointer not in own)
    del output
    return round(total / 1e6, 1)


def measure(name: str, nets: Networks, batch: int) -> dict[str, float]:
    images, targets = torch.randn(batch, 3, 224, 224), torch.randint(0, 1000, (batch,))
    memory = {contestant: kept_megabytes(net, images) for contestant, net in nets.items()}
    records = in_turns(
        {contestant: clocked(training_step(net, images, targets)) for contestant, net in nets.items()},
        Protocol(input="noise", batch=batch, warmup=1),
        ROUNDS,
        packages=("torch", "timm"),
        model=f"{name}-batch{batch}",
        threads=torch.get_num_threads(),
        form="training",
    )
    for record in records:
        print(f"{record}; {ratio(record, records[0])} of ours; keeps {memory[record.engine]} MB")
    write_records(records, make_folder(RESULTS))
    return memory


def main(name: str = "mobileone_s0", *batches: str) -> None:
    nets = networks(name)
    print(
        "relative differences in float64:",
        {key: float(np.format_float_scientific(v, 1)) for key, v in check(nets).items()},
    )
    path = RESULTS / "memory.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for batch in map(int, batches or ("32", "8")):
        known[f"{name}-batch{batch}"] = measure(name, nets, batch)
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

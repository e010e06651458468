"""Which blocks train faster when their branches are folded by batch: every kind of block of MobileOne S0 to S4.

    python benchmarks/training_blocks.py MODEL …     measures one network after the other, each in a process of its own
    python benchmarks/training_blocks.py --table     writes the table that `use_training_forms` reads

Forward and backward pass of one block at 224 px, float32, channels-last memory but for the stem, batches of 8 and 32,
the two forms in turns; the outputs are compared first, in float64. A row has the median of each form in milliseconds.
"""

import copy
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from underone.bench import describe
from underone.compare import Limits, compare_outputs
from underone.models.build import build_model
from underone.nn.mobileone_block import MobileOneBlock
from underone.nn.training_form import Kind, kind_of

RESULTS = Path(__file__).with_name("training_blocks")
TABLE = Path(__file__).parents[1] / "src/underone/nn/training_table.py"
BATCHES, TURNS = (8, 32), 3


def blocks_of(name: str) -> dict[Kind, tuple[MobileOneBlock, int]]:
    """Find one block of each kind, and the height of its input."""
    model, found = build_model(name), {}

    def note(block: nn.Module, inputs: tuple[Tensor]) -> None:
        found.setdefault(kind_of(block), (block, inputs[0].shape[2]))

    for block in model.modules():
        if isinstance(block, MobileOneBlock):
            block.register_forward_pre_hook(note)
    with torch.no_grad():
        model(torch.randn(2, 3, 224, 224))
    return found


def training_step(block: MobileOneBlock, x: Tensor, form: str) -> Callable[[], float]:
    block.training_form, block._forward_pre_hooks = form, {}
    grad = torch.randn_like(block(x))  # in the memory layout of the output, as the next block would give it

    def run() -> float:
        block.training_form = form
        start = time.perf_counter()
        block(x).backward(grad)
        return 1000 * (time.perf_counter() - start)

    return run


def check(block: MobileOneBlock, size: int) -> None:
    """Compare the outputs of the two forms in float64, on a picture."""
    exact, outputs = copy.deepcopy(block).double(), {}
    exact._forward_pre_hooks = {}
    x = torch.randn(2, block.branches[0].conv.in_channels, size, size, dtype=torch.float64)
    for exact.training_form in ("plain", "moments"):
        outputs[exact.training_form] = {"y": exact(x).detach().numpy()}
    (row,) = compare_outputs("noise", outputs["moments"], outputs["plain"], Limits(nmse=1e-20, peak=1e-10))
    assert row.passed, row


def measured(block: MobileOneBlock, size: int, batch: int) -> dict[str, float]:
    """Return the median time of each form, in milliseconds."""
    check(block, size)
    conv = block.branches[0].conv
    x = torch.randn(batch, conv.in_channels, size, size)
    if conv.in_channels > 3:  # a picture comes as it is, and needs no gradient
        x = x.to(memory_format=torch.channels_last).requires_grad_()
    steps = {form: training_step(block, x, form) for form in ("plain", "moments")}
    samples: dict[str, list[float]] = {form: [] for form in steps}
    for turn in range(TURNS + 1):
        for form, step in steps.items():
            elapsed = step()
            if turn:  # the first warms up
                samples[form].append(elapsed)
    return {form: round(median(times), 3) for form, times in samples.items()}


def measure(name: str) -> None:
    torch.manual_seed(0)
    rows = []
    for kind, (block, size) in blocks_of(name).items():
        for batch in BATCHES:
            row = kind._asdict() | {"size": size, "batch": batch} | measured(block, size, batch)
            rows.append(row)
            print(row, flush=True)
    head = {"model": name, "threads": torch.get_num_threads(), "torch": torch.__version__}
    record = head | {"machine": describe().model_dump(), "rows": rows}
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1))


def write_table() -> None:
    """Write, for each kind of block, the smaller gain of the two batches."""
    gains: dict[Kind, float] = {}
    for path in sorted(RESULTS.glob("*.json")):
        for row in json.loads(path.read_text())["rows"]:
            kind = Kind(*(row[name] for name in Kind._fields))
            gains[kind] = min(gains.get(kind, 1e9), row["plain"] / row["moments"])
    lines = [f'    ("{kind[0]}", {", ".join(map(str, kind[1:]))}, {gain:.2f}),' for kind, gain in sorted(gains.items())]
    head, _, _ = TABLE.read_text().partition("= (\n")
    TABLE.write_text(head + "= (\n" + "\n".join(lines) + "\n)\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--table"]:
        write_table()
    elif len(sys.argv) == 2:
        measure(sys.argv[1])
    else:
        for model in sys.argv[1:]:
            subprocess.run([sys.executable, __file__, model], check=True)

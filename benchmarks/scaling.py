"""Whether time grows with the work alone: per image at batch 8, per pixel from 192 to 320, against one image at 224.

    python benchmarks/scaling.py [--precisions float32,bfloat16] [--rounds 20] [--models DIR] [network …]

The batch and every size take turns with the image at 224, round by round in one process on one thread; a figure is the
median over rounds of the ratio to that round's image at 224, so that a change of the machine's speed cancels out.
1.00 is linear; 0.90 to 1.10 is the aim. Networks have random weights and batch norms that have seen photographs. Writes
one Record for each row into benchmarks/scaling/.
"""

import argparse
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import underone as uo
from underone.bench import Record, describe, write_records
from underone.bench.record import Protocol
from underone.compare import ROUNDING, Verdict, compare_outputs
from underone.files import make_folder
from underone.fold.trial import trial_inputs
from underone.graph import read_onnx, to_onnx
from underone.nn.statistics import randomize_statistics

RESULTS = Path(__file__).with_name("scaling")
NETWORKS = ["mobileone_s0", "mobileone_s1", "mobilenet_v2_100"]
CASES = ((1, 224), (8, 224), (1, 192), (1, 256), (1, 288), (1, 320))  # batch, side
SECONDS = 0.02  # of each case in a round, at least


def make(name: str, folder: Path) -> Path:
    """Write a folded network that takes any batch and any size."""
    path = folder / f"{name}.onnx"
    if not path.exists():
        torch.manual_seed(0)
        model = uo.create_model(name)
        randomize_statistics(model, torch.cat(list(trial_inputs(model, (3, 224, 224)).values())))
        graph = read_onnx(uo.export(uo.reparameterize(model), path))
        sizes = {graph.inputs[0].name: (None, 3, None, None)}
        path.write_bytes(to_onnx(read_onnx(path, input_shapes=sizes)))
    return path


def call_ms(net: uo.Engine, image: np.ndarray) -> float:
    """Give the time of one call, the least of those that fit into SECONDS."""
    times, end = [], time.perf_counter() + SECONDS
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        net.run(image)
        times.append(1e3 * (time.perf_counter() - start))
    return min(times)


def check(net: uo.Engine, image: np.ndarray, precision: str) -> Verdict:
    """Compare the first picture of a batch with the reference."""
    wanted = net.clone(backend="reference").run(image[:1])
    found = {name: value[:1] for name, value in net.run(image).items()}
    rows = compare_outputs("noise", found, wanted, ROUNDING[precision])
    verdict = Verdict(kind="bench", subject=str(net), reference="reference", comparisons=tuple(rows))
    verdict.require()
    return verdict


def measure(path: Path, precision: str, rounds: int) -> list[Record]:
    """Measure all cases of one network in turns."""
    rng = np.random.default_rng(0)
    images = [rng.normal(0, 1, (batch, 3, side, side)).astype(np.float32) for batch, side in CASES]
    # an engine for each case: one keeps the plans of a few shapes only, and would make them again in every round
    cases = [(uo.load(path, "native", threads=1, precision=precision), image) for image in images]
    verdicts = [check(net, image, precision) for net, image in cases]
    samples = [[call_ms(net, image) for net, image in cases] for _ in range(rounds + 1)][1:]
    machine, now = describe(), datetime.now(UTC).isoformat(timespec="seconds")
    return [
        Record(
            model=path.stem, engine="native", threads=1, precision=precision, form="folded", machine=machine,
            protocol=Protocol(name="interleaved", batch=batch, size=(side, side)), outputs=verdict, date=now,
            samples_ms=tuple(row[i] for row in samples), round_sizes=(1,) * rounds,
        )
        for i, ((batch, side), verdict) in enumerate(zip(CASES, verdicts, strict=True))
    ]  # fmt: skip


def relative(records: list[Record]) -> list[float]:
    """Give time by work, against the first case: the median over rounds."""
    first = np.array(records[0].samples_ms)
    work = [batch * side * side / (224 * 224) for batch, side in CASES]
    return [float(np.median(np.array(r.samples_ms) / first / w)) for r, w in zip(records, work, strict=True)]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--precisions", default="float32,bfloat16")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--models", type=Path)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    table = Table(box=None, title="time by work against one image at 224")
    table.add_column("network")
    for title in ("precision", "ms at 224", *(f"{b} × {s}²" for b, s in CASES[1:])):
        table.add_column(title, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.networks:
            path = make(name, options.models or Path(folder))
            for precision in options.precisions.split(","):
                records = measure(path, precision, options.rounds)
                for record, (batch, side) in zip(records, CASES, strict=True):
                    write_records([record], make_folder(RESULTS / f"{batch}x{side}"))
                figures = (f"{value:.2f}" for value in relative(records)[1:])
                table.add_row(name, precision, f"{records[0].min_ms:.2f}", *figures)
    Console().print(table, str(describe()))


if __name__ == "__main__":
    main()

"""What folding is worth: training form against folded form, one picture, one thread, on every installed engine.

    python benchmarks/folding.py [model …]        default: mobileone_s0 mobileone_s1 mobilenet_v2_100

Weights are random, batch norms have seen photographs; speed does not depend on what a network has learned. Writes one
Record for each row into benchmarks/folding/ and prints the table. No row is a phone time.
"""

import sys
import tempfile
from pathlib import Path

import torch

import underone as uo
from underone.bench import Contestant, Record, compare_engines, write_records
from underone.cli import show
from underone.files import make_folder
from underone.runtime import installed_backends
from underone.trace import trace
from underone.zoo.statistics import settle_statistics

RESULTS = Path(__file__).with_name("folding")


def export_both_forms(name: str, folder: Path) -> tuple[Path, Path]:
    torch.manual_seed(0)
    model = uo.create_model(name)
    settle_statistics(model)
    training = uo.export(trace(model), folder / f"{name}_training.onnx")
    return training, uo.export(uo.reparameterize(model), folder / f"{name}_folded.onnx")


def measure(name: str, folder: Path) -> list[Record]:
    engines = [engine for engine in installed_backends() if engine != "reference"]
    forms = export_both_forms(name, folder)
    return compare_engines([Contestant(path=str(path), backend=e) for e in engines for path in forms], seconds=10)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or ["mobileone_s0", "mobileone_s1", "mobilenet_v2_100"]:
            records = measure(name, Path(folder))
            write_records(records, make_folder(RESULTS))
            show.records(records)


if __name__ == "__main__":
    main()

"""Families of re-parameterised blocks at equal epochs: MobileOne-S0 from random weights, with each in its places.

    python benchmarks/families.py accuracy DATA RUNS [RUN …]    train, or go on; default: all of `RUNS`; then score
    python benchmarks/families.py time                          one training step of each, in turns
    python benchmarks/families.py table                         what both found, as docs/training.md shows it

Every run is the recipe `scratch` with `CHANGES`, in the folder RUNS/NAME-seedN; finished ones are only read. The kept
weights are scored on the test pictures in training and in folded form, which must agree on every count. Writes
benchmarks/families/accuracy.json and one Record for each step's time, and prints the tables.
"""

import json
import sys
from pathlib import Path

import torch
from training_step import ROUNDS, training_step
from turns import clocked, in_turns

import underone as uo
from underone.bench import Record, write_records
from underone.bench.record import Protocol
from underone.data import open_splits
from underone.errors import ParityFailed
from underone.evaluation import score_classes
from underone.evaluation.of_torch import answer_of
from underone.files import make_folder
from underone.nn.training_form import use_training_forms
from underone.training import recipe_of, train

RESULTS = Path(__file__).with_name("families")
MODEL = "mobileone_s0"
CHANGES = {"epochs": 12, "size": 96, "test_size": 96}
BLOCKS = {
    "plain": {"block": "plain"},
    "k1": {"num_branches": 1},  # RepVGG's block as well
    "k4": {"num_branches": 4},
    "acnet": {"block": "acnet"},
    "dbb": {"block": "dbb"},
    "expandnet": {"block": "expandnet"},
}
RUNS = tuple(f"{name}-seed0" for name in BLOCKS) + tuple(f"{name}-seed1" for name in ("plain", "k1", "k4"))


def trained(run: str, data: Path, folder: Path) -> Path:
    """Return the weights of a finished run; train what is missing."""
    name, _, seed = run.rpartition("-seed")
    if not (folder / "result.json").is_file():
        recipe = recipe_of("scratch").changed(model=MODEL, **CHANGES, **BLOCKS[name], seed=int(seed))
        train(recipe, data, folder, resume=True, workers=0)
    return folder / "weights" / "best.safetensors"


def scored(run: str, data: Path, folder: Path) -> dict[str, object]:
    """Score a run's weights on the test pictures.

    Raises:
        ParityFailed: training and folded form do not give the same counts.
    """
    model = uo.create_model(MODEL, trained(run, data, folder))
    folded = uo.reparameterize(model)
    test = open_splits(data).test
    before, after = (score_classes(answer_of(form), test, model.spec.input) for form in (model, folded))
    if before.confusion != after.confusion:
        raise ParityFailed(f"{run}: top-1 {before.top1} in training form, {after.top1} folded; they must be one")
    own = json.loads((folder / "result.json").read_text())
    return {
        "run": run,
        "test_top1": round(before.top1, 2),
        "test_top1_folded": round(after.top1, 2),
        "test_balanced": round(before.balanced, 2),
        "test_pictures": before.pictures,
        "validation_top1": round(own["validation"]["top1"], 2),
        "best_epoch": own["best_epoch"],
        "params": folded.certificate.facts["before"]["params"],
        "params_folded": folded.certificate.facts["after"]["params"],
        "folding_nmse": max(row.nmse for row in folded.certificate.comparisons),
    }


def known_rows() -> dict[str, dict[str, object]]:
    """Return what was scored so far, by run."""
    path = RESULTS / "accuracy.json"
    return {row["run"]: row for row in json.loads(path.read_text())["rows"]} if path.exists() else {}


def accuracy(data: str, runs: str, *names: str) -> None:
    path, known = make_folder(RESULTS) / "accuracy.json", known_rows()
    for run in names or RUNS:
        known[run] = row = scored(run, Path(data), Path(runs, run))
        content = {
            "recipe": "scratch", "changes": CHANGES, "data": Path(data).name, "torch": torch.__version__,
            "rows": [known[name] for name in RUNS if name in known],
        }  # fmt: skip
        path.write_text(json.dumps(content, indent=1) + "\n")
        print("| {run} | {params:,} | {test_top1:.1f} | {test_balanced:.1f} | {folding_nmse:.0e} |".format(**row))


def time(batch: str = "32") -> None:
    networks = {}
    for name, options in BLOCKS.items():
        torch.manual_seed(0)
        networks[name] = uo.create_model(MODEL, num_classes=10, **options).train()
        use_training_forms(networks[name], "auto")
    images, targets = torch.randn(int(batch), 3, 96, 96), torch.randint(0, 10, (int(batch),))
    records = in_turns(
        {f"underone-{name}": clocked(training_step(net, images, targets)) for name, net in networks.items()},
        Protocol(input="noise", batch=int(batch), warmup=1),
        ROUNDS,
        packages=("torch",),
        model=f"{MODEL}-96px-batch{batch}",
        threads=torch.get_num_threads(),
        form="training",
    )
    write_records(records, make_folder(RESULTS))
    for name, record in zip(networks, records, strict=True):
        print(f"| {name} | {a_picture(record)} |")


def a_picture(record: Record) -> str:
    """Give the milliseconds of a picture, and why they cannot be believed where rounds differed too much."""
    stable = record.verdict == "stable"
    return f"{record.median_ms / record.protocol.batch:.1f}" + ("" if stable else f" ({record.verdict})")


def table() -> None:
    known = known_rows()
    print("| `block` | parameters in training | ms a picture in a training step | test top-1, by seed |")
    print("|---|--:|--:|--:|")
    for name, options in BLOCKS.items():
        params = sum(p.numel() for p in uo.create_model(MODEL, num_classes=10, **options).parameters())
        record = Record.model_validate_json(max(RESULTS.glob(f"*underone-{name}-*.json")).read_text())
        shares = ", ".join(f"{row['test_top1']:.1f}" for run, row in known.items() if run.startswith(f"{name}-"))
        words = ", ".join(f"{key}={value}" for key, value in options.items()).removeprefix("block=")
        print(f"| {words} | {params:,} | {a_picture(record)} | {shares or 'not run'} |")


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"accuracy": accuracy, "time": time, "table": table}[command](*arguments)

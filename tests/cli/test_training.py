"""The commands of training and scoring, as a person calls them."""

import io
import json
import random
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from safetensors.numpy import load_file

from underone.cli import main, progress
from underone.training.result import Progress

KEYS = ["model=mobilenet_v2_035", "weights=null", "epochs=4", "batch=4", "size=64", "lr=1e-2", "head_lr=1"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root, generator = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for part in ("train", "val"):
        for name in ("black", "white"):
            (root / part / name).mkdir(parents=True)
            for number in range(4):
                pixels = generator.integers(0, 120, (40, 40, 3), np.uint8) + (120 if name == "white" else 0)
                Image.fromarray(pixels.astype(np.uint8)).save(root / part / name / f"{number}.png")
    return root


def run(*arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return stop.value.code


def test_trained_network_is_scored_in_every_form(pictures, tmp_path, capsys):
    folder, net = tmp_path / "run", tmp_path / "net.onnx"
    assert run("train", "finetune", *KEYS, "--data", pictures, "-o", folder) == 0
    out = capsys.readouterr().out
    assert "validation: 8 pictures, top-1" in out
    assert f"next:       underone reparam {folder}/weights/best.safetensors" in out
    assert run("reparam", folder / "weights" / "best.safetensors", "-o", net) == 0
    capsys.readouterr()
    scores = []
    for form in (folder / "weights" / "best.safetensors", net):
        assert run("eval", form, "--data", pictures / "val", "--json") == 0
        scores.append(json.loads(capsys.readouterr().out))
    assert scores[0]["confusion"] == scores[1]["confusion"]
    assert run("eval", net, "--data", pictures / "val") == 0
    out = capsys.readouterr().out
    assert "8 pictures, top-1" in out
    assert "top-5" not in out, "of two classes all are among the best five"
    assert "mostly taken for" in out


@pytest.mark.slow
def test_a_run_killed_at_random_moments_is_resumed_to_the_same_bits(pictures, tmp_path):
    command = [sys.executable, "-c", "from underone.cli import main; main()", "train", "finetune", *KEYS, "epochs=9"]
    command += ["ema=0.9", "dropout=0.2", "--workers", "0", "--data", str(pictures), "-o"]
    subprocess.run([*command, tmp_path / "whole"], check=True, capture_output=True)
    chance, folder = random.Random(), tmp_path / "cut"
    table = folder / "results.csv"
    for epochs in (1, 3, 6):
        run = subprocess.Popen([*command, folder, "--resume"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not table.is_file() or len(table.read_text().splitlines()) <= epochs:
            assert run.poll() is None, "it ended before its epochs"
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 1.0))  # an epoch with its validation takes about as long
        assert run.poll() is None, "it ended before it could be killed"
        run.kill()
        run.wait()
    subprocess.run([*command, folder, "--resume"], check=True, capture_output=True)
    first, second = (load_file(f / "weights" / "best.safetensors") for f in (tmp_path / "whole", folder))
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["finetun"], "unknown recipe 'finetun'. Did you mean 'finetune'?"),
        (["finetune", "epoch=3"], "unknown recipe key 'epoch'. Did you mean 'epochs'?"),
        (["finetune", "epochs"], "'epochs' was given; key=value is required, for example epochs=20"),
        (["finetune", "lr=[1"], "'lr=[1': the value cannot be read"),
        (["finetune", "lr=-1"], "lr=-1; greater than 0 is required"),
        (["finetune", "--workers", "-1"], "workers=-1; a whole number from 0 up is required"),
        (["gone.yaml"], "gone.yaml is no recipe: No such file or directory"),
        (
            ["finetune", "model=ssdlite320_mobilenet_v2_035", "weights=null", "batch=4"],
            "ssdlite320_mobilenet_v2_035 does not classify; a backbone is required, or a recipe for boxes or masks",
        ),
    ],
)
def test_wrong_key_is_one_line(pictures, tmp_path, capsys, arguments, message):
    assert run("train", *arguments, "--data", pictures, "-o", tmp_path / "run") == 1
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()


def test_bar_counts_the_days_that_are_left(monkeypatch):
    shown = Console(file=io.StringIO(), force_terminal=True, width=120)
    monkeypatch.setattr(progress, "err", shown)
    where = Progress(
        epoch=1, epochs=300, step=1, steps=5004, loss=6.9, images_per_second=800.0, seconds_left=4 * 86400 + 3723.4,
        score=None,
    )  # fmt: skip
    with progress.training() as tell:
        tell(where)
    assert "loss 6.900  800 img/s  4 days, 1:02:03 left" in shown.file.getvalue()


def test_missing_data_is_one_line(tmp_path, capsys):
    assert run("train", "finetune", "--data", tmp_path, "-o", tmp_path / "run") == 1
    assert "has no part train or training" in " ".join(capsys.readouterr().err.split())


def test_data_are_checked_and_faults_are_counted(pictures, tmp_path, capsys):
    assert run("data", "check", pictures) == 0
    out = capsys.readouterr().out
    assert "black" in out
    assert "0 errors, 0 warnings in 16 pictures" in out
    shutil.copytree(pictures, tmp_path / "set")
    for number in range(12):
        (tmp_path / "set" / "train" / "black" / f"x{number}.png").write_bytes(b"no picture")
    assert run("data", "check", tmp_path / "set") == 1
    out = capsys.readouterr().out
    assert "error: unreadable (12)" in out
    assert "  … 2 more; --json shows all" in out
    assert run("data", "check", tmp_path / "set", "--json") == 1
    assert len(json.loads(capsys.readouterr().out)["findings"]) == 12


def test_tables_of_classes_are_not_taken_for_boxes(pictures, tmp_path, capsys):
    shutil.copytree(pictures, tmp_path / "files")
    for part in ("train", "val"):
        rows = [f"files/{part}/{name}/{number}.png,{name}" for name in ("black", "white") for number in range(4)]
        (tmp_path / f"{part}.csv").write_text("\n".join(["file,label", *rows]))
    assert run("data", "check", tmp_path) == 0
    assert "0 errors, 0 warnings in 16 pictures" in capsys.readouterr().out


def test_ray_that_is_not_installed_is_named(pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.train", None)
    assert run("train", "finetune", *KEYS, "--data", pictures, "-o", tmp_path / "run", "--ray", 2) == 1
    assert "training on Ray needs the package ray[train]; install it with:" in capsys.readouterr().err

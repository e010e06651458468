"""Runs: they learn, they survive being cut off anywhere, and they leave what people look at."""

import csv
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file

import underone as uo
from underone.data import open_splits
from underone.errors import BadFile, BadValue, Diverged, UnknownName
from underone.training import recipe_of, train
from underone.training.checkpoint import VERSION, read_state
from underone.training.classification import Classification
from underone.training.recipes import RECIPES

SCRIPT = """
import sys, time
from underone.training import recipe_of, train
epochs = int(sys.argv[3]) if len(sys.argv) > 3 else 3
def report(where):
    print(where.epoch, where.step, flush=True)
train("finetune", sys.argv[1], sys.argv[2], resume=True, workers=0, save_seconds=0.0, progress=report,
      model="mobilenet_v2_035", weights=None, epochs=epochs, batch=12, size=32, lr=0.02,
      head_lr=1.0, ema=0.8, dropout=0.2)
"""


def _weights(folder):
    return load_file(folder / "weights" / "best.safetensors")


def _start(folder, data, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(SCRIPT))
    return subprocess.Popen(
        [sys.executable, script, data, folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _same(a, b):
    return a.keys() == b.keys() and all((a[name] == b[name]).all() for name in a)


@pytest.fixture(scope="module")
def whole(colours, tmp_path_factory):
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    done = _start(folder / "run", colours, folder)
    _, errors = done.communicate(timeout=300)
    assert done.returncode == 0, errors
    return folder / "run"


def test_run_learns_and_leaves_what_people_look_at(colours, tmp_path, tiny):
    seen = []
    result = train("finetune", colours, tmp_path / "run", progress=seen.append, workers=1, **tiny | {"epochs": 12})
    assert result.validation.top1 > 90
    assert result.test is not None
    assert result.test.pictures == 18
    assert (seen[-1].epoch, seen[-1].step, seen[-1].steps, len(seen)) == (12, 6, 6, 72)
    files = {path.relative_to(tmp_path / "run").as_posix() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert files >= {
        "recipe.yaml", "env.json", "results.csv", "results.png", "confusion_matrix.png", "train_batch0.jpg",
        "train_batch2.jpg", "val_batch0_pred.jpg", "schedule.png", "result.json", "weights/best.safetensors",
        "last/state.pt",
    }  # fmt: skip
    with (tmp_path / "run" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == [str(n) for n in range(1, 13)]
    assert max(float(row["val_top1"]) for row in rows) == pytest.approx(result.validation.top1, abs=1e-3)
    assert json.loads((tmp_path / "run" / "result.json").read_text())["best_epoch"] == result.best_epoch


def test_kept_weights_fold_export_and_classify(whole, colours, tmp_path):
    model = uo.create_model("mobilenet_v2_035", weights=whole / "weights" / "best.safetensors")
    net = uo.load(uo.export(uo.reparameterize(model), tmp_path / "net.onnx"))
    assert net.spec.input.shape[2:] == (32, 32)
    assert net.spec.labels == ("blue", "green", "red")
    stored = json.loads((whole / "result.json").read_text())["test"]
    answers = [net.classify(path).label.name == path.parent.name for path in sorted((colours / "test").rglob("*.png"))]
    assert 100 * sum(answers) / len(answers) == pytest.approx(stored["top1"])


@pytest.mark.parametrize("steps", [7, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 6, 14))])
def test_run_killed_at_any_step_goes_on_to_the_same_bits(whole, colours, tmp_path, steps):
    run = _start(tmp_path / "run", colours, tmp_path)
    for _ in range(steps + 1):  # the state of step n is on disk when step n + 1 is told
        run.stdout.readline()
    run.send_signal(signal.SIGKILL)
    run.communicate()
    again = _start(tmp_path / "run", colours, tmp_path)
    output, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    assert len(output.splitlines()) < 18, "the run began anew"
    assert _same(_weights(tmp_path / "run"), _weights(whole))
    assert _same_state(read_state(tmp_path / "run"), read_state(whole))


def _same_state(a, b):
    return all(torch.equal(a["model"][name], b["model"][name]) for name in a["model"]) and all(
        torch.equal(x["momentum_buffer"], y["momentum_buffer"])
        for x, y in zip(a["optimizer"]["state"].values(), b["optimizer"]["state"].values(), strict=True)
    )


def test_folded_blocks_train_as_plain_ones_and_a_resumed_run_keeps_its_forms(colours, tmp_path, tiny):
    changes = tiny | {"model": "mobileone_s0", "epochs": 1, "dropout": None, "batch": 36}
    losses = {}
    for forms in ("auto", "plain"):
        seen = []
        train("finetune", colours, tmp_path / forms, workers=0, forms=forms, progress=seen.append, **changes)
        losses[forms] = seen[0].loss  # later steps of so small a network amplify rounding
    assert losses["auto"] == pytest.approx(losses["plain"], rel=1e-4)
    state = read_state(tmp_path / "auto")
    assert set(state["forms"].values()) == {"plain", "moments"}
    assert set(read_state(tmp_path / "plain")["forms"].values()) == {"plain"}


@pytest.mark.parametrize("blocks", [{"block": "dbb"}, {"num_branches": 2}], ids=str)
def test_recipe_chooses_the_blocks_and_a_resumed_run_keeps_them(colours, tmp_path, tiny, blocks):
    choice = tiny | blocks | {"model": "mobileone_s0", "size": 64, "epochs": 1, "batch": 36}
    result = train("scratch", colours, tmp_path / "run", workers=0, **choice)
    again = train(str(tmp_path / "run" / "recipe.yaml"), colours, tmp_path / "run", resume=True, workers=0)
    assert again.validation == result.validation
    model = uo.create_model("mobileone_s0", result.weights)
    assert len(model.backbone.stages[0][0].branches) == (3 if "block" in blocks else 2)  # depthwise DBB has 3
    assert uo.reparameterize(model, (3, 64, 64)).certificate.passed


def test_interrupted_run_saves_its_state_first(whole, colours, tmp_path):
    run = _start(tmp_path / "run", colours, tmp_path)
    for _ in range(8):
        run.stdout.readline()
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert read_state(tmp_path / "run")["step"] >= 8


def test_run_that_is_terminated_with_its_workers_saves_its_state_first(colours, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(SCRIPT.replace("workers=0", "workers=2"))
    command = [sys.executable, script, colours, tmp_path / "run"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, start_new_session=True) as run:
        for _ in range(8):
            run.stdout.readline()
        os.killpg(run.pid, signal.SIGTERM)  # as service managers do
        _, errors = run.communicate(timeout=60)
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    assert "DataLoader worker" not in errors
    assert read_state(tmp_path / "run")["step"] >= 8


def test_worker_processes_change_nothing(whole, colours, tmp_path, tiny):
    train("finetune", colours, tmp_path / "run", workers=2, **tiny)
    assert _same(_weights(tmp_path / "run"), _weights(whole))


def test_divergence_names_step_pictures_and_last_state(colours, tmp_path, tiny):
    with pytest.raises(Diverged, match=r"the loss is nan at step \d+ \(epoch \d, pictures .*\.png, .*\); .*lower lr"):
        train("finetune", colours, tmp_path / "run", workers=0, save_seconds=0.0, **tiny | {"lr": 1e25, "ema": None})
    state = read_state(tmp_path / "run")
    assert all(torch.isfinite(value).all() for value in state["model"].values())


def test_full_disk_keeps_the_old_state(colours, tmp_path, tiny, monkeypatch):
    saved = torch.save
    calls = []

    def full(state, path):
        calls.append(state)
        if len(calls) == 3:
            Path(path).write_bytes(b"half")
            raise RuntimeError("PytorchStreamWriter failed writing file: No space left on device")
        saved(state, path)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(BadFile, match=r"state\.pt was not written, the old file is untouched: .*No space left"):
        train("finetune", colours, tmp_path / "run", workers=0, save_seconds=0.0, **tiny)
    assert read_state(tmp_path / "run")["step"] == 2


def test_folder_that_holds_a_run_is_not_overwritten(whole, colours, tiny):
    with pytest.raises(BadValue, match=r"holds a run already; resume it \(resume=True\), or name another folder"):
        train("finetune", colours, whole, **tiny)
    with pytest.raises(BadValue, match=r"is a run with another lr=0\.02 \(now 0\.5\); resume it with its own recipe"):
        train("finetune", colours, whole, resume=True, **tiny | {"lr": 0.5})


def test_finished_run_resumed_gives_its_result_again(whole, colours, tiny):
    before = _weights(whole)
    result = train("finetune", colours, whole, resume=True, **tiny)
    assert result.validation.top1 == json.loads((whole / "result.json").read_text())["validation"]["top1"]
    assert _same(before, _weights(whole))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"\x80\x04cos\nsystem\n(S'true'\ntR."])
def test_state_that_is_damaged_is_refused(whole, colours, tmp_path, tiny, content):
    (tmp_path / "run" / "last").mkdir(parents=True)
    (tmp_path / "run" / "last" / "state.pt").write_bytes(content)
    with pytest.raises(BadFile, match=r"is no state of a run that can be read: it is missing, cut short, or of ano"):
        train("finetune", colours, tmp_path / "run", resume=True, **tiny)


def test_state_of_another_version_is_refused(colours, tmp_path, tiny):
    (tmp_path / "run" / "last").mkdir(parents=True)
    torch.save({"version": 99}, tmp_path / "run" / "last" / "state.pt")
    with pytest.raises(BadFile, match=r"is the state of another version; start anew"):
        train("finetune", colours, tmp_path / "run", resume=True, **tiny)


def test_state_of_something_else_is_refused(colours, tmp_path, tiny):
    (tmp_path / "run" / "last").mkdir(parents=True)
    torch.save({"version": VERSION, "model": {}, "step": 3}, tmp_path / "run" / "last" / "state.pt")
    with pytest.raises(
        BadFile, match=r"state\.pt is no state of a run: it lacks recipe, data, average, .*; name anoth"
    ):
        train("finetune", colours, tmp_path / "run", resume=True, **tiny)


def test_run_on_other_data_is_not_resumed(whole, colours, tmp_path, tiny):
    shutil.copytree(colours, tmp_path / "data")
    for part in ("train", "validation", "test"):
        (tmp_path / "data" / part / "red").rename(tmp_path / "data" / part / "rosso")
    message = (
        r"is a run on 72 pictures of 3 classes, blue, green, red …, now there are 72 pictures of 3 classes, "
        r"blue, green, rosso …; resume it with its own data, or name another folder"
    )
    with pytest.raises(BadValue, match=message):
        train("finetune", tmp_path / "data", whole, resume=True, **tiny)


def test_full_disk_of_a_real_file_system_keeps_the_old_state(tmp_path):
    """A limit of the file size is what a process can make of a full disk by itself."""
    script = """
import resource, signal, sys, torch
from pathlib import Path
from underone.training.checkpoint import write_state
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
write_state(Path(sys.argv[1]), {"step": 1})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
write_state(Path(sys.argv[1]), {"step": 2, "model": torch.zeros(1_000_000)})
"""
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "BadFile" in done.stderr
    assert "state.pt was not written, the old file is untouched: " in done.stderr
    assert read_state(tmp_path)["step"] == 1
    assert [path.name for path in (tmp_path / "last").iterdir()] == ["state.pt"]


def test_set_of_one_picture_a_class_trains(colours, tmp_path, tiny):
    for part, label in itertools.product(("train", "validation"), ("blue", "red")):
        (tmp_path / "data" / part / label).mkdir(parents=True)
        shutil.copy(colours / part / label / "00.png", tmp_path / "data" / part / label)
    result = train("finetune", tmp_path / "data", tmp_path / "run", **tiny | {"batch": 2, "epochs": 1})
    assert result.validation.pictures == 2
    with pytest.raises(BadValue, match=r"the batch is 12, the training set has 2 pictures; 1 to 2 is required"):
        train("finetune", tmp_path / "data", tmp_path / "run2", **tiny)


def test_unreadable_pictures_are_replaced_and_counted(colours, tmp_path, tiny):
    data = tmp_path / "data"
    shutil.copytree(colours, data)
    (data / "train" / "red" / "03.png").write_bytes(b"no picture")
    result = train("finetune", data, tmp_path / "run", workers=0, **tiny | {"epochs": 1, "max_unreadable": 0.02})
    listed = json.loads((tmp_path / "run" / "result.json").read_text())["unreadable"]
    assert [Path(name).name for name in listed] == ["03.png"]
    assert result.test is not None
    with pytest.raises(
        BadFile, match=r"1 of 72 pictures cannot be read, 0 are allowed \(max_unreadable=0\.0\): .*03\.png"
    ):
        train("finetune", data, tmp_path / "run2", workers=0, **tiny | {"epochs": 1, "max_unreadable": 0.0})


def test_batch_larger_than_the_set_is_refused(colours, tmp_path, tiny):
    with pytest.raises(BadValue, match=r"the batch is 100, the training set has 72 pictures"):
        train("finetune", colours, tmp_path / "run", **tiny | {"batch": 100})


def test_recipe_lets_pictures_pass_blocks_by(colours, tmp_path, tiny):
    losses = []
    for share in (0.0, 0.9):
        seen = []
        changes = tiny | {"epochs": 1, "batch": 36, "dropout": 0.0, "drop_path": share}
        train("finetune", colours, tmp_path / str(share), workers=0, progress=seen.append, **changes)
        losses.append(seen[0].loss)
    assert losses[0] != losses[1]
    with pytest.raises(BadValue, match=r"drop_path=0\.1: no block of this network has a skip"):
        train("scratch", colours, tmp_path / "mobileone", drop_path=0.1, batch=36)


def test_unknown_logger_is_refused(colours, tmp_path, tiny):
    with pytest.raises(UnknownName, match=r"unknown logger 'tensorbord'\. Did you mean 'tensorboard'\?"):
        train("finetune", colours, tmp_path / "run", loggers=["tensorbord"], **tiny)


def test_figures_go_to_trackio_by_step(colours, tmp_path, tiny, monkeypatch):
    told = []

    class Board:  # takes what trackio 0.43 takes; a key "step" it would rename
        def init(self, *, project, name, resume):
            told.append((project, name, resume))
            return self

        def log(self, metrics, step):
            assert "step" not in metrics
            told.append((step, metrics["epoch"]))

    monkeypatch.setitem(sys.modules, "trackio", Board())
    train("finetune", colours, tmp_path / "run", loggers=["trackio"], workers=0, **tiny)
    assert told == [("underone", str(tmp_path / "run"), "allow"), (6, 1), (12, 2), (18, 3)]


def test_launcher_that_says_half_is_refused(colours, tmp_path, tiny, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(BadValue, match=r"RANK, WORLD_SIZE are set, LOCAL_RANK not; start with torchrun"):
        train("finetune", colours, tmp_path / "run", **tiny)


def test_set_of_one_class_is_refused(colours, tmp_path, tiny):
    for part in ("train", "validation"):
        shutil.copytree(colours / part / "red", tmp_path / "one" / part / "red")
    with pytest.raises(BadValue, match=r"the training set has 1 class; 2 or more are required"):
        train("finetune", tmp_path / "one", tmp_path / "run", **tiny)


def test_accumulated_parts_give_the_gradient_of_the_whole(colours, tmp_path, tiny, monkeypatch):
    """With batch norms in eval mode the parts of a batch are independent."""
    monkeypatch.setattr(torch.nn.BatchNorm2d, "train", lambda self, mode=True: torch.nn.Module.train(self, False))
    states = []
    for parts in (1, 3):
        folder = tmp_path / str(parts)
        train(
            "finetune",
            colours,
            folder,
            workers=0,
            **tiny | {"epochs": 1, "accumulate": parts, "dropout": 0.0, "ema": None},
        )
        states.append(read_state(folder)["model"])
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-4, atol=1e-6, msg=name)


def test_distillation_loss_is_hintons(whole, colours, tmp_path, tiny):
    teacher = uo.create_model("mobilenet_v2_035", weights=whole / "weights" / "best.safetensors").eval()
    file = uo.export(uo.reparameterize(teacher), tmp_path / "teacher.onnx")
    recipe = recipe_of("distill").changed(**tiny | {"teacher": str(file), "teacher_share": 0.75, "temperature": 3.0})
    task = Classification(recipe, open_splits(colours).train, torch.device("cpu"))
    torch.manual_seed(0)
    images, logits = torch.randn(5, 3, 32, 32), torch.randn(5, 3)
    targets = torch.eye(3)[[0, 1, 2, 0, 1]]
    with torch.no_grad():
        shares, answers = (logits / 3).softmax(1), (teacher(images) / 3).softmax(1)
    divergence = (answers * (answers.log() - shares.log())).sum()
    hard = torch.nn.functional.cross_entropy(logits, targets, label_smoothing=recipe.label_smoothing, reduction="sum")
    assert float(task.loss(logits, images, targets)[0]) == pytest.approx(
        float(0.25 * hard + 0.75 * 9 * divergence), rel=1e-4
    )


def test_distilled_network_trains(whole, colours, tmp_path, tiny):
    teacher = uo.create_model("mobilenet_v2_035", weights=whole / "weights" / "best.safetensors")
    file = uo.export(uo.reparameterize(teacher), tmp_path / "teacher.onnx")
    train("distill", colours, tmp_path / "run", workers=0, **tiny | {"teacher": str(file), "teacher_share": 1.0})
    losses = [row["train_loss"] for row in read_state(tmp_path / "run")["history"]]
    assert losses[-1] < losses[0]


def test_teacher_of_other_classes_is_refused(colours, tmp_path, tiny):
    teacher = uo.create_model("mobilenet_v2_035", num_classes=5)
    file = uo.export(uo.reparameterize(teacher), tmp_path / "teacher.onnx", size=(32, 32))
    with pytest.raises(BadValue, match=r"the teacher .*teacher\.onnx gives \(.*5\), the data has 3 classes"):
        train("distill", colours, tmp_path / "run", **tiny | {"teacher": str(file)})


@pytest.mark.slow
def test_worker_killed_under_torchrun_goes_on_with_the_rest(colours, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen(
        [*command, script, colours, tmp_path / "run", "8"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    for _ in range(14):
        run.stdout.readline()
    children = subprocess.run(["pgrep", "-P", str(run.pid)], capture_output=True, text=True, check=True).stdout.split()
    os.kill(int(children[-1]), signal.SIGKILL)
    _, errors = run.communicate(timeout=300)
    assert run.returncode == 0, errors[-2000:]
    state = read_state(tmp_path / "run")
    assert (state["step"], len(state["history"])) == (48, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.task == "classify"])
def test_every_recipe_runs_whole_in_its_smoke_form(colours, tmp_path, name):
    result = train(f"{name}_smoke", colours, tmp_path / "run", workers=0, weights=None, batch=8)
    assert Path(result.weights).is_file()
    assert result.test.pictures == 18


@pytest.mark.parametrize("variables", [{"WORLD_SIZE": "two"}, {"WORLD_SIZE": "2", "RANK": "x", "LOCAL_RANK": "0"}])
def test_launcher_variables_that_are_no_numbers_are_refused(colours, tmp_path, tiny, monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadValue, match=r"are not whole numbers; start with torchrun"):
        train("finetune", colours, tmp_path / "run", **tiny)

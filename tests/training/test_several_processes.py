"""Several processes train one network: to the weights that one process gives, through deaths and other numbers of them.

What is equal: every batch, its pictures and their augmentation, the learning rate, the statistics of batch norms with
`sync_norms`, and so the loss and the weights but for the order in which numbers are added. Dropout and mixup are drawn
in each process and are left out here.
"""

import csv
import json
import os
import socket
import subprocess
import sys
import types

import numpy as np
import pytest
import torch

from underone.data import open_splits
from underone.errors import BadValue, MissingExtra
from underone.training import recipe_of
from underone.training.checkpoint import read_state
from underone.training.classification import Classification
from underone.training.distribution import Group, choose_device, joined_group, kind_of_device
from underone.training.via_ray import train_on_ray

CHANGES = {
    "model": "mobilenet_v1_025", "weights": None, "epochs": 2, "batch": 36, "size": 64, "lr": 0.003, "head_lr": 1.0,
    "ema": None, "warmup_epochs": 0, "dropout": 0.0, "sync_norms": True,
}  # fmt: skip
SCRIPT = """
import copy, json, os, signal, sys
import torch
from underone.training import classification as c, train
torch.Tensor.float = torch.Tensor.double  # all in float64: in float32 small networks amplify rounding from step to step
build, inputs, answer_of = c._build, c.Classification.inputs, c.answer_of
c._build = lambda *given: build(*given).double()
c.Classification.inputs = lambda self, batch: tuple(tensor.double() for tensor in inputs(self, batch))
c.answer_of = lambda model: answer_of(copy.deepcopy(model).to(torch.float32))
data, output, changes, last = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
def stop(where):
    if (where.epoch - 1) * where.steps + where.step == last:
        os.kill(os.getpid(), signal.SIGINT)  # every process finishes this step
try:
    train("finetune", data, output, resume=True, workers=0, progress=stop, **changes)
except KeyboardInterrupt:
    pass
"""


def _run(processes, data, output, script, last=0, **changes):
    """Start `train` in some processes with a launcher's variables; wait for all."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, script, data, output, json.dumps(CHANGES | changes), str(last)]
    common = {
        **os.environ, "WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    started = [
        subprocess.Popen(
            command, env=common | {"RANK": str(r), "LOCAL_RANK": str(r)}, stderr=subprocess.PIPE, text=True
        )
        for r in range(processes)
    ]
    for process in started:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-3000:]


def _apart(folder, other, colours):
    """Return how far two runs' weights ended from each other, as a share of how far they moved."""
    recipe = recipe_of("finetune").changed(**CHANGES)
    start = Classification(recipe, open_splits(colours).train, torch.device("cpu")).model
    names = [name for name, _ in start.named_parameters()]
    first, one, two = (
        torch.cat([state[name].flatten().double() for name in names])
        for state in (start.state_dict(), read_state(folder)["model"], read_state(other)["model"])
    )
    return float((one - two).norm() / (two - first).norm())


def _columns(folder, *names):
    with (folder / "results.csv").open() as file:
        return [[float(row[name]) for name in names] for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "run.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture(scope="module")
def alone(colours, script, tmp_path_factory):
    """A run of one process."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    _run(1, colours, folder, script)
    return folder


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one(colours, script, tmp_path, alone):
    _run(2, colours, tmp_path / "two", script)
    np.testing.assert_allclose(_columns(tmp_path / "two", "train_loss"), _columns(alone, "train_loss"), rtol=1e-9)
    assert _apart(tmp_path / "two", alone, colours) < 1e-8
    _run(2, colours, tmp_path / "apart", script, sync_norms=False)
    assert _apart(tmp_path / "apart", alone, colours) > 1e-2  # the comparison sees norms that are not synchronised


@pytest.mark.slow
def test_number_of_processes_may_change_with_every_part_of_a_run(colours, script, tmp_path, alone):
    folder = tmp_path / "run"
    for processes, last, done in ((2, 1, 1), (1, 3, 3), (2, 0, 4)):
        _run(processes, colours, folder, script, last=last)
        assert read_state(folder)["step"] == done
    names = ("epoch", "step", "lr", "weight_decay")
    assert _columns(folder, *names) == _columns(alone, *names)
    np.testing.assert_allclose(_columns(folder, "train_loss"), _columns(alone, "train_loss"), rtol=1e-9)
    assert _apart(folder, alone, colours) < 1e-8


def test_ray_that_is_not_installed_is_named(colours, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.train", None)
    with pytest.raises(
        MissingExtra, match=r"training on Ray needs the package ray\[train\]; install it with: .*\[ray\]"
    ):
        train_on_ray("finetune", colours, tmp_path / "run", processes=2)


def test_ray_is_not_asked_for_mps(colours, tmp_path):
    with pytest.raises(BadValue, match="the device mps was asked of Ray, whose workers train on cpu or cuda"):
        train_on_ray("finetune", colours, tmp_path / "run", processes=2, device="mps")


@pytest.mark.parametrize(("gpu", "given", "worker"), [(True, "auto", "cuda"), (False, "auto", "cpu")])
def test_ray_gives_each_worker_the_gpu_that_auto_finds(colours, tmp_path, monkeypatch, gpu, given, worker):
    asked = {}

    class Trainer:
        def __init__(self, work, train_loop_config, scaling_config, run_config):
            asked.update(train_loop_config["given"], **scaling_config)

        def fit(self):
            raise KeyboardInterrupt

    train = types.ModuleType("ray.train")
    train.FailureConfig = train.RunConfig = train.ScalingConfig = dict
    train.TrainingFailedError = RuntimeError
    torch_of_ray = types.ModuleType("ray.train.torch")
    torch_of_ray.TorchTrainer = Trainer
    monkeypatch.setitem(sys.modules, "ray", types.ModuleType("ray"))
    monkeypatch.setitem(sys.modules, "ray.train", train)
    monkeypatch.setitem(sys.modules, "ray.train.torch", torch_of_ray)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    with pytest.raises(KeyboardInterrupt):
        train_on_ray("finetune", colours, tmp_path / "run", processes=2, device=given)
    assert (asked["device"], asked["use_gpu"]) == (worker, gpu)


@pytest.mark.parametrize(
    ("device", "gpu", "backend"),
    [("auto", True, "nccl"), ("cuda", True, "nccl"), ("auto", False, "gloo"), ("cpu", True, "gloo")],
)
def test_gpus_talk_by_nccl(monkeypatch, device, gpu, backend):
    calls = []
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda backend, **_: calls.append(backend))
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: calls.append("left"))
    with joined_group(device) as group:
        assert choose_device(device, group).type == ("cuda" if backend == "nccl" else "cpu")
    assert calls == [backend, "left"]


@pytest.fixture
def ray():
    """A Ray of this test's own: local, without its dashboard."""
    module = pytest.importorskip("ray", reason="Ray is not installed: pip install 'underone[ray]'")
    os.environ["RAY_AUTH_MODE"] = "disabled"
    module.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield module
    module.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_two_workers_of_ray_train_what_one_process_trains(ray, colours, tmp_path, alone):
    options = {"workers": 0}
    result = train_on_ray("finetune", colours, tmp_path / "run", processes=2, options=options, **CHANGES)
    assert result.folder == str(tmp_path / "run")
    assert result.test is not None
    np.testing.assert_allclose(
        _columns(tmp_path / "run", "train_loss")[0], _columns(alone, "train_loss")[0], rtol=3e-2
    )  # float32
    assert read_state(tmp_path / "run")["step"] == 4
    with pytest.raises(BadValue, match=r"holds a run already; resume it \(resume=True\), or name another folder"):
        train_on_ray("finetune", colours, tmp_path / "run", processes=2, **CHANGES)
    with pytest.raises(BadValue, match="0 processes were asked of Ray; 1 or more are required"):
        train_on_ray("finetune", colours, tmp_path / "other", processes=0)
    with pytest.raises(BadValue, match="the batch is 1000, the training set has 72 pictures"):
        train_on_ray("finetune", colours, tmp_path / "other", processes=2, restarts=0, **CHANGES | {"batch": 1000})


def test_a_device_that_is_none_is_refused(monkeypatch):
    with pytest.raises(BadValue, match=r"device='cuda:1'; auto, cpu, cuda or mps is required"):
        kind_of_device("cuda:1")
    for name, module in (("cuda", torch.cuda), ("mps", torch.backends.mps)):
        monkeypatch.setattr(module, "is_available", lambda: False)
        with pytest.raises(BadValue, match=f"device='{name}': torch finds none on this machine; auto or cpu is requir"):
            choose_device(name, Group())

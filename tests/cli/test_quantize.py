"""The command quantize, as a person would type it."""

import json

import pytest
import torch

import underone as uo
from underone.image import photographs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a small network as a file, and the packaged photographs."""
    folder = tmp_path_factory.mktemp("quantize")
    torch.manual_seed(0)
    model = uo.create_model("mobileone_s0", num_classes=9)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.num_batches_tracked.fill_(1)
    uo.save_weights(model, folder / "trained.safetensors")
    uo.export(uo.reparameterize(model), folder / "net.onnx", size=(64, 64))
    (folder / "photos").mkdir()
    for photo in photographs():
        (folder / "photos" / photo.name).write_bytes(photo.content)
    return folder


def test_file_is_written_with_its_verdict(folder, run):
    code, printed = run("quantize", folder / "net.onnx", "--data", folder / "photos", "-o", folder / "q.onnx", "--json")
    assert code == 0
    verdict = json.loads(printed.out)
    assert verdict["passed"]
    assert verdict["facts"]["pictures"] == len(photographs())
    assert (folder / "q.onnx").stat().st_size < 0.35 * (folder / "net.onnx").stat().st_size


def test_report_names_layers_and_branches(folder, run):
    code, printed = run(
        "quantize", folder / "net.onnx", "--data", folder / "photos", "-o", folder / "r.onnx", "--keep", "1",
        "--report", folder / "doctor", "--trained", folder / "trained.safetensors",
    )  # fmt: skip
    assert code == 0, printed.err
    assert "what each remedy gains" in printed.out
    assert "float layers" in printed.out
    page = (folder / "doctor" / "index.html").read_text("utf-8")
    assert "What each remedy gains" in page
    assert "branches." in page


def test_empty_folder_gives_one_line(folder, run, tmp_path):
    code, printed = run("quantize", folder / "net.onnx", "--data", tmp_path, "-o", tmp_path / "q.onnx")
    assert code == 1
    assert printed.err.count("\n") == 1
    assert "holds no picture" in printed.err

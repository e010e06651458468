"""The command quantize, as a person would type it."""

import json
import re

import pytest
import torch
from PIL import Image

import underone as uo
from underone.image import photographs
from underone.nn.statistics import randomize_statistics


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a small network as a file, and the packaged photographs."""
    folder = tmp_path_factory.mktemp("quantize")
    torch.manual_seed(0)
    model = uo.create_model("mobileone_s0", num_classes=9)
    randomize_statistics(model, torch.randn(2, 3, 64, 64))
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


def test_report_names_layers_and_branches(folder, run, monkeypatch):
    monkeypatch.setattr("underone.cli.quantize._SECONDS", 0.2)
    code, printed = run(
        "quantize", folder / "net.onnx", "--data", folder / "photos", "-o", folder / "r.onnx", "--keep", "1",
        "--report", folder / "doctor", "--trained", folder / "trained.safetensors",
    )  # fmt: skip
    assert code == 0, printed.err
    assert "what each remedy gains" in printed.out
    assert "float layers" in printed.out
    page = (folder / "doctor" / "index.html").read_text("utf-8")
    assert "What each remedy gains" in page
    assert re.search(r"(branches\.\d|scale|skip), channel \d+: ", page)
    section = page[page.index("Accuracy against time") :]
    for text in ("all in int8", "8 layers in float32", "median ms"):
        assert text in section
    found = json.loads((folder / "doctor" / "diagnosis.json").read_text("utf-8"))
    assert [option["file"] for option in found["options"]] == [None] * 4
    assert not [p for p in (folder / "doctor").iterdir() if p.suffix == ".onnx"]


def test_a_page_that_has_no_place_is_told_before_the_work(folder, run, tmp_path):
    (tmp_path / "taken").write_text("")
    code, printed = run(
        "quantize", folder / "net.onnx", "--data", folder / "photos", "-o", tmp_path / "q.onnx", "--report",
        tmp_path / "taken",
    )  # fmt: skip
    assert code == 1
    assert "taken cannot be made: File exists" in printed.err
    assert not (tmp_path / "q.onnx").exists()


def test_empty_folder_gives_one_line(folder, run, tmp_path):
    code, printed = run("quantize", folder / "net.onnx", "--data", tmp_path, "-o", tmp_path / "q.onnx")
    assert code == 1
    assert printed.err.count("\n") == 1
    assert "holds no picture" in printed.err


def test_pictures_of_one_colour_and_quantised_files_give_one_line(folder, run, tmp_path):
    (tmp_path / "black").mkdir()
    for number in range(3):
        Image.new("RGB", (40, 40)).save(tmp_path / "black" / f"{number}.png")
    uo.quantize(folder / "net.onnx", folder / "photos", tmp_path / "int8.onnx")
    for source, data, said in (
        (folder / "net.onnx", tmp_path / "black", "all 3 calibration pictures are of one colour"),
        (tmp_path / "int8.onnx", folder / "photos", "is quantised already"),
    ):
        code, printed = run("quantize", source, "--data", data, "-o", tmp_path / "q.onnx")
        assert code == 1
        assert printed.err.count("\n") == 1
        assert said in printed.err
        assert not (tmp_path / "q.onnx").exists()


def test_quantised_file_is_measured_as_such(folder, run, tmp_path):
    uo.quantize(folder / "net.onnx", folder / "photos", tmp_path / "int8.onnx")
    files = (tmp_path / "int8.onnx", "mobileone_s0.clothing10_int8")
    code, printed = run("bench", *files, "--seconds", "0.2", "--backends", "native", "--processes", "1", "--json")
    assert code == 0, printed.err
    records = json.loads(printed.out)
    assert len(records) == 2
    for record in records:
        assert record["precision"] == "int8"
        assert record["outputs"]["comparisons"][0]["nmse"] < 1e-9  # the reference sums the same whole numbers

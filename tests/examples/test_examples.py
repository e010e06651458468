"""The examples run as a reader would run them."""

import csv
import importlib.util
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import underone as uo
from underone.image import photographs
from underone.nn.statistics import randomize_statistics

FOLDER = Path(__file__).parents[2] / "examples"


def load_example(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def small(name, path, **options):
    torch.manual_seed(0)
    model = uo.create_model(name, **options)
    randomize_statistics(model, torch.randn(2, 3, 96, 96))
    return str(uo.export(uo.reparameterize(model), path))


def test_photos_to_csv(tmp_path, capsys):
    model = uo.export(uo.create_model("mobileone_s0", weights="clothing10"), tmp_path / "net.onnx")
    (tmp_path / "photos").mkdir()
    for photo in photographs():
        (tmp_path / "photos" / photo.name).write_bytes(photo.content)
    (tmp_path / "photos/broken.jpg").write_bytes(b"no photograph")
    load_example("photos_to_csv").main(str(tmp_path / "photos"), str(model), str(tmp_path / "t.csv"))
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text("utf-8").splitlines()))
    with uo.load(model) as net:
        wanted = [net.classify(p.content).top(1)[0].name for p in sorted(photographs(), key=lambda p: p.name)]
    assert [row["name"] for row in rows] == wanted
    assert "broken.jpg is not a picture" in capsys.readouterr().err


def test_camera_detector(tmp_path, capsys):
    av = pytest.importorskip("av", reason="pip install 'underone[video]'")
    model = small("ssdlite320_mobilenet_v2_035", tmp_path / "d.onnx", size=96, num_classes=2, labels=("cat", "dog"))
    clip = tmp_path / "clip.mp4"
    with av.open(str(clip), "w") as file:
        stream = file.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 10)
        for index in range(5):
            pixels = np.random.default_rng(index).integers(0, 255, (48, 64, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    load_example("camera_detector").main(model, str(clip), str(tmp_path / "drawn.mp4"))
    with av.open(str(tmp_path / "drawn.mp4")) as file:
        assert sum(1 for _ in file.decode(video=0)) == 5
    counted = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    assert set(counted) <= {"cat", "dog"}


def test_blur_background(tmp_path):
    model = small("deeplabv3light_mobilenet_v2_035", tmp_path / "s.onnx", size=96, num_classes=3)
    photo = photographs()[0]
    (tmp_path / "photo.jpg").write_bytes(photo.content)
    load_example("blur_background").main(str(tmp_path / "photo.jpg"), model, str(tmp_path / "out.png"))
    before, after = (np.asarray(Image.open(tmp_path / name), int) for name in ("photo.jpg", "out.png"))
    with uo.load(model) as net:
        background = net.segment(photo.content).mask == 0
    assert 0.02 < background.mean() < 0.98  # this network, of random weights, sees both
    change = np.abs(after - before).max(-1)
    assert change[background].mean() > 3 * change[~background].mean()


def test_own_head(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for part, count in (("train", 6), ("test", 3)):
        for name, colour in (("green", (40, 160, 60)), ("red", (200, 40, 40))):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = np.clip(colour + rng.normal(0, 25, (64, 64, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.jpg")
    model = small("mobilenet_v2_035", tmp_path / "net.onnx")
    right = load_example("own_head").main(str(tmp_path), model, "block5")
    assert right == 1.0
    assert "100.0% of 6 test pictures are named right" in capsys.readouterr().out


def test_the_notebook_runs_from_top_to_bottom_and_is_kept_without_outputs(tmp_path, monkeypatch, capsys):
    book = json.loads((FOLDER / "look_inside.ipynb").read_text("utf-8"))
    cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert (book["nbformat"], {tuple(cell["outputs"]) for cell in cells}) == (4, {()})
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    assert {layer: array.shape for layer, array in names["maps"].items()} == {
        "stage1": (48, 40, 40), "stage4": (1024, 5, 5),
    }  # fmt: skip
    assert names["nearest"][0].file == names["name"]
    assert names["shown"].shape == (40, 8 * 40)
    assert "fold passed" in capsys.readouterr().out

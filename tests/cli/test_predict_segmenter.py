"""`underone predict` with a segmenter."""

import json

import numpy as np
import pytest
from PIL import Image

import underone as uo


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    model = uo.create_model("deeplabv3light_mobilenet_v1_025", num_classes=3, size=65, labels=("a", "b", "c"))
    return uo.export(uo.reparameterize(model), tmp_path_factory.mktemp("net") / "net.onnx")


def test_predict_names_the_areas_and_draws_them(run, net, picture, tmp_path):
    code, got = run("predict", picture, "--model", net, "--json", "--save", tmp_path / "out.png")
    assert code == 0, got.err
    answer = json.loads(got.out)
    assert (answer["task"], answer["height"], answer["width"]) == ("segment", 40, 50)
    assert sum(area["pixels"] for area in answer["areas"]) == 2000
    assert (tmp_path / "out.png").is_file()


def test_labels_of_a_segmenter_are_those_of_its_file(run, net, picture, tmp_path):
    (tmp_path / "labels.txt").write_text("x\ny\nz\n")
    code, got = run("predict", picture, "--model", net, "--labels", tmp_path / "labels.txt")
    assert code == 1
    assert "'deeplabv3light_mobilenet_v1_025' is a segmenter, whose file names its classes; leave it out" in got.err


def test_predict_sees_large_pictures_in_tiles(run, net, tmp_path):
    picture = tmp_path / "large.png"
    noise = np.random.default_rng(0).integers(0, 256, (40, 70, 3), np.uint8)
    Image.fromarray(np.kron(noise, np.ones((5, 5, 1), np.uint8))).save(picture)
    found = [run("predict", picture, "--model", net, "--json", *tiled) for tiled in ((), ("--tiled",))]
    areas = [json.loads(got.out)["areas"] for code, got in found]
    assert [code for code, _ in found] == [0, 0]
    assert [sum(area["pixels"] for area in one) for one in areas] == [200 * 350] * 2
    assert areas[0] != areas[1]
    with uo.load(net) as opened:
        wanted = opened.segment(picture, tiled=True).areas
    assert [area["pixels"] for area in areas[1]] == [area.pixels for area in wanted]


def test_eval_prints_the_overlap_of_each_class(run, net, tmp_path):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "images" / "a.png")
    Image.fromarray(np.eye(20, 30, dtype=np.uint8)).save(tmp_path / "masks" / "a.png")
    (tmp_path / "classes.txt").write_text("a\nb\nc\n")
    code, got = run("eval", net, "--data", tmp_path)
    assert code == 0, got.err
    assert "1 pictures, mIoU" in got.out
    assert "580" in got.out  # pixels of a

"""The commands `features` and `neighbours`, and the layers of `info`."""

import json

import numpy as np
import pytest
from PIL import Image

import underone as uo
from underone.image import photographs
from underone.nn.statistics import randomize_statistics


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    import torch

    torch.manual_seed(0)
    network = uo.create_model("mobilenet_v2_035", num_classes=4)
    randomize_statistics(network, torch.randn(2, 3, 64, 64))
    return str(uo.export(uo.reparameterize(network), tmp_path_factory.mktemp("net") / "net.onnx"))


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in photographs():
        (folder / photo.name).write_bytes(photo.content)
    return folder


def test_layers_are_listed_with_their_shapes(run, model):
    code, (out, _) = run("info", model, "--layers")
    assert code == 0
    assert "any x 16 x 28 x 28  block3" in out
    listed = json.loads(run("info", model, "--layers", "--json")[1].out)
    assert [*listed][-3:] == ["adaptive_avg_pool2d", "flatten", "head"]
    assert listed["block16.expand"] == "any x 336 x 7 x 7"


def test_features_of_a_folder_and_the_neighbours_of_a_picture(run, model, photos, tmp_path):
    (photos / "broken.jpg").write_bytes(b"no picture")
    index, first = tmp_path / "index.npz", sorted(photos.glob("*.jpg"))[1]
    code, (out, err) = run("features", str(photos), "--model", model, "-o", str(index))
    assert (code, out) == (0, f"file: {index}\nlast: {len(photographs())} x 1280\n")
    assert "broken.jpg is not a picture" in err
    options = ("--index", str(index), "--model", model)
    page = tmp_path / "alike.jpg"
    code, (out, _) = run("neighbours", str(first), *options, "--top", "3", "--sheet", str(page))
    assert code == 0
    assert out.splitlines()[0] == f" 1.000  {first}"
    assert len(out.splitlines()) == 3
    with Image.open(page) as drawn:
        assert drawn.size == (4 * 160, 182)  # the picture and three others
    found = json.loads(run("neighbours", str(first), *options, "--top", "2", "--json")[1].out)
    with np.load(index) as kept, uo.load(model, layers=["last"]) as net:
        vector = net.features(first)["last"].mean((1, 2))
        cosines = kept["last"] @ vector / np.linalg.norm(kept["last"], axis=1) / np.linalg.norm(vector)
        files = kept["files"][np.argsort(-cosines)].tolist()
    assert [n["file"] for n in found] == files[:2]
    assert found[1]["similarity"] == pytest.approx(np.sort(cosines)[-2], abs=1e-5)


def test_maps_of_named_layers_are_written(run, model, photos, tmp_path):
    photo = sorted(photos.iterdir())[0]
    code, (out, _) = run(
        "features", str(photo), "--model", model, "--layers", "block2,last", "-o", str(tmp_path / "m.npz")
    )
    assert (code, out.splitlines()[1:]) == (0, ["block2: 1 x 8 x 56 x 56", "last: 1 x 1280 x 7 x 7"])
    code, (_, err) = run("neighbours", str(photo), "--index", str(tmp_path / "m.npz"), "--model", model)
    assert code == 1
    assert "2 layers (block2, last); pictures are compared by one" in err


def test_features_of_a_name_of_the_zoo(run, photos, tmp_path):
    photo, target = sorted(photos.iterdir())[0], tmp_path / "m.npz"
    options = ("--layers", "block5", "--pool", "-o", str(target), "--json")
    code, (out, _) = run("features", str(photo), "--model", "mobilenet_v1_025", *options)
    assert (code, json.loads(out)) == (0, {"file": str(target), "block5": "1 x 128"})


def test_mistakes_are_one_line(run, model, photos, tmp_path):
    index = tmp_path / "i.npz"
    code, (_, err) = run("features", str(photos), "--model", model, "--layers", "blok5", "-o", str(index))
    assert code == 1
    assert "unknown layer 'blok5'. Did you mean 'block5'? underone info FILE --layers lists them." in err
    assert not index.exists()
    run("features", str(photos), "--model", model, "-o", str(index))
    other = tmp_path / "other.onnx"
    uo.export(uo.reparameterize(uo.create_model("mobilenet_v2_035", num_classes=4)), other)
    code, (_, err) = run("neighbours", str(next(photos.iterdir())), "--index", str(index), "--model", str(other))
    assert code == 1
    assert f"{index} holds features of another network than {other}; extract them with it" in err

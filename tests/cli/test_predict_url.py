"""`underone predict` on addresses; nothing is fetched here."""

import json

import pytest
import torch

import underone as uo
from underone.errors import BadFile
from underone.image import Url
from underone.nn.statistics import randomize_statistics


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    network = uo.create_model("mobilenet_v1_025", num_classes=3, labels=("cat", "dog", "owl"))
    randomize_statistics(network, torch.randn(2, 3, 64, 64))
    return uo.export(uo.reparameterize(network), tmp_path_factory.mktemp("model") / "c.onnx")


@pytest.fixture
def network(monkeypatch, picture):
    """Have every address give the picture but for those that end in "gone.png"."""
    asked = []

    def fetch(url):
        asked.append(url.address)
        if url.name == "gone.png":
            raise BadFile(f"{url} was not fetched: the server answers 404 Not Found")
        return picture.read_bytes()

    monkeypatch.setattr(Url, "fetch", fetch)
    return asked


@pytest.mark.parametrize("more", [(), ("photo.jpg",)])
def test_an_address_is_not_fetched_unasked(run, model, network, more):
    code, said = run("predict", "https://example.com/owl.jpg", *more, "--model", model)
    assert code == 1
    line = " ".join(said.err.split())
    assert "owl.jpg is an address, and nothing is fetched unasked; --fetch fetches pictures; a video is named" in line
    assert not network


def test_a_video_among_pictures_is_told_how_to_be_named(run, model, picture):
    code, said = run("predict", picture, "rtsp://a.test/live", "--model", model)
    assert code == 1
    assert "rtsp://a.test/live is an address" in " ".join(said.err.split())
    assert "a video is named alone" in " ".join(said.err.split())


def test_features_are_of_files(run, model, network, tmp_path):
    code, said = run("features", "https://example.com/owl.jpg", "--model", model, "-o", tmp_path / "a.npz")
    assert code == 1
    assert "nothing is fetched unasked; save it as a file first" in " ".join(said.err.split())
    assert not network


def test_addresses_are_pictures_among_others(run, model, network, picture, tmp_path):
    addresses = [
        "https://a.test/x/owl.png",
        "https://b.test/owl.png?y",
        "https://c.test/owl.png",
        "https://a.test/gone.png",
    ]
    out = tmp_path / "out"
    code, said = run("predict", picture, *addresses, "--fetch", "--model", model, "--json", "--save", out)
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert code == 1
    assert [line["source"] for line in lines] == [str(picture), *addresses[:3]]
    assert len({str(line["top"]) for line in lines}) == 1
    assert said.err.count("https://a.test/gone.png") == 1
    drawn = sorted(path.name for path in out.rglob("*.jpg"))
    assert drawn == ["owl.jpg", "owl.png.jpg", "owl.png.jpg.jpg", "picture.jpg"]


def test_a_lone_address_without_a_pictures_suffix_is_a_picture_with_fetch(run, model, network):
    code, _ = run("predict", "https://a.test/photo?id=7", "--fetch", "--model", model, "--json")
    assert (code, network) == (0, ["https://a.test/photo?id=7"])

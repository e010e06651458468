"""Real weights, real photographs, the exported file: the numbers that say the whole flow is right."""

import csv
from pathlib import Path

import pytest

import underone as uo
from underone import settings
from underone.errors import FetchFailed
from underone.files import fetch
from underone.weights import LABELLED_PHOTOGRAPHS


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    try:
        model = uo.create_model("mobilenet_v2_100", weights="DEFAULT")
    except FetchFailed as error:
        pytest.skip(f"the trained weights cannot be fetched: {error}")
    return uo.export(uo.reparameterize(model), tmp_path_factory.mktemp("export") / "mobilenet_v2_100.onnx")


@pytest.fixture(scope="module")
def labelled():
    try:
        return [(fetch(photo.file), photo.imagenet_index) for photo in LABELLED_PHOTOGRAPHS]
    except FetchFailed as error:
        pytest.skip(f"the labelled photographs cannot be fetched: {error}")


def hits(net, photographs, k):
    return sum(index in [label.index for label in net.classify(path).top(k)] for path, index in photographs)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "torch"])
def test_18_of_20_labelled_photographs_are_named_right(exported, labelled, backend):
    with uo.load(exported, backend) as net:
        assert hits(net, labelled, 1) >= 18
        assert hits(net, labelled, 5) == 20


def test_float16_file_names_the_same_wherever_one_class_leads(exported, labelled, tmp_path):
    half = uo.export(exported, tmp_path / "half.onnx", dtype="float16")
    with uo.load(half) as short, uo.load(exported) as full:
        clear = 0
        for path, _ in labelled:
            first, second = full.classify(path).top(2)
            if first.score - second.score > 0.05:
                clear += 1
                assert short.classify(path).label.index == first.index
        assert clear >= 17
        assert hits(short, labelled, 5) == 20


def test_31_of_37_asset_photographs_are_named_right(exported):
    folder = settings.assets_dir()
    if folder is None:
        pytest.skip("UNDERONE_ASSETS is not set")
    with (folder / "photos/photos.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["imagenet_index"]]
    photographs = [(Path(folder) / "photos" / row["file"], int(row["imagenet_index"])) for row in rows]
    with uo.load(exported) as net:
        assert len(photographs) == 37
        assert hits(net, photographs, 1) >= 31  # what torchvision itself gets, with its own transform
        assert hits(net, photographs, 5) == 37

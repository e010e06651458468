"""The packaged weights: what the table, the file and the card say of them is the same, and true."""

import re
from importlib.resources import files

import numpy as np
import pytest
import torch
from PIL import Image

import underone as uo
from underone import settings
from underone.compare import difference
from underone.errors import BadValue, FetchFailed
from underone.files import fetch
from underone.graph import read_verdict
from underone.image import photographs, prepare
from underone.runtime.packaged import NETWORKS
from underone.sources import Packaged
from underone.training import recipe_of
from underone.weights import TRAINED_WEIGHTS, read_checkpoint

FOLDER = files("underone") / "weights" / "packaged"
ENTRIES = [e for e in TRAINED_WEIGHTS if e.file and any(isinstance(s, Packaged) for s in e.file.sources)]
each = pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.name)


def test_every_file_in_the_package_has_a_row_a_card_and_a_recipe():
    assert {f.name for f in FOLDER.iterdir()} == {
        *(f"{e.name}.{end}" for e in ENTRIES for end in ("safetensors", "md", "yaml")),
        *(f"{e.name}_int8.onnx" for e in ENTRIES),
    }
    assert [*NETWORKS] == [f"{e.name}_int8" for e in ENTRIES]


@each
def test_network_in_8_bits_is_that_of_the_card(entry):
    float32, name = uo.create_model(entry.name).eval(), f"{entry.name}_int8"
    with uo.load(name) as net:
        image, verdict = net.spec.input, read_verdict(FOLDER / f"{name}.onnx")
        assert net.spec.labels == float32.spec.labels
        assert verdict.passed
        assert verdict.facts["float_layers"] == []
        pictures = np.concatenate([prepare(photo.content, image) for photo in photographs()])
        got = net.run({image.name: pictures})["logits"]
    with torch.no_grad():
        want = float32(torch.from_numpy(pictures)).numpy()
    assert difference(got, want)[0] < 0.05  # no clothes: further from what it was calibrated on than its own pictures
    assert 0.2 < NETWORKS[name].size_bytes / (4 * sum(p.numel() for p in float32.parameters())) < 0.35


@each
def test_row_file_card_and_recipe_agree(entry, tmp_path, monkeypatch):
    monkeypatch.setenv("UNDERONE_CACHE", str(tmp_path))
    monkeypatch.setenv("UNDERONE_OFFLINE", "1")
    checkpoint = read_checkpoint(fetch(entry.file))
    spec = checkpoint.spec
    assert (spec.weights, spec.source, spec.licence) == (entry.tag, entry.source, entry.licence)
    assert spec.input.preparation == entry.preparation
    assert len(spec.labels) == 10
    assert {str(array.dtype) for array in checkpoint.network.weights.values()} <= {"float16", "float32"}
    assert entry.file.size_bytes < 6_000_000
    card = (FOLDER / f"{entry.name}.md").read_text("utf-8")
    assert all(word in card for word in ("CC0-1.0", "BSD-3-Clause", "ImageNet", *spec.labels))
    recipe = recipe_of(str(FOLDER / f"{entry.name}.yaml"))
    assert recipe.model == entry.model
    assert "/" not in (recipe.teacher or "")


@each
def test_folded_weights_are_not_trained_from(entry, tmp_path):
    for part in ("train", "validation"):
        for number, name in enumerate(("hat", "shoes")):
            (tmp_path / part / name).mkdir(parents=True)
            Image.new("RGB", (64, 64), (0, 90 * number, 0)).save(tmp_path / part / name / "1.png")
    with pytest.raises(BadValue, match=r"clothing10 holds a folded network, which cannot be trained; give the trainin"):
        uo.train("finetune", tmp_path, tmp_path / "run", model=entry.model, weights=entry.tag, batch=2)


def test_damaged_package_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("UNDERONE_CACHE", str(tmp_path))
    file = ENTRIES[0].file
    damaged = type(file)(file.name, file.size_bytes, "0" * 64, file.sources)
    with pytest.raises(FetchFailed, match=r"tried underone/weights/packaged/.*: got 4451076 bytes with sha256 fdd4"):
        fetch(damaged)
    missing = type(file)(file.name, file.size_bytes, file.sha256, (Packaged("weights/packaged/none"),))
    with pytest.raises(FetchFailed, match=r"underone/weights/packaged/none: .*No such file"):
        fetch(missing)


@pytest.mark.slow
@each
def test_card_states_what_the_test_pictures_give_in_8_bits(entry):
    if settings.assets_dir() is None:
        pytest.skip("UNDERONE_ASSETS is not set")
    with uo.load(f"{entry.name}_int8") as net:
        found = uo.evaluate(net, settings.assets_dir() / "clothing" / "test")
    card = (FOLDER / f"{entry.name}.md").read_text("utf-8")
    stated = re.search(r"^\| ONNX of int8, native \| ([\d.]+) \| ([\d.]+) \|", card, re.MULTILINE)
    for got, text in zip((found.top1, found.balanced), stated.groups(), strict=True):
        assert got == pytest.approx(float(text), abs=0.6)  # two pictures: whole numbers at an edge


@pytest.mark.slow
@each
def test_card_states_what_the_test_pictures_give(entry):
    if settings.assets_dir() is None:
        pytest.skip("UNDERONE_ASSETS is not set")
    found = uo.evaluate(uo.create_model(entry.name), settings.assets_dir() / "clothing" / "test")
    card = (FOLDER / f"{entry.name}.md").read_text("utf-8")
    stated = re.search(r"^\| folded, torch, float32 \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", card, re.MULTILINE)
    assert found.pictures == 372
    assert (f"{found.top1:.2f}", f"{found.balanced:.2f}") == stated.groups()[:2]
    assert found.loss == pytest.approx(float(stated[3]), abs=1e-4)
    assert f"{found.top1:.1f} % of 372 test pictures" in entry.measured

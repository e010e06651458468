"""Scores of converted networks: what is counted, and what is said where nothing can be."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from underone.errors import FetchFailed
from underone.study import accuracy
from underone.study.accuracy import ASKED, Score, scores_of
from underone.weights.labelled_photographs import LABELLED_PHOTOGRAPHS

CLASSES = "converted:mobilenet_v1_frozen"


class Net:
    """An engine that knows the answers, moved by `shift` classes, with a background class or without."""

    def __init__(self, labels=(), shift=0):
        self.spec, self.shift = SimpleNamespace(labels=labels), shift

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        pass

    def classify(self, photograph):
        found = photograph + bool(self.spec.labels) - self.shift
        return SimpleNamespace(top=lambda k: [SimpleNamespace(index=found + i) for i in range(k)])

    def detect(self, faces, threshold):
        assert threshold == 0.7
        return range(faces + self.shift)

    def segment(self, path):
        with Image.open(path) as picture:
            return SimpleNamespace(mask=np.asarray(picture))


@pytest.fixture
def told(monkeypatch):
    """Lets a network of ours be asked instead of a file; a fetched photograph is its answer."""
    answers = {one.file: one.imagenet_index for one in LABELLED_PHOTOGRAPHS}
    answers |= {one.file: one.faces for one in accuracy.FACE_PHOTOGRAPHS}
    monkeypatch.setattr(accuracy, "fetch", answers.__getitem__)

    def ask(net, source):
        monkeypatch.setattr(accuracy, "load", lambda path, threads: net)
        return [score.value for score in scores_of(source, "net.onnx")]

    return ask


@pytest.mark.parametrize("labels", [(), ("background", "tench")])
def test_top_1_and_top_5_are_counted_whether_there_is_a_background_or_not(told, labels):
    assert told(Net(labels), CLASSES) == [100.0, 100.0]
    assert told(Net(labels, shift=4), CLASSES) == [0.0, 100.0]
    assert told(Net(labels, shift=5), CLASSES) == [0.0, 0.0]


def test_faces_are_counted(told):
    assert told(Net(), "converted:ultraface_rfb_caffemodel") == [100.0]
    assert told(Net(shift=1), "converted:ultraface_rfb_caffemodel") == [0.0]


def test_borders_of_a_mask_do_not_count(told, tmp_path, monkeypatch):
    (tmp_path / "photos" / "masks").mkdir(parents=True)
    for name, index in accuracy._MASKS.items():
        Image.fromarray(np.uint8([[index, index, 255, 0]])).save(tmp_path / "photos" / "masks" / f"{name}.png")
        Image.fromarray(np.uint8([[index, 0, index, index]])).save(tmp_path / "photos" / f"{name}.jpg", "PNG")
    monkeypatch.setattr(accuracy.settings, "assets_dir", lambda: tmp_path)
    assert told(Net(), "converted:deeplab_uint8_tflite") == [33.3, 33.3]  # one pixel of three, the border left out


def test_a_mask_that_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(accuracy, "load", lambda path, threads: Net())
    monkeypatch.setattr(accuracy.settings, "assets_dir", lambda: tmp_path)
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.uint8([[0, 3]])).save(tmp_path / "photos" / "perched_bird.jpg", "PNG")
    bird, dog = scores_of("converted:deeplab_uint8_tflite", "net.onnx")
    assert "No such file" in bird.error
    assert "perched_bird.png" in bird.error
    assert bird.error == dog.error


def test_pictures_that_cannot_be_had_are_scores_that_say_so(monkeypatch):
    def refuse(file):
        raise FetchFailed("no source gave it")

    monkeypatch.setattr(accuracy, "load", lambda path, threads: Net())
    monkeypatch.setattr(accuracy, "fetch", refuse)
    assert scores_of(CLASSES, "net.onnx") == tuple(
        Score(metric=m, original=o, error="no source gave it") for m, o in ASKED[CLASSES].metrics.items()
    )
    monkeypatch.setattr(accuracy.settings, "assets_dir", lambda: None)
    bird, dog = scores_of("converted:deeplab_uint8_tflite", "net.onnx")
    assert bird.error == dog.error
    assert "UNDERONE_ASSETS names no folder with them" in bird.error


def test_others_are_not_asked():
    assert scores_of("zoo:mobileone_s0", "nowhere.onnx") == ()

"""Calibration pictures: found, chosen, and refused where they teach nothing."""

import logging

import numpy as np
import pytest
from PIL import Image

from underone.errors import BadFile, BadValue
from underone.quantization.pictures import open_calibration, spread
from underone.spec import IMAGENET_PREPARATION, InputSpec

SPEC = InputSpec(name="image", shape=(None, 3, 16, 16), preparation=IMAGENET_PREPARATION)


def test_folders_are_searched_and_pictures_spread(folder):
    assert len(open_calibration(folder, SPEC, 256)) == 24
    chosen = open_calibration(str(folder), SPEC, 6)
    assert {str(p).split("/")[-2] for p in chosen.pictures} == {"0", "1", "2"}
    assert chosen.batch(4).shape == (4, 3, 16, 16)
    assert chosen.size == (16, 16)


def test_spread_takes_all_or_as_many_as_asked_for():
    assert spread(3, 5) == [0, 1, 2]
    assert spread(100, 4) == [0, 25, 50, 75]


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(
        BadFile, match="holds no picture; some hundred photographs such as the network will see are required"
    ):
        open_calibration(tmp_path, SPEC, 10)
    with pytest.raises(BadFile, match="the calibration data holds no picture"):
        open_calibration([], SPEC, 10)


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(BadFile, match="is no folder; a folder with calibration pictures is required"):
        open_calibration(tmp_path / "none", SPEC, 10)


def test_black_pictures_are_refused():
    black = [np.zeros((20, 20, 3), np.uint8)] * 3
    with pytest.raises(BadFile, match="all 3 calibration pictures are of one colour, so nothing is learned from them"):
        open_calibration(black, SPEC, 10)


def test_pictures_that_cannot_be_read_are_left_out_and_told(tmp_path, caplog):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(BadFile, match="not one calibration picture can be read"):
        open_calibration(tmp_path, SPEC, 10)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)).save(tmp_path / "b.png")
    with caplog.at_level(logging.WARNING, "underone"):
        assert len(open_calibration(tmp_path, SPEC, 10)) == 1
    assert "left out: " in caplog.text
    assert "a.png" in caplog.text


def test_number_of_images_is_checked(folder):
    with pytest.raises(BadValue, match="images=0; a whole number from 1 up is required"):
        open_calibration(folder, SPEC, 0)


def test_network_that_does_not_say_how_pictures_are_prepared_is_refused(folder):
    with pytest.raises(BadValue, match="does not say how a picture becomes its tensor"):
        open_calibration(folder, SPEC.model_copy(update={"preparation": None}), 10)

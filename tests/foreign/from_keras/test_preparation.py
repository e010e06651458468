"""What a Keras model says about its pictures."""

import json

import pytest

from underone.foreign.from_keras.config import parse_model
from underone.foreign.from_keras.preparation import preparation_of


def sequential(*layers, channels=3):
    first = ("InputLayer", {"batch_shape": [None, 8, 8, channels]})
    return {
        "class_name": "Sequential",
        "config": [
            {"class_name": kind, "config": {"name": f"l{i}", **c}} for i, (kind, c) in enumerate((first, *layers))
        ],
    }


def read(raw):
    return preparation_of(parse_model(json.dumps(raw), "x.keras"))


BYTES = ("Rescaling", {"scale": 1 / 127.5, "offset": -1})


def test_models_that_scale_bytes_take_bytes():
    found = read(sequential(BYTES, ("Flatten", {})))
    assert (found.range, found.color, found.mean, found.std) == ((0, 255), "RGB", (0, 0, 0), (1, 1, 1))
    assert read(sequential(("Resizing", {}), ("RandomFlip", {}), BYTES)) == found
    assert read(sequential(BYTES, channels=1)).color == "GRAY"


def test_models_inside_are_followed():
    inner = sequential(BYTES)
    outer = sequential(("Sequential", {"layers": inner["config"]}))
    assert read(outer).range == (0, 255)


@pytest.mark.parametrize(
    "layer",
    [
        ("Conv2D", {}),
        ("Rescaling", {"scale": 2.0}),
        ("Rescaling", {"scale": "x"}),
        ("Rescaling", {"scale": [0.5, 0.1, 0.1]}),
    ],
)
def test_other_models_do_not_say(layer):
    assert read(sequential(layer)) is None

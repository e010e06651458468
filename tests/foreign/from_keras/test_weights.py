"""Where the weights of a model lie: what does not fit is named."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from underone.errors import BadFile
from underone.foreign.from_keras import read_keras
from underone.foreign.from_keras.config import Layer, Model, Ref
from underone.foreign.from_keras.weights import fit_names, short_names, snake_case

GOLDEN = Path(__file__).parents[2] / "golden" / "foreign"


def model(**layers):
    found = {n: Layer(n, "Dense" if m is None else "Functional", {}, ((),), m) for n, m in layers.items()}
    return Model("m", found, (Ref("x", 0, 0),), (Ref("x", 0, 0),))


@pytest.mark.parametrize(
    ("kind", "name"),
    [("Conv2D", "conv2d"), ("DepthwiseConv2D", "depthwise_conv2d"), ("BatchNormalization", "batch_normalization"),
     ("Conv2DTranspose", "conv2d_transpose"), ("PReLU", "p_re_lu"), ("Dense", "dense")],
)  # fmt: skip
def test_names_of_classes_are_those_of_keras(kind, name):
    assert snake_case(kind) == name


def test_weights_find_their_layers_by_name():
    one, two = ({"kernel": np.zeros(i)} for i in (1, 2))
    inner = model(a=None, b=None)
    assert fit_names({("d", "other"): one, ("inner", "b"): two}, model(d=None, inner=inner), "x.h5") == {
        ("d",): one, ("inner", "b"): two
    }  # fmt: skip
    assert short_names({("d", "other"): one}) == {("d",): one}


@pytest.mark.parametrize("found", [("inner", "c"), ("other", "a")])
def test_weights_of_no_layer_are_named(found):
    with pytest.raises(BadFile, match=rf"x\.h5: the weights of '{found[0]}/{found[1]}' belong to no layer"):
        fit_names({found: {}}, model(inner=model(a=None)), "x.h5")


def test_layers_of_one_name_deep_inside_are_named():
    outer = model(left=model(a=None), right=model(a=None))
    with pytest.raises(BadFile, match="belong to no layer, or to several of that name"):
        fit_names({("inner", "a"): {}}, model(inner=outer), "x.h5")


def changed(path, old, new):
    """Write a golden archive with some bytes of its weights replaced."""
    with zipfile.ZipFile(GOLDEN / "keras_nested.keras") as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(old, new))
    return path


def test_weights_of_another_layer_are_named(tmp_path):
    path = changed(tmp_path / "x.keras", b"inner_norm\0", b"inner_nrom\0")
    with pytest.raises(BadFile, match="holds the weights of 'inner_nrom'; those of 'inner_norm' are due"):
        read_keras(path)


def test_weights_that_are_listed_twice_are_named(tmp_path):
    path = tmp_path / "x.h5"
    data = (GOLDEN / "keras_nested_2.h5").read_bytes()
    path.write_bytes(data.replace(b"seq_dense/bias:0", b"seq_dense/kernel"))
    with pytest.raises(BadFile, match=r"x\.h5: layer 'tail' lists the weight 'seq_dense/kernel' twice"):
        read_keras(path)


def test_damaged_archives_are_named(tmp_path):
    data = (GOLDEN / "keras_nested.keras").read_bytes()
    path = tmp_path / "x.keras"
    path.write_bytes(data[:-30])
    with pytest.raises(BadFile, match=r"x\.keras, byte \d+: the archive does not end with its directory"):
        read_keras(path)
    damaged = bytearray(data)
    damaged[data.find(b"Functional")] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(BadFile, match=r"x\.keras: config\.json cannot be unpacked: Bad CRC-32"):
        read_keras(path)

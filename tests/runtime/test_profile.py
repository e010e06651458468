"""profile: every layer once, with what it costs."""

import pytest

from underone.errors import BadValue, ShapeError, Unsupported
from underone.graph import count, read_onnx
from underone.runtime import load

pytest.importorskip("underone._native")


def test_layers_cost_what_the_graph_counts(foreign):
    profile = load(foreign, "native").profile(rounds=3)
    assert sum(layer.macs for layer in profile.layers) == count(read_onnx(foreign)).macs
    assert all(layer.ms > 0 and layer.bytes_moved > 0 for layer in profile.layers)
    assert profile.ms == pytest.approx(sum(layer.ms for layer in profile.layers))
    assert 1e9 < profile.ceiling < 1e13


def test_a_profile_prints_one_line_for_each_layer(foreign, image):
    profile = load(foreign, "native").profile(image[:1], rounds=1)
    lines = str(profile).splitlines()
    assert len(lines) == len(profile.layers) + 2
    assert lines[0].split() == ["layer", "op", "ms", "share", "MMAC", "MB", "GFLOP/s", "of", "peak"]


def test_a_profile_that_cannot_be_made_says_why(foreign, write_onnx, image):
    with pytest.raises(Unsupported, match="backend 'reference' does not time its layers; load with backend='native'"):
        load(foreign, "reference").profile(image)
    with pytest.raises(BadValue, match="rounds=0; a whole number from 1 up"):
        load(foreign, "native").profile(rounds=0)
    from onnx import TensorProto as T
    from onnx import helper

    content = write_onnx(
        [helper.make_node("Relu", ["x"], ["y"])], {}, [("x", T.FLOAT, [1, "n"])], [("y", T.FLOAT, [1, "n"])]
    )
    with pytest.raises(ShapeError, match="leaves sizes of 'x' open"):
        load(content, "native").profile()

"""What every reader gives, and the table that finds the reader."""

import numpy as np
import pytest

from underone.errors import Unsupported
from underone.foreign import Cut, ForeignFile, Network, read_foreign
from underone.foreign.builder import Builder


def test_file_of_weights_only_has_no_graph():
    file = ForeignFile("a.ckpt", "TensorFlow checkpoint", {"w": np.ones(3)})
    with pytest.raises(Unsupported, match=r"a\.ckpt \(TensorFlow checkpoint\) holds weights and no network"):
        file.graph()


def test_network_is_made_when_it_is_asked_for():
    asked = []

    def build(cut):
        asked.append(cut)
        builder = Builder("a.tflite")
        builder.output("y", builder.add("Relu", [builder.input("x", (1, 5))], "y"))
        return Network(builder.finish("a"), ("nothing left out",))

    file = ForeignFile("a.tflite", "TFLite", {}, build=build)
    assert not asked
    assert [n.op for n in file.graph(outputs=["y"], quantised="kept").nodes] == ["Relu"]
    assert file.network().notes == ("nothing left out",)
    assert asked == [Cut((), ("y",), "kept"), Cut()]


def test_file_that_no_reader_knows_is_refused_by_name(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_bytes(b"something else")
    with pytest.raises(Unsupported, match=r"a\.xyz is no file of TFLite"):
        read_foreign(path)

"""Weights are taken out of a file and put back: what protobuf reads is the same."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from underone.graph import read_onnx
from underone.graph.onnx_bytes import without_weights

RNG = np.random.default_rng(0)
WEIGHTS = {"large": RNG.normal(size=(16, 33)), "small": RNG.normal(size=3), "wide": RNG.normal(size=(300, 256))}


def model(**changes):
    tensors = [numpy_helper.from_array(w.astype(np.float32), name) for name, w in WEIGHTS.items()]
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    ends = ([helper.make_tensor_value_info(n, 1, [1, 3])] for n in ("x", "y"))
    graph = helper.make_graph(nodes, "g", *ends, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], **changes)


def joined(small, raw):
    found = onnx.ModelProto.FromString(small)
    for position, data in raw.items():
        assert not found.graph.initializer[position].raw_data
        found.graph.initializer[position].raw_data = bytes(data)
    return found


def test_large_weights_come_out_and_the_rest_stays():
    whole = model(producer_name="somebody", doc_string="text behind the graph")
    small, raw = without_weights(whole.SerializeToString())
    assert sorted(raw) == [0, 2]  # 12 bytes are not worth it
    assert len(small) < 400
    assert joined(small, raw) == whole


def test_views_are_of_the_bytes_that_were_given():
    data = model().SerializeToString()
    _, raw = without_weights(data)
    assert all(view.obj is data for view in raw.values())


def test_fields_in_another_order_are_read_the_same():
    whole = model()
    graph = onnx.ModelProto(graph=whole.graph)
    rest = onnx.ModelProto.FromString(whole.SerializeToString())
    rest.ClearField("graph")
    small, raw = without_weights(graph.SerializeToString() + rest.SerializeToString())
    assert joined(small, raw) == whole


@pytest.mark.parametrize("data", [b"", b"\x3a", b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x3a\x05ab"])
def test_damaged_bytes_come_back_as_they_are(data):
    assert without_weights(data) == (data, {})


def test_a_graph_in_two_pieces_is_left_to_protobuf():
    data = model().SerializeToString()
    data += onnx.ModelProto(graph=onnx.GraphProto(doc_string="more")).SerializeToString()
    assert without_weights(data) == (data, {})


def test_endless_fields_are_left_to_protobuf():
    data = model().SerializeToString() + b"\x08\x01" * (1 << 17)
    assert without_weights(data) == (data, {})


@hypothesis.given(st.data())
@hypothesis.settings(max_examples=300, deadline=None)
def test_whatever_is_damaged_protobuf_reads_the_same(data):
    whole = bytearray(model().SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    whole = bytes(whole[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else whole)
    small, raw = without_weights(whole)
    try:
        wanted = onnx.ModelProto.FromString(whole)
    except Exception:
        with pytest.raises(Exception, match=r"(?i)pars"):
            onnx.ModelProto.FromString(small)
        return
    assert joined(small, raw).SerializeToString() == wanted.SerializeToString()


def test_constants_are_the_same_from_views_and_from_copies():
    graph = model().graph
    graph.node[0].CopyFrom(helper.make_node("MatMul", ["x", "wide"], ["y"]))
    graph.input[0].CopyFrom(helper.make_tensor_value_info("x", 1, [2, 300]))
    graph.output[0].CopyFrom(helper.make_tensor_value_info("y", 1, [2, 256]))
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    read = read_onnx(file)
    np.testing.assert_array_equal(read.constants["wide"], WEIGHTS["wide"].astype(np.float32))
    assert not read.constants["wide"].flags.writeable

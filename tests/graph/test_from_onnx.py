"""Reading: one form for all opsets, constants folded, sizes left open."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from underone.errors import BadFile, BadValue, Unsupported
from underone.graph import Graph, Node, read_onnx, run_reference

F32 = TensorProto.FLOAT
X = np.random.default_rng(11).standard_normal((2, 3, 8, 10)).astype(np.float32)


def file(
    *nodes: onnx.NodeProto, opset: int = 17, x: Any = (2, 3, 8, 10), outputs: tuple[str, ...] = ("y",), **constants: Any
) -> bytes:
    stored = [numpy_helper.from_array(np.asarray(a), n) for n, a in constants.items()]
    borders = (
        [helper.make_tensor_value_info("x", F32, x)],
        [helper.make_tensor_value_info(o, F32, None) for o in outputs],
    )
    graph = helper.make_graph(list(nodes), "net", *borders, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()


def node(op: str, inputs: str, output: str = "y", **attrs: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], f"the {op}", **attrs)


def read(*nodes: onnx.NodeProto, **how: Any) -> Graph:
    return read_onnx(file(*nodes, **how), "net.onnx")


def only(graph: Graph) -> Node:
    (found,) = graph.nodes
    return found


I64 = np.int64
C = np.float32([1, 2, 3])
FORMS = {
    "Clip": (
        (7, node("Clip", "x", min=0.0, max=6.0), {}),
        (11, node("Clip", "x low high"), {"low": np.float32(0), "high": np.float32(6)}),
    ),
    "Slice": (
        (9, node("Slice", "x", starts=[1, 2], ends=[3, 2**31 - 1], axes=[2, 3]), {}),
        (13, node("Slice", "x s e a"), {"s": I64([1, 2]), "e": I64([3, 2**31 - 1]), "a": I64([-2, -1])}),
    ),
    "Pad": (
        (10, node("Pad", "x", pads=[0, 0, 1, 2, 0, 0, 3, 4], value=0.5), {}),
        (13, node("Pad", "x p v"), {"p": I64([0, 0, 1, 2, 0, 0, 3, 4]), "v": np.float32(0.5)}),
        (18, node("Pad", "x p v a"), {"p": I64([1, 2, 3, 4]), "v": np.float32(0.5), "a": I64([2, 3])}),
    ),
    "ReduceMean": (
        (11, node("ReduceMean", "x", axes=[2, -1], keepdims=0), {}),
        (18, node("ReduceMean", "x a", keepdims=0), {"a": I64([2, 3])}),
    ),
    "Unsqueeze": (
        (11, node("Unsqueeze", "x", axes=[0, 5]), {}),
        (13, node("Unsqueeze", "x a"), {"a": I64([0, -1])}),
    ),
    "Resize": (
        (9, node("Upsample", "x s", mode="nearest"), {"s": np.float32([1, 1, 2, 3])}),
        (10, node("Resize", "x s", mode="nearest"), {"s": np.float32([1, 1, 2, 3])}),
        (
            13,
            node("Resize", "x r s", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
            {"r": np.float32([]), "s": np.float32([1, 1, 2, 3])},
        ),
        (
            18,
            helper.make_node(
                "Resize", ["x", "", "s"], ["y"], axes=[2, 3], coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            ),
            {"s": np.float32([2, 3])},
        ),
    ),
    "Softmax": (
        (9, node("Softmax", "x", axis=3), {}),
        (13, node("Softmax", "x"), {}),
    ),
    "BatchNormalization": (
        (7, node("BatchNormalization", "x c c c c", epsilon=1e-3, momentum=0.8, spatial=1), {"c": C}),
        (15, node("BatchNormalization", "x c c c c", epsilon=1e-3, training_mode=0), {"c": C}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("op", FORMS)
def test_all_opsets_become_one_form(op: str) -> None:
    graphs = [read(proto, opset=opset, **constants) for opset, proto, constants in FORMS[op]]
    first = only(graphs[0])
    assert first.op == op
    for graph in graphs[1:]:
        assert only(graph).attrs == first.attrs
        assert len(only(graph).inputs) == len(first.inputs)
        np.testing.assert_array_equal(run_reference(graph, {"x": X})["y"], run_reference(graphs[0], {"x": X})["y"])


def test_attributes_are_written_out() -> None:
    graph = read(node("Conv", "x w"), w=np.ones((4, 3, 3, 3), np.float32))
    assert only(graph).attrs == {
        "strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1), "auto_pad": "NOTSET", "group": 1
    }  # fmt: skip


def test_valid_padding_is_no_padding_and_same_stays() -> None:
    w = np.ones((4, 3, 3, 3), np.float32)
    assert only(read(node("Conv", "x w", auto_pad="VALID", pads=[1] * 4), w=w)).attrs["auto_pad"] == "NOTSET"
    assert only(read(node("Conv", "x w", auto_pad="VALID", pads=[1] * 4), w=w)).attrs["pads"] == (0, 0, 0, 0)
    assert only(read(node("Conv", "x w", auto_pad="SAME_UPPER"), w=w)).attrs["auto_pad"] == "SAME_UPPER"


def test_split_without_sizes_gets_equal_ones() -> None:
    split = helper.make_node("Split", ["x"], ["y", "z"], "split", axis=-1)
    assert only(read(split, outputs=("y", "z"))).attrs == {"axis": 3, "split": (5, 5)}
    uneven = helper.make_node("Split", ["x"], ["y", "z", "w"], "split", axis=3, num_outputs=3)
    assert only(read(uneven, opset=18, outputs=("y", "z", "w"))).attrs["split"] == (4, 4, 2)
    wrong = helper.make_node("Split", ["x"], ["y", "z", "w"], "split", axis=3, num_outputs=2)
    with pytest.raises(BadFile, match="num_outputs is 2, but there are 3 outputs"):
        read(wrong, opset=18, outputs=("y", "z", "w"))


def test_old_softmax_over_several_axes_is_refused() -> None:
    with pytest.raises(Unsupported, match=r"softmax over all axes of \(2, 3, 8, 10\) from 1 on"):
        read(node("Softmax", "x"), opset=11)


def test_identities_dropouts_and_constants_vanish() -> None:
    graph = read(
        node("Identity", "x", "a"),
        node("Dropout", "a", "b"),
        helper.make_node("Constant", [], ["c"], value_float=2.0),
        node("Mul", "b c", "d"),
        node("Identity", "d", "y"),
    )
    assert (only(graph).inputs, only(graph).outputs) == (("x", "c"), ("y",))
    assert graph.constants["c"] == np.float32(2)


def test_dropout_that_trains_is_refused() -> None:
    with pytest.raises(Unsupported, match="dropout in training mode"):
        read(node("Dropout", "x r t"), r=np.float32(0.5), t=np.array(True))
    assert read(node("Dropout", "x r t"), r=np.float32(0.5), t=np.array(False)).nodes[0].op == "Identity"


def test_outputs_that_are_inputs_constants_or_twins_are_copied() -> None:
    graph = read(
        node("Identity", "x", "same"),
        node("Relu", "x", "y"),
        node("Identity", "y", "twin"),
        node("Add", "k k", "fixed"),
        outputs=("same", "y", "twin", "fixed"),
        k=np.float32([1, 2]),
    )
    got = run_reference(graph, {"x": X})
    np.testing.assert_array_equal(got["same"], X)
    np.testing.assert_array_equal(got["twin"], got["y"])
    np.testing.assert_array_equal(got["fixed"], [2, 4])


def test_output_that_is_an_input_under_its_own_name_is_refused() -> None:
    with pytest.raises(Unsupported, match="output 'x' is an input under its own name"):
        read(node("Relu", "x"), outputs=("x",))


FLATTEN = (
    node("Shape", "x", "s"),
    node("Gather", "s zero", "n", axis=0),
    node("Unsqueeze", "n axes", "u"),
    node("Concat", "u rest", "t", axis=0),
    node("Reshape", "x t"),
)
PARTS = {"zero": I64(0), "axes": I64([0])}


def test_computed_shape_of_an_open_batch_becomes_minus_one() -> None:
    graph = read(*FLATTEN, x=("N", 3, 8, 10), rest=I64([240]), **PARTS)
    assert only(graph).attrs == {"shape": (-1, 240)}
    assert graph.inputs[0].shape == (None, 3, 8, 10)
    assert graph.outputs[0].shape == (None, 240)
    assert graph.constants == {}
    for n in (1, 2):
        assert run_reference(graph, {"x": X[:n]})["y"].shape == (n, 240)


def test_computed_shape_with_minus_one_elsewhere_keeps_both() -> None:
    # the last size is fixed, so -1 moves to the batch
    assert only(read(*FLATTEN, x=("N", 3, 8, 10), rest=I64([-1]), **PARTS)).attrs == {"shape": (-1, 240)}
    # batch and last size are both open
    assert only(read(*FLATTEN, x=("N", 3, "H", 10), rest=I64([30, -1]), **PARTS)).attrs == {"shape": (0, 30, 0)}


def test_computed_shape_of_a_fixed_batch_is_a_number() -> None:
    assert only(read(*FLATTEN, x=(2, 3, 8, 10), rest=I64([240]), **PARTS)).attrs == {"shape": (2, 240)}


def test_shape_that_cannot_be_written_is_refused() -> None:
    nodes = (
        node("Shape", "x", "s"),
        node("Slice", "s from to", "part"),
        node("Concat", "part rest", "t", axis=0),
        node("Reshape", "x t"),
    )
    fixed = {"rest": I64([-1]), "from": I64([2]), "to": I64([4])}
    with pytest.raises(
        Unsupported, match=r"net\.onnx: node 'the Reshape' .* its shape depends on the size of the input"
    ):
        read(*nodes, x=("N", 3, "H", "W"), **fixed)
    graph = read_onnx(
        file(*nodes, x=("N", 3, "H", "W"), **fixed),
        input_shapes={"x": (None, 3, 8, 10)},
    )
    assert graph.nodes[0].attrs == {"shape": (8, 10, -1)}


def test_sizes_of_a_resize_by_another_tensor_stay_open_for_the_batch() -> None:
    nodes = (
        node("Shape", "x", "s"),
        node("Slice", "s from to", "nc"),
        node("Concat", "nc size", "t", axis=0),
        helper.make_node("Resize", ["x", "", "", "t"], ["y"], "resize", mode="linear"),
    )
    graph = read(*nodes, x=("N", 3, 8, 10), size=I64([16, 30]), **{"from": I64([0]), "to": I64([2])})
    assert only(graph).attrs["sizes"] == (0, 0, 16, 30)
    assert run_reference(graph, {"x": X})["y"].shape == (2, 3, 16, 30)


def test_weight_repeated_for_each_picture_keeps_an_expand() -> None:
    nodes = (
        node("Shape", "x", "s"),
        node("Slice", "s from to", "n"),
        node("Concat", "n rest", "t", axis=0),
        node("Expand", "token t", "e"),
        node("Concat", "x e", "y", axis=2),
    )
    token = np.arange(30, dtype=np.float32).reshape(1, 3, 1, 10)
    fixed = {"token": token, "rest": I64([3, 1, 10]), "from": I64([0]), "to": I64([1])}
    graph = read(*nodes, x=("N", 3, 8, 10), **fixed)
    assert (graph.nodes[0].op, graph.nodes[0].inputs, graph.nodes[0].attrs["shape"]) == (
        "Expand",
        ("token", "x"),
        (-1, 3, 1, 10),
    )
    for n in (1, 2):
        got = run_reference(graph, {"x": X[:n]})["y"]
        np.testing.assert_array_equal(got, np.concatenate([X[:n], np.repeat(token, n, 0)], 2))
    assert [n.op for n in read(*nodes, x=(2, 3, 8, 10), **fixed).nodes] == ["Concat"]


def test_constant_that_follows_the_size_is_refused_and_read_when_fixed() -> None:
    nodes = (
        node("Shape", "x", "s"),
        node("Gather", "s three", "w", axis=0),
        node("Range", "zero w one", "r"),
        node("Cast", "r", "f", to=F32),
        node("Add", "x f"),
    )
    fixed = {"three": I64(3), "zero": I64(0), "one": I64(1)}
    with pytest.raises(Unsupported, match="tensor 'f' depends on the size of the input; fix it with input_shapes"):
        read(*nodes, x=(2, 3, 8, "W"), **fixed)
    graph = read_onnx(file(*nodes, x=(2, 3, 8, "W"), **fixed), input_shapes={"x": (2, 3, 8, 10)})
    np.testing.assert_array_equal(run_reference(graph, {"x": X})["y"], X + np.arange(10, dtype=np.float32))


def test_input_shapes_must_fit() -> None:
    data = file(node("Relu", "x"))
    assert read_onnx(data, input_shapes={"x": (None, 3, None, 32)}).outputs[0].shape == (None, 3, None, 32)
    for wrong in ({"z": (1, 3, 8, 8)}, {"x": (1, 3)}, {"x": (1, 3, 0, 8)}):
        with pytest.raises(BadValue, match=r"input_shapes .* do not fit; it has \[\('x', \(2, 3, 8, 10\)\)\]"):
            read_onnx(data, input_shapes=wrong)


def test_half_weights_and_quantized_weights_stay_as_stored() -> None:
    half = np.ones((3, 1, 1), np.float16)
    graph = read(node("Cast", "h", "f", to=F32), node("Mul", "x f"), h=half)
    assert [n.op for n in graph.nodes] == ["Cast", "Mul"]
    assert graph.constants["h"].dtype == np.float16
    byte = np.ones((3, 1, 1), np.int8)
    graph = read(node("DequantizeLinear", "q s", "f"), node("Mul", "x f"), q=byte, s=np.float32(0.5))
    assert [n.op for n in graph.nodes] == ["DequantizeLinear", "Mul"]
    assert graph.constants["q"].dtype == np.int8


def test_constants_are_folded() -> None:
    graph = read(
        node("Transpose", "w", "t", perm=[1, 0]), node("Mul", "t two", "m"), node("MatMul", "x m"),
        w=np.float32(np.arange(40).reshape(4, 10)), two=np.float32(2),
    )  # fmt: skip
    assert only(graph).op == "MatMul"
    np.testing.assert_array_equal(graph.constants["m"], 2 * np.arange(40).reshape(4, 10).T)


def test_file_without_our_spec_gets_names_and_shapes() -> None:
    spec = read(node("Relu", "x"), x=("N", 3, 8, 10)).spec
    assert (spec.name, spec.task, spec.input.name, spec.input.shape) == ("net", None, "x", (None, 3, 8, 10))
    assert (spec.outputs[0].name, spec.outputs[0].shape) == ("y", (None, 3, 8, 10))


def test_reading_a_path_and_its_bytes_is_the_same(tmp_path: Any) -> None:
    data = file(node("Relu", "x"))
    (tmp_path / "net.onnx").write_bytes(data)
    assert read_onnx(tmp_path / "net.onnx") == read_onnx(str(tmp_path / "net.onnx")) == read_onnx(data)


def test_constants_without_bound_are_refused_before_they_are_made():
    shape = numpy_helper.from_array(np.array([1 << 14, 1 << 14], np.int64), "shape")
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["big"]),
        helper.make_node("Add", ["x", "big"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1]) for n in ("x", "y")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [shape])
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    with pytest.raises(BadFile, match=r"it makes constants of 268435456 elements; at most 67108864 are computed"):
        read_onnx(content)


def test_a_resize_that_nobody_has_names_those_that_are_there():
    sizes = [numpy_helper.from_array(np.array(v, t), n) for n, v, t in (("s", [1, 1, 2, 2], np.float32),)]
    node = helper.make_node("Resize", ["x", "", "s"], ["y"], mode="area")
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1, 4, 4]) for n in ("x", "y")]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], sizes)
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    with pytest.raises(Unsupported, match=r"mode 'area'; nearest, .* are implemented"):
        read_onnx(content)


@pytest.mark.parametrize("scale", [0.0, -0.5, np.nan, np.inf])
@pytest.mark.parametrize("op", ["QuantizeLinear", "DequantizeLinear"])
def test_scale_that_no_number_has_is_refused(op: str, scale: float) -> None:
    zero = np.uint8(3)
    nodes = (node("QuantizeLinear", "x good zero", "q"), node("DequantizeLinear", "q good zero"))
    swapped = tuple(node(n.op_type, n.input[0] + " bad zero", n.output[0]) if n.op_type == op else n for n in nodes)
    want = rf"net\.onnx: node 'the {op}' \({op}\): it has a scale of {scale}; scales are finite and greater than 0"
    with pytest.raises(BadFile, match=want):
        read(*swapped, good=np.float32(0.1), bad=np.float32(scale), zero=zero)

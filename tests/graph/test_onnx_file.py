"""Files that are damaged, hostile or not what their name says: one clear error, no crash, no huge memory."""

import hashlib
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from underone.compare import Comparison, Limits, Verdict
from underone.errors import BadFile, UnderOneError, Unsupported
from underone.graph import read_onnx, read_verdict, to_onnx
from underone.graph.onnx_file import open_onnx, with_verdict

F32 = TensorProto.FLOAT
BIG = 10**12


def small(
    *nodes: onnx.NodeProto, opset: int = 17, constants: dict[str, np.ndarray] | None = None, out: str = "y"
) -> onnx.ModelProto:
    """A file with input x (1, 3, 8, 8), the given nodes and output y."""
    x = helper.make_tensor_value_info("x", F32, [1, 3, 8, 8])
    y = helper.make_tensor_value_info(out, F32, None)
    stored = [numpy_helper.from_array(a, n) for n, a in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "small", [x], [y], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def relu(source: str = "x", target: str = "y") -> onnx.NodeProto:
    return helper.make_node("Relu", [source], [target], target)


def valid() -> onnx.ModelProto:
    """Convolution, batch norm, clip with operands, shape arithmetic, matrix product."""
    rng = np.random.default_rng(0)
    constants = {
        "w": rng.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "b": rng.standard_normal(4).astype(np.float32),
        "low": np.array(0, np.float32),
        "high": np.array(6, np.float32),
        "rest": np.array([-1], np.int64),
        "zero": np.array([0], np.int64),
        "m": rng.standard_normal((4, 5)).astype(np.float32),
    }
    return small(
        helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["c", "low", "high"], ["r"], "clip"),
        helper.make_node("GlobalAveragePool", ["r"], ["p"], "pool"),
        helper.make_node("Shape", ["x"], ["s"], "shape"),
        helper.make_node("Gather", ["s", "zero"], ["n"], "gather"),
        helper.make_node("Concat", ["n", "rest"], ["t"], "concat", axis=0),
        helper.make_node("Reshape", ["p", "t"], ["f"], "reshape"),
        helper.make_node("MatMul", ["f", "m"], ["y"], "product"),
        constants=constants,
    )


def refused(model: onnx.ModelProto, message: str, kind: type[UnderOneError] = BadFile) -> None:
    with pytest.raises(kind, match=message) as caught:
        read_onnx(model.SerializeToString(), "net.onnx")
    assert "net.onnx" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_text_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_text("this is a text file, whatever its name says\n" * 50)
    with pytest.raises(BadFile, match=r"net\.onnx is no ONNX file, or a damaged one \(2200 bytes") as caught:
        read_onnx(path)
    assert "\n" not in str(caught.value)


def test_missing_and_empty_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="cannot be read: No such file"):
        read_onnx(tmp_path / "none.onnx")
    with pytest.raises(BadFile, match="holds no network"):
        read_onnx(b"")
    with pytest.raises(BadFile, match="cannot be read: Is a directory"):
        read_onnx(tmp_path)


def test_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate((1 << 31) + 1)  # sparse: takes no space
    with pytest.raises(BadFile, match="has 2,147,483,649 bytes; at most 2,147,483,648 are read"):
        read_onnx(path)


def test_unknown_operators_are_listed_at_once_with_counts() -> None:
    nodes = [helper.make_node("NonZero", ["x"], ["a"]), helper.make_node("Det", ["x"], ["b"])]
    nodes += [helper.make_node("NonZero", ["x"], ["c"]), helper.make_node("Fused", ["x"], ["d"], domain="com.vendor")]
    model = small(*nodes, helper.make_node("Sum", ["a", "b", "c", "d"], ["y"]))
    refused(model, r"not implemented: Det, NonZero x2, com\.vendor\.Fused", Unsupported)


def test_operators_that_no_output_needs_do_not_matter() -> None:
    assert [
        n.op for n in read_onnx(small(helper.make_node("Det", ["x"], ["a"]), relu()).SerializeToString()).nodes
    ] == ["Relu"]


def test_subgraphs_are_refused() -> None:
    body = helper.make_graph([relu("x", "z")], "body", [], [helper.make_tensor_value_info("z", F32, None)])
    model = small(
        helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body), constants={"c": np.array(True)}
    )
    refused(model, "branches or loops: If x2; only plain networks", Unsupported)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (small(relu("y1", "y"), relu("y", "y1")), "2 nodes read each other in a circle"),
        (small(relu("nowhere")), r"tensors \['nowhere'\] are read but written by no node"),
        (small(relu(), relu()), r"tensors \['y'\] are written more than once"),
        (small(relu("x", "x")), r"tensors \['x'\] are written more than once"),
        (small(relu("x", "z")), r"outputs \['y'\] are written by no node"),
        (small(helper.make_node("Add", ["x", "w"], ["y"], "sum"), constants={"w": np.ones((5, 1), np.float32)}),
         r"node 'sum' \(Add\): operands \(1, 3, 8, 8\) and \(5, 1\) do not broadcast"),
        (small(helper.make_node("Conv", ["x"], ["y"], "conv")), r"node 'conv' \(Conv\): 1 operands; 2 to 3 are"),
        (small(helper.make_node("Relu", ["x"], ["y"], "r"), relu("y", "z"), out="z"), ""),
    ],
)  # fmt: skip
def test_inconsistent_files_are_refused(model: onnx.ModelProto, message: str) -> None:
    if message:
        refused(model, message)
    else:
        assert len(read_onnx(model.SerializeToString()).nodes) == 2


def test_nodes_out_of_order_are_put_in_order() -> None:
    graph = read_onnx(small(relu("a", "y"), relu("x", "a")).SerializeToString())
    assert [n.outputs[0] for n in graph.nodes] == ["a", "y"]


def test_double_output_is_refused() -> None:
    model = small(relu())
    model.graph.output.append(model.graph.output[0])
    refused(model, r"outputs \['y'\] are listed twice")


def test_initializer_with_a_false_size_is_refused_before_memory_is_taken() -> None:
    model = small(helper.make_node("Add", ["x", "w"], ["y"]), constants={"w": np.ones(3, np.float32)})
    model.graph.initializer[0].dims[:] = [BIG, BIG]
    refused(model, r"tensor 'w' states float32 \(1000000000000, 1000000000000\), \d+ bytes, but holds 12")
    model.graph.initializer[0].dims[:] = [-3]
    refused(model, r"tensor 'w' has shape \(-3,\)")
    model.graph.initializer[0].ClearField("raw_data")
    model.graph.initializer[0].dims[:] = [BIG]
    refused(model, "tensor 'w' states float32 .* values, but holds 0")


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("ConstantOfShape", ["big"], ["c"], "bomb"),
        helper.make_node("Expand", ["one", "big"], ["c"], "bomb"),
        helper.make_node("Tile", ["one", "big"], ["c"], "bomb"),
        helper.make_node("Range", ["start", "limit", "delta"], ["c"], "bomb"),
        helper.make_node("Pad", ["one", "pads"], ["c"], "bomb"),
        helper.make_node("Resize", ["one", "", "scales"], ["c"], "bomb"),
    ],
)
def test_small_file_with_a_huge_constant_is_refused_before_memory_is_taken(node: onnx.NodeProto) -> None:
    constants = {
        "big": np.array([BIG, BIG]),
        "pads": np.array([BIG, BIG, BIG, BIG]),
        "scales": np.array([1e6, 1e6], np.float32),
        "one": np.ones((1, 1), np.float32),
        "start": np.array(0),
        "limit": np.array(BIG),
        "delta": np.array(1),
    }
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(small(node, helper.make_node("Add", ["x", "c"], ["y"]), constants=constants), r"'bomb'.*at most 67108864")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KB


def test_constants_that_take_long_to_compute_are_refused() -> None:
    constants = {"a": np.ones((2000, 2000), np.float32)}
    nodes = [helper.make_node("MatMul", ["a", "a"], ["b"]), helper.make_node("Add", ["x", "b"], ["y"])]
    refused(small(*nodes, constants=constants), "MatMul.*at most")


def test_huge_activations_cost_nothing_to_read() -> None:
    model = small(relu())
    for dim in model.graph.input[0].type.tensor_type.shape.dim:
        dim.dim_value = 1 << 40
    assert read_onnx(model.SerializeToString()).outputs[0].shape == (1 << 40,) * 4


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (helper.make_node("Conv", ["x", "w"], ["y"], "n", strides=[0, 0]), r"strides \(0, 0\); 2 values from 1 up"),
        (helper.make_node("Conv", ["x", "w"], ["y"], "n", strides=[1]), r"strides \(1,\); 2 values"),
        (helper.make_node("Conv", ["x", "w"], ["y"], "n", pads=[-5] * 4), r"pads \(-5, .* from 0 up"),
        (helper.make_node("Conv", ["x", "w"], ["y"], "n", group=0), "group 0"),
        (helper.make_node("Conv", ["x", "w"], ["y"], "n", strides="two"), "attribute strides is 'two'"),
        (helper.make_node("Conv", ["x", "w"], ["y"], "n", strides=[1.5, 1.5]), r"attribute strides is \(1.5, 1.5\)"),
        (helper.make_node("Conv", ["x", "w"], ["y"], "n", auto_pad="SOMEHOW"), "auto_pad 'SOMEHOW'"),
        (helper.make_node("Concat", ["x", "x"], ["y"], "n"), r"missing ones \['axis'\]"),
        (helper.make_node("Concat", ["x", "x"], ["y"], "n", axis=9), "axis 9 of a tensor with 4 axes"),
        (helper.make_node("Transpose", ["x"], ["y"], "n", perm=[0, 0, 1, 2]), "each axis once is required"),
        (helper.make_node("MaxPool", ["x"], ["y"], "n", kernel_shape=[20, 20]), "smaller than the window"),
        (helper.make_node("Softmax", ["x"], ["y"], "n", axis=4), "axis 4"),
        (helper.make_node("DepthToSpace", ["x"], ["y"], "n", blocksize=0), "blocksize 0"),
    ],
)
def test_senseless_attributes_are_refused(node: onnx.NodeProto, message: str) -> None:
    refused(small(node, constants={"w": np.ones((4, 3, 3, 3), np.float32)}), rf"node 'n' \({node.op_type}\).*{message}")


def test_odd_ways_of_writing_a_node_are_refused() -> None:
    twice = helper.make_node("Softmax", ["x"], ["y"], "n", axis=1)
    twice.attribute.append(twice.attribute[0])
    refused(small(twice), "attribute axis is given twice or by reference")
    odd = helper.make_node("Softmax", ["x"], ["y"], "n")
    odd.attribute.append(helper.make_attribute("axis", ["a", "b"]))
    refused(small(odd), "attribute axis is neither number, numbers, text nor tensor", Unsupported)
    words = helper.make_node("Constant", [], ["c"], "n", value_strings=["a"])
    refused(small(words, helper.make_node("Add", ["x", "c"], ["y"])), "neither number", Unsupported)
    nothing = helper.make_node("Constant", [], ["c"], "n")
    refused(
        small(nothing, helper.make_node("Add", ["x", "c"], ["y"])), r"a constant given as \[\]; one of", Unsupported
    )
    hole = helper.make_node("ConvInteger", ["q", "w", "", "z"], ["i"], "n")
    constants = {"q": np.ones((1, 1, 4, 4), np.uint8), "w": np.ones((1, 1, 3, 3), np.uint8), "z": np.array(1, np.uint8)}
    cast = helper.make_node("Cast", ["i"], ["y"], to=F32)
    refused(
        small(hole, cast, constants=constants), "an optional operand is left out before one that is given", Unsupported
    )


@pytest.mark.parametrize(
    ("node", "operand", "message"),
    [
        (helper.make_node("Clip", ["x", "v"], ["y"], "n"), np.ones(2, np.float32), "its min has 2 values"),
        (helper.make_node("Reshape", ["x", "v"], ["y"], "n"), np.ones(5000, np.int64), "its shape has 5000 values"),
        (
            helper.make_node("Pad", ["x", "v"], ["y"], "n"),
            np.ones(3, np.int64),
            r"pads \(1, 1, 1\) for the axes .*; 8 values",
        ),
        (
            helper.make_node("Resize", ["x", "", "v"], ["y"], "n"),
            np.ones(3, np.float32),
            r"scales \(1.0, 1.0, 1.0\) for the axes",
        ),
        (helper.make_node("Add", ["x", "v"], ["y"], "n"), np.array(["a"]), "tensor 'v' is stored as STRING; float32"),
    ],
)
def test_operands_that_make_no_sense_are_refused(node: onnx.NodeProto, operand: np.ndarray, message: str) -> None:
    with pytest.raises((BadFile, Unsupported), match=message):
        read_onnx(small(node, constants={"v": operand}).SerializeToString())


def test_fill_of_several_values_is_refused() -> None:
    fill = helper.make_node("ConstantOfShape", ["v"], ["c"], "n", value=numpy_helper.from_array(np.ones(2, np.float32)))
    model = small(fill, helper.make_node("Add", ["x", "c"], ["y"]), constants={"v": np.array([8])})
    refused(model, "a fill of 2 values; one is required")


def test_cast_to_a_type_without_arrays_is_refused() -> None:
    refused(
        small(helper.make_node("Cast", ["x"], ["y"], "n", to=TensorProto.BFLOAT16)), "cast to ONNX type 16", Unsupported
    )


def test_inputs_must_be_tensors_with_a_number_of_axes() -> None:
    model = small(relu())
    model.graph.input[0].type.tensor_type.ClearField("shape")
    refused(model, "input 'x' states no shape; at least its number of axes is required")
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    refused(model, "input 'x' is no tensor of a type that is read", Unsupported)


def test_functions_and_sparse_weights_are_refused() -> None:
    model = small(relu())
    model.functions.add(name="f", domain="d")
    refused(model, "sparse initializers or functions of its own; inline them first", Unsupported)


def test_attribute_without_a_place_in_the_graph_is_refused() -> None:
    constants = {"s": np.array([1, 1, 2, 2], np.float32)}
    plain = helper.make_node("Resize", ["x", "", "s"], ["y"], "n", mode="linear", antialias=0)
    assert "antialias" not in read_onnx(small(plain, opset=18, constants=constants).SerializeToString()).nodes[0].attrs
    smooth = helper.make_node("Resize", ["x", "", "s"], ["y"], "n", mode="linear", antialias=1)
    refused(small(smooth, opset=18, constants=constants), "attribute antialias is 1; only", Unsupported)


def test_old_and_future_opsets_are_refused() -> None:
    refused(small(relu(), opset=6), "opset 6; 7 to", Unsupported)
    refused(small(relu(), opset=999), "opset 999; 7 to", Unsupported)


def test_values_computed_from_the_input_are_no_attributes() -> None:
    cast = helper.make_node("Cast", ["x"], ["i"], "cast", to=TensorProto.INT64)
    model = small(cast, helper.make_node("Reshape", ["x", "i"], ["y"], "n"))
    refused(model, r"'n' \(Reshape\): its shape is computed from the input's values", Unsupported)


def test_second_outputs_are_refused_only_where_they_are_read() -> None:
    pool = helper.make_node("MaxPool", ["x"], ["p", "where"], "pool", kernel_shape=[2, 2])
    assert len(read_onnx(small(pool, relu("p")).SerializeToString()).nodes) == 2
    cast = helper.make_node("Cast", ["where"], ["y"], "cast", to=F32)
    refused(small(pool, cast), "tensor 'where' is a second output of its node", Unsupported)


def test_names_that_are_no_text_are_refused() -> None:
    data = valid().SerializeToString().replace(b"conv", b"c\xff\xfev")
    with pytest.raises(BadFile, match="no text"):
        read_onnx(data, "net.onnx")


def external(folder: Path, **stated: str) -> Path:
    model = small(helper.make_node("Add", ["x", "w"], ["y"]), constants={"w": np.ones(8, np.float32)})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in stated.items():
        tensor.external_data.add(key=key, value=value)
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_external_data_is_read_from_the_folder(tmp_path: Path) -> None:
    values = np.arange(10, dtype=np.float32)
    (tmp_path / "w.bin").write_bytes(values.tobytes())
    graph = read_onnx(external(tmp_path, location="w.bin", offset="8", length="32"))
    np.testing.assert_array_equal(graph.constants["w"], values[2:])


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"location": "../secret"}, "a file in the folder of the ONNX file is required"),
        ({"location": "/etc/passwd"}, "a file in the folder"),
        ({"location": "link"}, "a file in the folder"),
        ({"location": "none.bin"}, "a file in the folder"),
        ({}, "a file in the folder"),
        ({"location": "w.bin", "offset": "12"}, "needs 32 bytes, stated are 32 at 12 of 40"),
        ({"location": "w.bin", "offset": "-8"}, "stated are 32 at -8"),
        ({"location": "w.bin", "length": str(BIG)}, "needs 32 bytes"),
        ({"location": "w.bin", "offset": "many"}, "must be numbers"),
    ],
)
def test_external_data_stays_inside_its_file_and_folder(tmp_path: Path, stated: dict[str, str], message: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(40))
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "w.bin").write_bytes(bytes(40))
    with pytest.raises(BadFile, match=message):
        read_onnx(external(folder, **stated))


def test_external_data_of_bytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="pass the path of the ONNX file instead of its bytes"):
        read_onnx(external(tmp_path, location="w.bin").read_bytes())


def judged(content: bytes) -> Verdict:
    row = Comparison(on="photo", output="y", nmse=0, peak=0, limits=Limits())
    facts = {"sha256": hashlib.sha256(content).hexdigest()}
    return Verdict(kind="export", subject="a", reference="b", comparisons=(row,), facts=facts)


def test_verdict_is_read_from_the_file_that_it_was_given_on() -> None:
    content = valid().SerializeToString()
    assert read_verdict(content) is None
    assert read_verdict(with_verdict(content, judged(content))) == judged(content)
    with pytest.raises(BadFile, match="no valid Verdict"):
        read_verdict(to_onnx(read_onnx(content), {"underone.verdict": "{}"}))


def test_verdict_on_other_bytes_is_none_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = valid().SerializeToString()
    path = tmp_path / "net.onnx"
    path.write_bytes(with_verdict(content, judged(content)))
    model = onnx.load(path)
    weight = model.graph.initializer[0]
    weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) + 1, weight.name))
    onnx.save(model, path)
    assert read_verdict(path) is None
    assert caplog.messages == [f"the verdict in {path} is on other bytes than the file has: unchecked"]
    moved = to_onnx(read_onnx(content), {"underone.verdict": judged(content).to_json()})  # of another file
    assert read_verdict(moved) is None


def test_spec_that_does_not_fit_the_file_is_refused() -> None:
    model = small(relu())
    helper.set_model_props(model, {"underone.spec": '{"spec_version": "1.0", "inputs": [{"name": "picture"}]}'})
    refused(model, r"its spec names the inputs \['picture'\], the file \['x'\]")
    helper.set_model_props(model, {"underone.spec": "[]"})
    refused(model, "no valid ModelSpec")


def bounded(call: Callable[[], object]) -> None:
    """Nothing but our own errors, in bounded time."""
    start, message = time.perf_counter(), ""
    try:
        call()
    except UnderOneError as error:
        message = str(error)
    assert "\n" not in message
    assert time.perf_counter() - start < 5


DATA = valid().SerializeToString()


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_flipped_bytes_never_crash_the_reader(flips: list[tuple[int, int]]) -> None:
    damaged = bytearray(DATA)
    for position, value in flips:
        damaged[position] = value
    bounded(lambda: read_onnx(bytes(damaged)))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, len(DATA)))
def test_truncated_files_never_crash_the_reader(length: int) -> None:
    bounded(lambda: read_onnx(DATA[:length]))


def test_valid_file_is_read() -> None:
    file = open_onnx(DATA)
    assert (file.opset, len(file.nodes), list(file.outputs)) == (17, 8, ["y"])
    assert [n.op for n in read_onnx(DATA).nodes] == ["Conv", "Clip", "GlobalAveragePool", "Reshape", "MatMul"]

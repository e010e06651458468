"""Writing: the same bytes for the same graph, standard operators, the oldest opset that has them."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from underone.errors import BadValue, UnknownName
from underone.graph import Graph, Node, Value, read_onnx, run_reference, to_onnx
from underone.spec import InputSpec, ModelSpec

RNG = np.random.default_rng(5)
X = RNG.standard_normal((2, 3, 8, 8)).astype(np.float32)


def net(*nodes: Node, constants: dict[str, np.ndarray] | None = None, **spec: Any) -> Graph:
    shape = (None, 3, 8, 8)
    return Graph(
        nodes, (Value("x", shape),), (Value(nodes[-1].outputs[0], (None,) * 4),), constants or {}, ModelSpec(**spec)
    )


def opset(data: bytes) -> int:
    return int(onnx.ModelProto.FromString(data).opset_import[0].version)


CONV = Node("Conv", ("x", "w"), ("y",), {"pads": (1, 1, 1, 1)}, "conv")
W = RNG.standard_normal((4, 3, 3, 3)).astype(np.float32)


def test_equal_graphs_give_equal_bytes() -> None:
    one = net(CONV, constants={"w": W, "v": W}, name="a")
    other = net(CONV, constants={"v": W, "w": W}, name="a")
    assert to_onnx(one, {"b": "1", "a": "2"}) == to_onnx(other, {"a": "2", "b": "1"})
    assert to_onnx(one) != to_onnx(replace(one, spec=ModelSpec(name="b")))


def test_spec_and_metadata_travel() -> None:
    spec = {
        "name": "mine",
        "task": "classify",
        "labels": ("a", "b"),
        "inputs": (InputSpec(name="x", shape=(None, 3, 8, 8)),),
    }
    data = to_onnx(net(CONV, constants={"w": W}, **spec), {"note": "hello"})
    read = read_onnx(data).spec
    assert (read.name, read.task, read.labels, read.inputs) == ("mine", "classify", ("a", "b"), spec["inputs"])
    stored = {p.key: p.value for p in onnx.ModelProto.FromString(data).metadata_props}
    assert stored["note"] == "hello"


def test_spec_is_not_taken_as_metadata() -> None:
    with pytest.raises(BadValue, match=r"'underone\.spec' is written from graph\.spec"):
        to_onnx(net(CONV, constants={"w": W}), {"underone.spec": "{}"})


def test_open_batch_is_named() -> None:
    model = onnx.ModelProto.FromString(to_onnx(net(CONV, constants={"w": W})))
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert (dims[0].dim_param, [d.dim_value for d in dims[1:]]) == ("batch", [3, 8, 8])
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize(
    ("node", "wanted"),
    [
        (CONV, 17),
        (Node("Gelu", ("x",), ("y",)), 20),
        (Node("Mish", ("x",), ("y",)), 18),
        (Node("Resize", ("x",), ("y",), {"sizes": (0, 0, 4, 4)}), 18),
        (Node("Resize", ("x",), ("y",), {"scales": (1, 1, 2, 2)}), 17),
        (Node("AveragePool", ("x",), ("y",), {"kernel_shape": (2, 2), "dilations": (1, 1)}), 17),
        (Node("AveragePool", ("x",), ("y",), {"kernel_shape": (2, 2), "dilations": (2, 2)}), 19),
        (Node("ReduceMean", ("x",), ("y",), {"axes": (2, 3)}), 17),
        (Node("Clip", ("x",), ("y",), {"min": 0, "max": 6}), 17),
        (Node("Clip", ("x",), ("y",), {"max": 6.0}), 17),
        (Node("LeakyRelu", ("x",), ("y",), {"alpha": 1}), 17),
        (Node("Slice", ("x",), ("y",), {"starts": (0,), "ends": (2**63 - 1,), "axes": (3,), "steps": (2,)}), 17),
        (Node("Pad", ("x",), ("y",), {"pads": (0, 0, 1, 1, 0, 0, 2, 2), "value": -1.0}), 17),
        (Node("Expand", ("k", "x"), ("y",), {"shape": (-1, 3, 8, 8)}), 17),
    ],
)
def test_written_node_runs_in_onnxruntime_at_the_oldest_opset(node: Node, wanted: int) -> None:
    graph = net(node, constants={"w": W, "k": np.ones((1, 3, 1, 8), np.float32)})
    data = to_onnx(graph)
    assert opset(data) == wanted
    (want,) = onnxruntime.InferenceSession(data).run(None, {"x": X})
    np.testing.assert_allclose(run_reference(graph, {"x": X})["y"], want, rtol=1e-5, atol=1e-5)
    again = to_onnx(read_onnx(data))
    assert to_onnx(read_onnx(again)) == again


def test_bounds_of_whole_numbers_have_their_dtype() -> None:
    graph = Graph(
        (Node("Clip", ("x",), ("y",), {"min": 0.0}),), (Value("x", (3,), "int32"),), (Value("y", (3,), "int32"),), {}
    )
    assert read_onnx(to_onnx(graph)).nodes[0].attrs == {"min": 0.0, "max": float("inf")}
    got = run_reference(graph, {"x": np.array([-5, 5, 2**31 - 1], np.int32)})["y"]
    np.testing.assert_array_equal(got, [0, 5, 2**31 - 1])


def test_names_of_added_tensors_avoid_those_of_the_graph() -> None:
    clip = Node("Clip", ("x",), ("y",), {"min": 0.0, "max": 6.0})
    add = Node("Add", ("y", "y/min"), ("z",))
    graph = net(clip, add, constants={"y/min": np.float32([100])})
    data = to_onnx(graph)
    np.testing.assert_array_equal(run_reference(read_onnx(data), {"x": X})["z"], np.clip(X, 0, 6) + 100)


def test_scalar_weights_stay_scalar() -> None:
    graph = net(Node("Add", ("x", "one"), ("y",)), constants={"one": np.float32(1).reshape(())})
    assert read_onnx(to_onnx(graph)).constants["one"].shape == ()


def test_what_onnx_cannot_hold_is_refused() -> None:
    with pytest.raises(BadValue, match="cast to 'complex64'; one of float32"):
        to_onnx(net(Node("Cast", ("x",), ("y",), {"to": "complex64"})))
    with pytest.raises(BadValue, match="tensor 'x' is complex64; one of float32"):
        to_onnx(replace(net(CONV, constants={"w": W}), inputs=(Value("x", (1, 3, 8, 8), "complex64"),)))
    with pytest.raises(UnknownName, match="unknown operator 'Convv'"):
        to_onnx(net(replace(CONV, op="Convv"), constants={"w": W}))
    with pytest.raises(BadValue, match=r"Conv has unknown attributes \['stride'\], missing ones \[\]; it takes"):
        to_onnx(net(replace(CONV, attrs={"stride": 2}), constants={"w": W}))
    with pytest.raises(BadValue, match="Concat: attribute axis is 'last'; a int is required"):
        to_onnx(net(Node("Concat", ("x", "x"), ("y",), {"axis": "last"})))

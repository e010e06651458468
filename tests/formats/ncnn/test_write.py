"""ncnn files, run by ncnn; it must give what the graph gives."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("ncnn", reason="the package ncnn is not installed")

import underone as uo
from underone.compare import Verdict, difference
from underone.errors import ParityFailed, Unsupported
from underone.formats import ncnn, read_back
from underone.formats.ncnn import of_ncnn, write_ncnn
from underone.formats.ncnn.operators import OPERATORS
from underone.graph import Graph, Node, Value, run_reference
from underone.spec import OutputSpec

RNG = np.random.default_rng(0)
PICTURE = (1, 4, 7, 6)
WINDOW = {"strides": (2, 1), "pads": (0, 1, 2, 1)}
POOL = {"kernel_shape": (3, 3), "strides": (2, 2)}


def draw(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


# operator, constants behind the first operand (None: the first operand again), attributes, shape
CASES = [
    ("Conv", [draw(6, 4, 3, 3), draw(6)], WINDOW | {"dilations": (1, 1)}, PICTURE),
    ("Conv", [draw(6, 4, 3, 2)], {"strides": (2, 2), "auto_pad": "SAME_UPPER"}, PICTURE),
    ("Conv", [draw(6, 4, 3, 3)], {"strides": (2, 2), "auto_pad": "SAME_LOWER"}, PICTURE),
    ("Conv", [draw(6, 4, 3, 3)], {"dilations": (1, 2), "pads": (2, 2, 2, 2)}, PICTURE),
    ("Conv", [draw(4, 1, 3, 3), draw(4)], {"group": 4, "strides": (2, 2), "pads": (1, 1, 1, 1)}, PICTURE),
    ("Conv", [draw(8, 2, 3, 3)], {"group": 2}, PICTURE),
    ("Gemm", [draw(6, 5), draw(5)], {}, (1, 6)),
    ("Gemm", [draw(6, 5), draw(1, 5)], {}, (1, 6)),
    ("Gemm", [draw(5, 6), draw(5)], {"transB": 1, "beta": 0.5}, (1, 6)),
    ("BatchNormalization", [draw(4), draw(4), draw(4), abs(draw(4)) + 0.5], {"epsilon": 1e-3}, PICTURE),
    ("Softmax", [], {"axis": 1}, PICTURE),
    ("Softmax", [], {"axis": -1}, (1, 3, 6)),
    ("Clip", [], {"min": 0.0, "max": 6.0}, PICTURE),
    ("Clip", [], {"min": -0.5}, PICTURE),
    *((op, [], {}, PICTURE) for op in ("Relu", "HardSwish", "Sigmoid", "Tanh", "Exp", "GlobalAveragePool", "Flatten")),
    *((op, [draw(4, 1, 1)], {}, PICTURE) for op in ("Add", "Sub", "Mul", "Div")),
    *((op, [np.float32(0.7)], {}, PICTURE) for op in ("Sub", "Div")),
    *((op, [None], {}, PICTURE) for op in ("Add", "Mul")),
    ("AveragePool", [], POOL | {"auto_pad": "SAME_UPPER"}, PICTURE),
    ("AveragePool", [], POOL | WINDOW, PICTURE),
    ("AveragePool", [], POOL | WINDOW | {"count_include_pad": 1}, PICTURE),
    ("MaxPool", [], WINDOW | {"kernel_shape": (3, 3)}, PICTURE),
    ("MaxPool", [], {"kernel_shape": (2, 2), "strides": (2, 2), "ceil_mode": 1}, PICTURE),
    ("Reshape", [], {"shape": (1, -1, 6)}, PICTURE),
    ("Squeeze", [], {"axes": (2,)}, (1, 4, 1, 6)),
    ("Unsqueeze", [], {"axes": (2,)}, (1, 4, 6)),
    *(("Transpose", [], {"perm": (0, *perm)}, PICTURE) for perm in itertools.permutations((1, 2, 3))),
    ("Transpose", [], {"perm": (0, 2, 1)}, PICTURE[:3]),
    *(("Concat", [draw(*shape)], {"axis": axis}, PICTURE) for axis, shape in ((1, (1, 2, 7, 6)), (-1, (1, 4, 7, 3)))),
    ("Slice", [], {"starts": (1, -4), "ends": (7, 6), "axes": (2, 3), "steps": (1, 1)}, PICTURE),
    ("Pad", [], {"pads": (0, 0, 1, 2, 0, 0, 0, 1), "value": 0.5}, PICTURE),
    ("Pad", [], {"pads": (0, 0, 1, 2, 0, 0, 0, 1), "mode": "reflect"}, PICTURE),
    ("Pad", [], {"pads": (0, 0, 1, 2, 0, 0, 0, 1), "mode": "edge"}, PICTURE),
    *(
        ("Resize", [], {"sizes": (0, 0, 13, 17), "mode": "linear", "coordinate_transformation_mode": corners}, PICTURE)
        for corners in ("align_corners", "half_pixel")
    ),
    *(
        ("Resize", [], {"scales": (1, 1, 13 / 7, 17 / 6), "mode": "linear", "coordinate_transformation_mode": corners},
         PICTURE)
        for corners in ("align_corners", "half_pixel")
    ),
    ("Resize", [], {"sizes": (0, 0, 33, 33)}, (1, 4, 1, 1)),
    ("Resize", [], {"scales": (1, 1, 2, 3), "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
     PICTURE),
    ("Identity", [], {}, PICTURE),
]  # fmt: skip


@pytest.mark.parametrize(("op", "others", "attrs", "shape"), CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_operator_computes_the_same_in_ncnn(tmp_path, one_node, op, others, attrs, shape):
    graph, path = one_node(op, others, attrs, shape), tmp_path / "net.param"
    write_ncnn(graph, path, "float32")
    image = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    got = of_ncnn(path, graph.spec).run({"image": image})["result"]
    assert difference(got, run_reference(graph, {"image": image})["result"])[0] < 1e-11


def test_every_operator_of_the_table_has_a_case():
    assert set(OPERATORS) == {case[0] for case in CASES}


@pytest.mark.parametrize("size", [224, 257, 300, 513])
@pytest.mark.parametrize(("dtype", "limit"), [("float32", 1e-10), ("float16", 1e-5)])
def test_network_is_proven_by_ncnn(tmp_path, two_heads, size, dtype, limit):
    graph = two_heads(size)
    path = uo.export(graph, tmp_path / "both.param", dtype)
    verdict = Verdict.from_json(path.with_name("both.param.verdict.json").read_text())
    assert {row.on.split(", ")[1] for row in verdict.comparisons} == {"ncnn"}
    assert {row.output for row in verdict.comparisons} == {"codes_out", "logits"}
    assert max(row.nmse for row in verdict.comparisons) < limit
    assert sorted(verdict.facts["sha256"]) == ["both.ncnn.bin", "both.param"]
    per_weight = 4 if dtype == "float32" else 2
    assert (tmp_path / "both.ncnn.bin").stat().st_size < per_weight * graph.params + 200


def test_activations_are_fused_and_what_several_read_is_split(tmp_path, two_heads):
    path = tmp_path / "both.ncnn.param"
    write_ncnn(two_heads(), path, "float32")
    layers = [line.split() for line in path.read_text().splitlines()[2:]]
    assert "9=3" in next(line for line in layers if line[0] == "Convolution")
    assert "Clip" not in {line[0] for line in layers}
    read = [name for line in layers for name in line[4 : 4 + int(line[2])]]
    assert len(read) == len(set(read))
    assert (tmp_path / "both.ncnn.bin").is_file()


def test_activation_that_several_follow_is_not_fused(tmp_path):
    nodes = (
        Node("Conv", ("image", "w"), ("a",), {}, "a"),
        Node("Relu", ("a",), ("b",), {}, "b"),
        Node("Add", ("a", "b"), ("c",), {}, "c"),
    )
    values = [Value(name, (1, 4, 5, 5)) for name in ("image", "c", "b")]
    graph = Graph(nodes, (values[0],), tuple(values[1:]), {"w": draw(4, 4, 1, 1)})
    uo.export(graph, tmp_path / "net.param")


def test_fault_is_found_and_nothing_is_kept(tmp_path, two_heads, monkeypatch):
    def wrong(graph, path, dtype):
        ncnn.write_ncnn(two_heads(64, padding="SAME_LOWER"), path, dtype)

    monkeypatch.setattr(read_back, "FORMATS", {".param": replace(read_back.FORMATS[".param"], write=wrong)})
    with pytest.raises(ParityFailed, match=r"both\.param was not written: export FAILED"):
        uo.export(two_heads(64), tmp_path / "both.param")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("op", "others", "attrs", "shape", "text"), [
    ("Conv", [draw(6, 4, 3)], {}, (1, 4, 7), "a tensor of 3 axes"),
    ("Conv", [None], {}, PICTURE, "operand 'image', which is computed"),
    ("Gemm", [draw(6, 5)], {"alpha": 2.0}, (1, 6), "a product that is scaled or turned"),
    ("Gemm", [draw(6, 5), draw(4, 1)], {}, (4, 6), "a bias for each row"),
    ("MaxPool", [], {"kernel_shape": (2, 2), "dilations": (2, 2)}, PICTURE, "a pool with dilations"),
    ("AveragePool", [], {"kernel_shape": (2, 2), "strides": (2, 2), "ceil_mode": 1, "count_include_pad": 1}, PICTURE,
     "a mean that counts its padding, and with ceil_mode not all of it,"),
    ("Softmax", [], {"axis": 0}, PICTURE, "the first axis, which tells the pictures apart,"),
    ("Add", [draw(2, 1, 1, 1)], {}, (2, 4, 7, 6), r"a constant \(2, 1, 1, 1\), another one for each picture,"),
    ("Reshape", [], {"shape": (4, 42)}, PICTURE, r"\(1, 4, 7, 6\) as \(4, 42\)"),
    ("Transpose", [], {"perm": (1, 0, 2, 3)}, PICTURE, r"moving axes as \(1, 0, 2, 3\)"),
    ("Slice", [], {"starts": (0,), "ends": (6,), "axes": (2,), "steps": (2,)}, PICTURE, "a slice in steps"),
    ("Pad", [], {"pads": (0, 1, 0, 0, 0, 0, 0, 0)}, PICTURE, "in mode 'constant'"),
    ("Resize", [], {"sizes": (0, 0, 13, 17), "mode": "cubic"}, PICTURE, "resizing by 'cubic'"),
    ("Resize", [], {"scales": (1, 1, 1.9, 2.9), "mode": "linear"}, PICTURE, "resizing by 'linear', 'half_pixel'"),
])  # fmt: skip
def test_what_has_no_form_is_refused_in_one_line(tmp_path, one_node, op, others, attrs, shape, text):
    with pytest.raises(Unsupported, match=rf"^node 'result' \({op}\): .*{text}.* cannot be written for ncnn$"):
        write_ncnn(one_node(op, others, attrs, shape), tmp_path / "net.param", "float32")
    assert not list(tmp_path.iterdir())


def test_operands_operators_and_sizes_that_have_no_form_are_named(tmp_path, one_node):
    nodes = (
        Node("Squeeze", ("image",), ("flat",), {"axes": (2,)}, "flat"),
        Node("Add", ("image", "flat"), ("result",), {}, "result"),
    )
    graph = Graph(nodes, (Value("image", (1, 4, 1, 4)),), (Value("result", (1, 4, 4, 4)),), {})
    with pytest.raises(Unsupported, match=r"a computed operand of fewer axes cannot be written for ncnn"):
        write_ncnn(graph, tmp_path / "net.param", "float32")
    with pytest.raises(Unsupported, match="operators that cannot be written for ncnn: Mish"):
        write_ncnn(one_node("Mish", [], {}, PICTURE), tmp_path / "net.param", "float32")
    open_shape = (None, 3, None, None)
    graph = Graph((nodes[0],), (Value("image", open_shape),), (Value("flat", open_shape),), {})
    with pytest.raises(Unsupported, match=r"'image' .* is open or not float32; .*: size=\(H, W\)"):
        write_ncnn(graph, tmp_path / "net.param", "float32")
    assert not list(tmp_path.iterdir())


def test_files_that_are_damaged_are_one_line(tmp_path, two_heads):
    graph, path = two_heads(33), tmp_path / "both.param"
    write_ncnn(graph, path, "float32")
    spec = graph.spec.model_copy(update={"outputs": (OutputSpec(name="other"),)})
    with pytest.raises(ParityFailed, match=r"^ncnn does not give other of both\.param$"):
        of_ncnn(path, spec).run({"image": np.zeros((1, 3, 33, 33), np.float32)})
    path.write_text("no network")
    with pytest.raises(ParityFailed, match=r"^ncnn cannot load both\.param"):
        of_ncnn(path, graph.spec)

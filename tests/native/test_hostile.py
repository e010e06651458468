"""Absurd steps and damaged files: an error with the reason or a result, never a crash, and bounded memory."""

import math
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from underone import _native as native
from underone.errors import UnderOneError
from underone.graph import Graph, Node, TensorType, infer_shapes, read_onnx
from underone.graph.graph import Value
from underone.graph.shapes import node_types
from underone.native import lower
from underone.runtime.model_file import open_model as open_file
from underone.runtime.via_native import open_model

NUMBERS = (-(2**63), -(2**33), -(2**31), -3, -2, -1, 0, 1, 2, 3, 4, 7, 17, 2**31 - 1, 2**31, 2**33, 2**62, 2**63 - 1)
REALS = (0.0, -1.0, 0.5, math.nan, math.inf, -math.inf, 1e300, 1e-300, 3.4e38, 1.7)
WORDS = (
    "", "NOTSET", "SAME_UPPER", "SAME_LOWER", "nearest", "linear", "cubic", "constant", "reflect", "edge", "wrap",
    "DCR", "CRD", "tanh", "align_corners", "tf_crop_and_resize", "x" * 50,
)  # fmt: skip
DTYPES = (
    "float32", "int64", "int32", "uint8", "int8", "bool", "float64", "float16", "int16", "uint16", "uint32", "uint64",
)  # fmt: skip
SIZES = (0, 1, 2, 3, 4, 5, 7, 8, -1, 2**33, 2**40, 2**62, 2**63 - 1)
SMALL = 1 << 23  # bytes; larger tensors are not filled

REFUSALS = (ValueError, NotImplementedError, MemoryError, TypeError)  # TypeError: no number, word or list of them


@dataclass(frozen=True)
class Row:
    """A tensor of a plan."""

    dtype: str
    shape: tuple[int, ...]
    pad: int = -1

    @property
    def bytes(self) -> int:
        return np.dtype(self.dtype).itemsize * math.prod(max(d, 0) for d in self.shape)


@dataclass(frozen=True)
class Case:
    """What a plan is made of; -1 is an operand that is left out."""

    rows: tuple[Row, ...]
    steps: tuple[tuple[str, dict[str, Any], tuple[int, ...], tuple[int, ...]], ...]
    constants: dict[int, np.ndarray]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def changed_value(r: random.Random, value: Any) -> Any:
    if r.random() < 0.05:
        return r.choice([3, 1.5, "x", [1, 2], [0.5], []])
    if isinstance(value, list | tuple):
        numbers = REALS if any(isinstance(v, float) for v in value) else r.choice([NUMBERS, range(-3, 7)])
        some = [r.choice(numbers) if r.random() < 0.4 else v for v in value]
        return r.choice([some, some, some, [*some, r.choice(numbers)], some[:-1]])
    if isinstance(value, str):
        return r.choice(WORDS)
    return r.choice(REALS if isinstance(value, float) else NUMBERS)


def changed_shape(r: random.Random, shape: Sequence[int]) -> tuple[int, ...]:
    made = list(shape)
    at = r.randint(0, len(made))
    how = r.random()
    if how < 0.2 or not made:
        made.insert(at, r.choice(SIZES[:6]))
    elif how < 0.4:
        made.pop(at % len(made))
    else:
        made[at % len(made)] = r.choice(SIZES if r.random() < 0.3 else SIZES[:8])
    return tuple(made)


def changed(r: random.Random, case: Case) -> Case:
    """Change one thing: an attribute, a dtype, a shape, a border, an operand."""
    how, s = r.random(), r.randrange(len(case.steps))
    op, attrs, inputs, outputs = case.steps[s]
    touched = [i for i in (*inputs, *outputs) if 0 <= i < len(case.rows)]
    if how < 0.55 and attrs:
        name = r.choice(sorted(attrs))
        attrs = {k: v for k, v in attrs.items() if k != name or r.random() > 0.05}
        attrs |= {name: changed_value(r, attrs[name])} if name in attrs else {}
    elif how < 0.9 and touched:
        at = r.choice(touched)
        row = case.rows[at]
        options = [replace(row, dtype=r.choice(DTYPES)), replace(row, pad=r.choice([-1, 0, 1, 5, 2**30, 2**31 - 1]))]
        row = r.choice([*options, *[replace(row, shape=changed_shape(r, row.shape))] * 4])
        return replace(case, rows=(*case.rows[:at], row, *case.rows[at + 1 :]))
    else:
        anything = [*range(-2, len(case.rows) + 1), 2**31 - 1]
        inputs = r.choice(
            [(*inputs, r.choice(anything)), inputs[:-1], tuple(r.choice([i, i, r.choice(anything)]) for i in inputs)]
        )
    return replace(case, steps=(*case.steps[:s], (op, attrs, inputs, outputs), *case.steps[s + 1 :]))


def fitting(case: Case) -> Case:
    """Give the outputs of a single step the shapes that its operands and attributes ask for, if they make any."""
    op, attrs, inputs, outputs = case.steps[0]
    try:
        operands = [TensorType(case.rows[i].shape, case.rows[i].dtype) for i in inputs if i >= 0]
        _, types = node_types(Node(op, ("x",) * len(operands), ("y",) * len(outputs), attrs), operands)
    except (UnderOneError, ArithmeticError, IndexError, ValueError, TypeError):
        return case
    rows = list(case.rows)
    for i, t in zip(outputs, types, strict=True):
        rows[i] = replace(rows[i], shape=t.shape, dtype=t.dtype if t.dtype in DTYPES else rows[i].dtype)
    return replace(case, rows=tuple(rows))


def contents(r: random.Random, row: Row) -> np.ndarray:
    return (
        np.frombuffer(r.randbytes(row.bytes), np.uint8).view(row.dtype).reshape(row.shape)
    )  # NaN and strange bool too


def survive(r: random.Random, case: Case, isa: str) -> bool:
    """Make a plan and run it on random bits; tell whether it ran."""
    if any(SMALL < row.bytes <= 2 * native_limit() for row in case.rows):
        return False  # allowed, but too large to try a thousand times
    known = all(all(0 <= d <= SMALL for d in row.shape) and row.bytes <= SMALL for row in case.rows)
    bound = r.random() < 0.3
    constants = {i: contents(r, case.rows[i]) for i in case.constants} if known else dict(case.constants)
    constants |= {i: contents(r, case.rows[i]) for i in case.inputs if bound and known}
    inputs = [i for i in case.inputs if i not in constants]
    steps = [(op, "a step", attrs, list(ins), list(outs)) for op, attrs, ins, outs in case.steps]
    rows = [(row.dtype, list(row.shape), row.pad) for row in case.rows]
    start, reason = time.perf_counter(), None
    try:
        made = native.Plan(rows, constants, steps, inputs, list(case.outputs), isa=isa)
        if known:
            made.run([contents(r, case.rows[i]) for i in inputs])
    except REFUSALS as error:
        reason = str(error)
    assert reason != ""
    assert time.perf_counter() - start < 5
    return known and reason is None


def native_limit() -> int:
    return 4 << 30  # bytes that a tensor may have


def plain_case(case: Any) -> Case | None:
    data, inputs, _ = next(case.files())
    graph = read_onnx(data)
    if len(graph.nodes) != 1:
        return None
    types = infer_shapes(graph, sizes={name: np.shape(a) for name, a in inputs.items()})
    (node,) = graph.nodes
    attrs, _ = node_types(node, [types[n] for n in node.inputs if n])
    names = [*dict.fromkeys([*(n for n in node.inputs if n), *node.outputs])]
    numbers = {n: i for i, n in enumerate(names)}
    operands, results = (tuple(numbers.get(n, -1) for n in side) for side in (node.inputs, node.outputs))
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in attrs.items() if v is not None}
    rows = tuple(Row(types[n].dtype, tuple(types[n].shape)) for n in names)
    return Case(
        rows, ((node.op, values, operands, results),), {}, tuple(i for i in dict.fromkeys(operands) if i >= 0), results
    )


@pytest.fixture(scope="module")
def plain_cases(onnx_cases: dict[str, Any]) -> list[Case]:
    found = [plain_case(case) for case in onnx_cases.values() if not case.refusal]
    return [case for case in found if case is not None]


ISAS = [isa for isa in native.isas() if isa != "amx"]
RANDOM = st.integers(0, 2**32).map(random.Random)


def test_absurd_plain_step_is_an_error_or_runs(plain_cases: list[Case]) -> None:
    ran = 0

    @settings(
        max_examples=4000, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(RANDOM)
    def attempt(r: random.Random) -> None:
        nonlocal ran
        case = r.choice(plain_cases)
        for _ in range(r.choice([1, 1, 1, 2, 3])):
            case = changed(r, case)
        ran += survive(r, fitting(case) if r.random() < 0.6 else case, r.choice(ISAS))

    attempt()
    assert ran > 800  # most of the others say why not


def network() -> Graph:
    """Everything that works on maps: stem, depthwise, expansion with a residual, gate, dense windows, linear."""
    rng, constants, nodes = np.random.default_rng(0), {}, []

    def weight(*shape: int) -> str:
        name = f"w{len(constants)}"
        constants[name] = rng.standard_normal(shape).astype(np.float32)
        return name

    def node(op: str, *inputs: str, **attrs: Any) -> str:
        nodes.append(Node(op, inputs, (f"t{len(nodes)}",), attrs))
        return nodes[-1].outputs[0]

    def conv(x: str, channels: int, out: int, k: int = 1, group: int = 1, **attrs: Any) -> str:
        pads = (k // 2,) * 4
        return node("Conv", x, weight(out, channels // group, k, k), weight(out), pads=pads, group=group, **attrs)

    x = node("Relu", conv("x", 3, 8, 3, strides=(2, 2)))
    x = node("Relu", conv(node("Relu", conv(x, 8, 8, 3, 8)), 8, 20))
    wide = node("Clip", conv(x, 20, 40), min=0.0, max=6.0)
    x = node("Add", conv(node("Clip", conv(wide, 40, 40, 3, 40), min=0.0, max=6.0), 40, 20), x)
    gate = node("Sigmoid", conv(node("Relu", conv(node("GlobalAveragePool", x), 20, 5)), 5, 20))
    x = node("HardSwish", conv(node("Mul", x, gate), 20, 24, 3, strides=(2, 2)))
    x = node("Flatten", node("GlobalAveragePool", x))
    node("Gemm", x, weight(10, 24), weight(10), transB=1)
    return Graph(tuple(nodes), (Value("x", (1, 3, 17, 19)),), (Value(nodes[-1].outputs[0], (1, 10)),), constants)


def quantised_network() -> Graph:
    """Everything that works on bytes: stem, windows, a residual, means, tables, factors, back to floats."""
    rng, nodes = np.random.default_rng(0), []
    constants: dict[str, Any] = {"s": np.float32(0.05), "z": np.uint8(110), "ws": np.float32(0.01), "wz": np.int8(0)}

    def node(op: str, *inputs: str, **attrs: Any) -> str:
        nodes.append(Node(op, inputs, (f"t{len(nodes)}",), attrs))
        return nodes[-1].outputs[0]

    def conv(x: str, channels: int, out: int, k: int = 1, group: int = 1, **attrs: Any) -> str:
        weight = f"w{len(constants)}"
        constants[weight] = rng.integers(-127, 128, (out, channels // group, k, k)).astype(np.int8)
        pads = (k // 2,) * 4
        return node("QLinearConv", x, "s", "z", weight, "ws", "wz", "s", "z", pads=pads, group=group, **attrs)

    def real(x: str) -> str:
        return node("DequantizeLinear", x, "s", "z")

    def rounded(x: str) -> str:
        return node("QuantizeLinear", x, "s", "z")

    x = conv(conv(rounded("x"), 3, 40, 3, strides=(2, 2)), 40, 40, 3, 40)
    wide = conv(x, 40, 70)
    x = conv(conv(wide, 70, 70, 5, 70), 70, 40)
    x = rounded(node("Add", real(x), real(conv(wide, 70, 40))))
    gate = rounded(node("Sigmoid", real(conv(rounded(node("GlobalAveragePool", real(x))), 40, 40))))
    x = conv(rounded(node("Mul", real(x), real(gate))), 40, 24, 3, strides=(2, 2))
    real(x)
    return Graph(tuple(nodes), (Value("x", (1, 3, 17, 19)),), (Value(nodes[-1].outputs[0], ()),), constants)


@pytest.mark.parametrize("graph", [network(), quantised_network()], ids=["floats", "bytes"])
def test_absurd_step_on_maps_is_an_error_or_runs(graph: Graph) -> None:
    program = lower(graph, {"x": (1, 3, 17, 19)})
    assert sum(step.op.startswith("cells.") for step in program.steps) > 6
    rows = tuple(Row(t.dtype, tuple(t.shape), pad) for t, pad in zip(program.types, program.pads, strict=True))
    steps = tuple((s.op, dict(s.attrs), tuple(s.inputs), tuple(s.outputs)) for s in program.steps)
    whole = Case(rows, steps, program.constants, tuple(program.inputs), tuple(program.outputs))
    ran = 0

    @settings(
        max_examples=1500, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(RANDOM)
    def attempt(r: random.Random) -> None:
        nonlocal ran
        case = whole
        for _ in range(r.choice([1, 1, 1, 2, 3])):
            case = changed(r, case)
        ran += survive(r, case, r.choice(ISAS))

    assert survive(random.Random(0), whole, ISAS[0])
    attempt()
    assert ran > 50


def file() -> bytes:
    """Operators of both kinds, in the form that files have."""
    rng = np.random.default_rng(0)
    constants = {
        "w": rng.standard_normal((8, 3, 3, 3)).astype(np.float32),
        "d": rng.standard_normal((8, 1, 3, 3)).astype(np.float32),
        "p": rng.standard_normal((6, 8, 1, 1)).astype(np.float32),
        "b": rng.standard_normal(8).astype(np.float32),
        "shape": np.array([0, -1], np.int64),
        "m": rng.standard_normal((24, 5)).astype(np.float32),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
        "scales": np.array([1, 1, 0.5, 0.5], np.float32),
    }
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["a"], "pad"),
        helper.make_node("Conv", ["a", "w", "b"], ["c"], "conv", strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("Conv", ["r", "d", "b"], ["e"], "depthwise", group=8, pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["e", "p"], ["f"], "pointwise"),
        helper.make_node("Resize", ["f", "", "scales"], ["g"], "resize", mode="linear"),
        helper.make_node("Transpose", ["g"], ["h"], "transpose", perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["h", "shape"], ["i"], "reshape"),
        helper.make_node("MatMul", ["i", "m"], ["j"], "product"),
        helper.make_node("Softmax", ["j"], ["y"], "softmax"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    stored = [numpy_helper.from_array(a, name) for name, a in constants.items()]
    graph = helper.make_graph(nodes, "small", [x], [y], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


DATA = file()


def bounded(call: Callable[[], object]) -> None:
    """Nothing but our own errors, in one line and bounded time."""
    start, message = time.perf_counter(), ""
    try:
        call()
    except UnderOneError as error:
        message = str(error)
    assert "\n" not in message
    assert time.perf_counter() - start < 5


def run_file(data: bytes) -> bool:
    engine = open_model(open_file(data), 1, "float32")
    shapes = {v.name: [1 if d is None else d for d in v.shape] for v in engine.graph.inputs}
    if any(math.prod(shape) > 1 << 20 for shape in shapes.values()):
        return False
    engine.run({v.name: np.ones(shapes[v.name], v.dtype) for v in engine.graph.inputs})
    return True


def test_whole_file_runs() -> None:
    assert run_file(DATA)


@settings(max_examples=1000, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_file_is_an_error_or_runs(flips: list[tuple[int, int]]) -> None:
    damaged = bytearray(DATA)
    for position, value in flips:
        damaged[position] = value
    bounded(lambda: run_file(bytes(damaged)))


TEXT = sorted({i for i in range(len(DATA) - 1) if DATA[i : i + 1] in b"\x08\x10\x18\x20\x40\x12" for i in (i, i + 1)})


@settings(max_examples=1500, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(TEXT), st.integers(0, 255)), min_size=1, max_size=3))
def test_file_with_damaged_fields_is_an_error_or_runs(flips: list[tuple[int, int]]) -> None:
    damaged = bytearray(DATA)
    for position, value in flips:
        damaged[position] = value
    bounded(lambda: run_file(bytes(damaged)))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([Row("float32", (2**40,)), Row("float32", (2**40,))], "at most 4 GiB are allowed"),
        ([Row("float32", (2**62, 2**62)), Row("float32", (2**62, 2**62))], "at most 4 GiB are allowed"),
        ([Row("uint8", (-1,)), Row("uint8", (-1,))], "sizes from 0 up are required"),
        ([Row("float32", (2,)), Row("float32", (3,))], re.escape("output 0 must be float32 (2,)")),
        ([Row("float32", (2,)), Row("int8", (2,))], re.escape("output 0 must be float32 (2,)")),
    ],
)
def test_sizes_that_cannot_be_are_refused(rows: list[Row], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        native.Plan(
            [(r.dtype, list(r.shape), -1) for r in rows], {}, [("Relu", "n", {}, [0], [1])], [0], [1], isa=ISAS[0]
        )


def test_sixteen_gibibytes_are_the_limit_of_all_tensors_together() -> None:
    rows = [("float32", [2**30], -1)] * 5
    steps = [("Relu", "n", {}, [i], [i + 1]) for i in range(4)]
    with pytest.raises(ValueError, match="need more than 16 GiB together"):
        native.Plan(rows, {}, steps, [0], [4], isa=ISAS[0])


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([("Relu", [0], [1]), ("Relu", [0], [1])], "tensor 1 is written twice"),
        ([("Relu", [1], [1])], "tensor 1 is read before it is written"),
        ([("Relu", [7], [1])], "names tensor 7, which does not exist"),
        ([("Relu", [0], [-1])], "names tensor -1, which does not exist"),
        ([("Relu", [-1], [1])], "operand 0 is left out"),
        ([("Relu", [], [1])], "0 operands"),
    ],
)
def test_steps_that_do_not_follow_one_another_are_refused(steps: Any, message: str) -> None:
    rows, full = [("float32", [2], -1)] * 2, [(op, "n", {}, ins, outs) for op, ins, outs in steps]
    with pytest.raises(ValueError, match=message):
        native.Plan(rows, {}, full, [0], [1], isa=ISAS[0])

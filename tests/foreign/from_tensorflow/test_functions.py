import numpy as np
import pytest

from underone.errors import BadFile
from underone.foreign.from_tensorflow import read_frozen_graph
from underone.graph import run_reference

LIMIT = r"its functions have more than 65536 nodes together"


def function(t, name, arguments, results, *nodes):
    """A FunctionDef: a signature, nodes, and where the results come from."""
    signature = t.field(1, name.encode())
    signature += b"".join(t.field(2, t.field(1, a.encode())) for a in arguments)
    signature += b"".join(t.field(3, t.field(1, r.encode())) for r in results)
    body = b"".join(t.field(3, n[n.index(b"\n", 1) :]) for n in nodes)
    given = b"".join(t.field(4, t.field(1, r.encode()) + t.field(2, w.encode())) for r, w in results.items() if w)
    return t.field(1, t.field(1, signature) + body + given)


def call(t, name, called, *inputs):
    return t.node(name, "PartitionedCall", inputs, f=t.field(10, t.field(1, called.encode())))


@pytest.fixture
def graph(tmp_path, by_hand):
    def write(*functions, called="double", inputs=("x",)):
        path = tmp_path / "net.pb"
        library = by_hand.field(2, b"".join(functions))
        path.write_bytes(by_hand.picture() + call(by_hand, "y", called, *inputs) + library)
        return path

    return write


def test_calls_inside_calls_are_followed(graph, by_hand):
    t = by_hand
    twice = function(
        t,
        "double",
        ["a"],
        {"r": "c:output:0"},
        call(t, "b", "pair", "a"),
        call(t, "c", "sum", "b:output:1", "b:output"),
    )
    pair = function(
        t, "pair", ["a"], {"p": "m:y:0", "q": "n:y:0"}, t.node("m", "Neg", ["a"]), t.node("n", "Abs", ["a"])
    )
    add = function(t, "sum", ["a", "b"], {"r": "s:z:0"}, t.node("s", "Sub", ["a", "b"]))
    data = np.random.default_rng(0).normal(size=(1, 3, 4, 4)).astype(np.float32)
    got = run_reference(read_frozen_graph(graph(twice, pair, add)).graph(), {"x": data})["y"]
    np.testing.assert_array_equal(got, (np.abs(data) + data).transpose(0, 2, 3, 1))


def test_result_from_nowhere_is_refused(graph, by_hand):
    wrong = function(by_hand, "double", ["a"], {"r": ""}, by_hand.node("m", "Neg", ["a"]))
    with pytest.raises(BadFile, match=r"byte \d+: function 'double' does not say what its results \['r'\] are"):
        read_frozen_graph(graph(wrong))


def test_call_with_other_arguments_is_refused(graph, by_hand):
    right = function(by_hand, "double", ["a"], {"r": "m:y:0"}, by_hand.node("m", "Neg", ["a"]))
    with pytest.raises(BadFile, match=r"node 'y' \(PartitionedCall\) gives 2 arguments to 'double'; it takes 1"):
        read_frozen_graph(graph(right, inputs=("x", "x")))


def test_calls_that_multiply_are_refused(graph, by_hand):
    levels = [
        function(
            by_hand, f"f{i}", ["a"], {"r": "c0:output:0"}, *(call(by_hand, f"c{k}", f"f{i + 1}", "a") for k in range(4))
        )
        for i in range(12)
    ]
    last = function(by_hand, "f12", ["a"], {"r": "m:y:0"}, by_hand.node("m", "Neg", ["a"]))
    with pytest.raises(BadFile, match=LIMIT):
        read_frozen_graph(graph(*levels, last, called="f0"))

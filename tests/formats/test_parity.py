"""The limits of a comparison: what a network's own rounding allows, and what no rounding excuses."""

from collections.abc import Callable

import numpy as np
import pytest

from underone.compare import ROUNDING
from underone.errors import ParityFailed, Unsupported
from underone.formats.forms import Form, of_graph
from underone.formats.parity import compare_forms, limits_on
from underone.graph import Graph, Node, Value, to_float16
from underone.graph.graph import Array

NOISE = np.random.default_rng(0).standard_normal((3, 1000)).astype(np.float32)


def amplifying(offset: float) -> Graph:
    """x + offset - offset: in float64 it is x, in float32 the last bits of x are lost."""
    nodes = (Node("Add", ("x", "offset"), ("sum",)), Node("Sub", ("sum", "offset"), ("y",)))
    return Graph(nodes, (Value("x", (None, 1000)),), (Value("y", (None, 1000)),), {"offset": np.float32(offset)[None]})


def engine(graph: Graph, function: Callable[[Array], Array]) -> Form:
    return Form("engine", of_graph(graph).spec, lambda inputs: {"y": function(inputs["x"])})


@pytest.mark.parametrize("probe", ["noise", "photo"])
def test_network_that_amplifies_rounding_is_judged_by_its_own(probe: str) -> None:
    graph = amplifying(4096)
    ((row,), notes) = compare_forms(engine(graph, np.copy), of_graph(graph), {probe: NOISE}, "float32")
    step = 2.0**-11  # of float32 between 4096 and 8192; half of it above, and half as large below
    assert row.nmse == pytest.approx(step**2 / 12 * 5 / 8, rel=0.1)
    assert row.passed
    assert row.limits.nmse == pytest.approx(100 * row.nmse)  # the engine is exact, so its distance is the rounding
    assert row.limits.peak == pytest.approx(10 * row.peak)
    limits = f"nmse {row.limits.nmse:.1e}, peak {row.limits.peak:.1e}"
    assert notes[0].endswith(f"it amplifies rounding, so the limits of 'y' there are {limits}")


FAULTS = {
    "one percent gain": lambda x: x * np.float32(1.01),
    "one element in 3000": lambda x: np.where(np.arange(x.size).reshape(x.shape) == 7, x + np.float32(0.01), x),
    "clipped": lambda x: np.clip(x, -2.5, 2.5),
    "swapped batch": lambda x: x[::-1],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_beyond_the_widened_limits(fault: str) -> None:
    graph = amplifying(4096)
    ((row,), _) = compare_forms(engine(graph, FAULTS[fault]), of_graph(graph), {"noise": NOISE}, "float32")
    assert row.limits.nmse > ROUNDING["float32"].nmse
    assert not row.passed


def test_limits_are_never_wider_than_those_of_float16() -> None:
    graph = amplifying(2e6)
    ((row,), _) = compare_forms(engine(graph, np.copy), of_graph(graph), {"noise": NOISE}, "float32")
    assert (row.limits.nmse, row.limits.peak) == (ROUNDING["float16"].nmse, ROUNDING["float16"].peak)
    assert not row.passed


def test_network_that_keeps_its_bits_keeps_the_usual_limits() -> None:
    graph = amplifying(0)
    double = engine(graph, lambda x: x * np.float32(1.0002))
    ((row,), notes) = compare_forms(double, of_graph(graph), {"noise": NOISE}, "float32")
    assert not row.passed
    assert row.limits == ROUNDING["float32"]
    assert not any("rounding" in note for note in notes)


def in_float16(offset: float) -> Callable[[Array], Array]:
    half = np.float16(offset)
    return lambda x: ((x.astype(np.float16) + half) - half).astype(np.float32)


def test_network_that_amplifies_rounding_is_judged_by_it_in_float16_too() -> None:
    graph = amplifying(256)
    ((row,), notes) = compare_forms(engine(graph, in_float16(256)), of_graph(graph), {"noise": NOISE}, "float16")
    step = 2.0**-2  # of float16 between 256 and 512
    assert row.nmse == pytest.approx(step**2 / 12 * 5 / 8, rel=0.1)
    assert row.limits.nmse == pytest.approx(4 * row.nmse, rel=0.1)  # twice as far as 13 bits fewer
    assert row.passed
    assert f"the limits of 'y' there are nmse {row.limits.nmse:.1e}, peak {row.limits.peak:.1e}" in notes[0]
    ((row,), _) = compare_forms(engine(graph, FAULTS["swapped batch"]), of_graph(graph), {"noise": NOISE}, "float16")
    assert not row.passed


def test_no_rounding_of_float16_excuses_a_gain() -> None:
    graph = amplifying(1024)  # 8e-10 from itself in float64: 2^14 times that, squared, would be 0.2
    ((row,), _) = compare_forms(
        engine(graph, lambda x: x * np.float32(1.25)), of_graph(graph), {"noise": NOISE}, "float16"
    )
    assert row.nmse == pytest.approx(0.25**2, rel=0.01)
    assert not row.passed


def test_limits_of_float16_are_never_wider_than_those_of_bfloat16() -> None:
    graph = amplifying(4096)
    ((row,), _) = compare_forms(engine(graph, in_float16(4096)), of_graph(graph), {"noise": NOISE}, "float16")
    assert row.limits.nmse == ROUNDING["bfloat16"].nmse
    assert not row.passed


def test_reference_in_float16_widens_nothing() -> None:
    graph = to_float16(amplifying(256))
    ((row,), _) = compare_forms(engine(graph, np.copy), of_graph(graph), {"noise": NOISE}, "float16")
    assert row.limits == ROUNDING["float16"]


def unreadable() -> Graph:
    raise Unsupported("an operator that is not ours")


def test_reference_without_a_graph_of_ours_keeps_the_usual_limits() -> None:
    graph = amplifying(4096)
    reference = of_graph(graph)
    for given in (None, unreadable):
        want = Form("engine", reference.spec, reference.run, given)
        ((row,), _) = compare_forms(engine(graph, np.copy), want, {"noise": NOISE}, "float32")
        assert row.limits == ROUNDING["float32"]


def test_classes_are_compared_by_the_share_of_equal_ones() -> None:
    node = Node("ArgMax", ("x",), ("y",), {"axis": 1, "keepdims": 0})
    graph = Graph((node,), (Value("x", (None, 21, 100, 100)),), (Value("y", (None, 100, 100), "int64"),), {})
    x = np.random.default_rng(0).standard_normal((1, 21, 100, 100), np.float32)
    want = of_graph(graph)
    for flipped, passed in ((1, True), (2, False)):
        classes = want.run({"x": x})["y"]
        classes[0, 0, :flipped] = (classes[0, 0, :flipped] + 10) % 21  # far away in number
        got = Form("engine", want.spec, lambda _, y=classes: {"y": y})  # type: ignore[misc]
        ((row,), notes) = compare_forms(got, want, {"noise": x}, "float32")
        assert row.nmse == flipped / 1e4
        assert row.passed is passed
        assert notes[0] == "output 'y' holds whole numbers: its errors are the share of values that differ"


def test_nan_is_no_rounding() -> None:
    graph = amplifying(4096)
    with pytest.raises(
        ParityFailed, match="engine against reference on 'noise': 3000 of 3000 values of the output are"
    ):
        compare_forms(engine(graph, lambda x: x * np.float32(np.nan)), of_graph(graph), {"noise": NOISE}, "float32")


def test_a_flat_picture_widens_distances_alone():
    usual, zeros = ROUNDING["float16"], limits_on("zeros", "float16")
    assert zeros.unequal == usual.unequal
    assert zeros.nmse > usual.nmse
    assert zeros.peak > usual.peak

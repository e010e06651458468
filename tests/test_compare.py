"""The ruler itself: what it must reject, and the record that it writes."""

import numpy as np
import pytest

from underone.compare import Comparison, Limits, Verdict, compare_outputs, difference, rounding
from underone.errors import BadFile, ParityFailed, ShapeError


@pytest.fixture
def reference():
    return np.random.default_rng(0).normal(size=(2, 16, 5, 5)).astype(np.float32)


FAULTS = {
    "zeros": lambda x: np.zeros_like(x),
    "negation": lambda x: -x,
    "swapped axes": lambda x: x.swapaxes(2, 3),
    "one percent gain": lambda x: x * np.float32(1.01),
    "channel shift": lambda x: np.roll(x, 1, axis=1),
    "swapped batch": lambda x: x[::-1],
    "offset": lambda x: x + np.float32(0.01),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_beyond_the_default_limits(reference, fault):
    nmse, peak = difference(FAULTS[fault](reference), reference)
    assert nmse > Limits().nmse
    assert peak > Limits().peak


def test_one_wrong_element_among_many_is_seen_by_the_peak():
    want = np.ones(10_000_000, np.float32)
    got = want.copy()
    got[1234] = 1.001
    nmse, peak = difference(got, want)
    assert nmse < Limits().nmse  # the mean alone would let it pass
    assert peak > Limits().peak


def test_difference_by_hand():
    # error (0, 1), signal (3, 4): 1 / 25, and 1 over the RMS of sqrt(12.5)
    nmse, peak = difference([3.0, 5.0], [3.0, 4.0])
    assert nmse == pytest.approx(1 / 25)
    assert peak == pytest.approx(1 / 12.5**0.5)


def test_float32_rounding_passes(reference):
    rows = compare_outputs("x", {"y": reference.astype(np.float64) * (1 + 1e-7)}, {"y": reference}, Limits())
    assert rows[0].passed


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("side", ["output", "reference"])
def test_nan_and_infinity_are_errors(reference, value, side):
    broken = reference.copy()
    broken[0, 0, 0, 0] = value
    pair = (broken, reference) if side == "output" else (reference, broken)
    with pytest.raises(ParityFailed, match=f"1 of 800 values of the {side} are NaN or infinite"):
        difference(*pair)


def test_all_zero_reference_is_an_error():
    with pytest.raises(ParityFailed, match="reference is all zeros, so this comparison could not fail"):
        difference(np.zeros(4), np.zeros(4))


def test_other_shape_is_an_error(reference):
    with pytest.raises(ShapeError, match=r"the output has shape \(2, 16, 25\), the reference \(2, 16, 5, 5\)"):
        difference(reference.reshape(2, 16, 25), reference)


def test_huge_and_tiny_values_do_not_overflow():
    for scale in (1e200, 1e-200):
        nmse, _ = difference(np.array([1.0, 2.0]) * scale, np.array([1.0, 2.5]) * scale)
        assert nmse == pytest.approx(0.25 / 7.25)


def test_missing_output_is_an_error():
    with pytest.raises(ParityFailed, match=r"the outputs \['y'\] are missing; there are \['x'\]"):
        compare_outputs("photo", {"x": np.ones(1)}, {"y": np.ones(1)}, Limits())


def test_top1_is_recorded():
    got, want = {"y": [[1.0, 3.0, 2.0]]}, {"y": [[1.0, 2.0, 3.0]]}
    assert compare_outputs("photo", got, want, Limits(), top1=True)[0].same_top1 is False
    assert compare_outputs("photo", want, want, Limits(), top1=True)[0].same_top1 is True


def classes(*flipped: int) -> dict[str, np.ndarray]:
    """A map of 20000 pixels of class 0, but for those."""
    found = np.zeros((1, 100, 200), np.int64)
    found.flat[list(flipped)] = 20
    return {"map": found}


def test_whole_numbers_are_judged_by_the_share_that_differs():
    (near,) = compare_outputs("photo", classes(3, 5), classes(), Limits(unequal=1e-4))
    (far,) = compare_outputs("photo", classes(3, 5, 7), classes(), Limits(unequal=1e-4))
    assert (near.nmse, near.whole, near.passed) == (1e-4, True, True)
    assert (far.nmse, far.whole, far.passed) == (1.5e-4, True, False)


def test_whole_numbers_of_another_shape_are_an_error():
    with pytest.raises(ShapeError, match=r"the output has shape \(20000,\), the reference \(1, 100, 200\)"):
        compare_outputs("photo", {"map": classes()["map"].ravel()}, classes(), Limits())


def test_failing_verdict_of_whole_numbers_says_how_many_differ():
    rows = compare_outputs("photo", classes(3, 5, 7), classes(), Limits())
    failed = Verdict(kind="export", subject="a.onnx", reference="torch", comparisons=tuple(rows))
    with pytest.raises(ParityFailed, match=r"'photo' \(map\): values that differ 1\.5e-04 \(limit 1e-04\)$"):
        failed.require()
    assert Verdict.from_json(failed.to_json()) == failed


def verdict(nmse: float) -> Verdict:
    rows = (
        Comparison(on="noise", output="logits", nmse=1e-13, peak=1e-6, limits=Limits()),
        Comparison(on="photo", output="logits", nmse=nmse, peak=1e-6, limits=Limits(), same_top1=True),
    )
    return Verdict(kind="export", subject="a.onnx", reference="torch", comparisons=rows)


def test_verdict_passes_and_says_its_worst_row():
    assert verdict(1e-12).passed
    assert "export passed: a.onnx against torch, 2 comparisons; worst on" in str(verdict(1e-12))
    verdict(1e-12).require()


def test_failing_verdict_raises_with_the_numbers():
    with pytest.raises(ParityFailed, match=r"export FAILED.*'photo' \(logits\): nmse 3\.1e-03 \(limit 1e-09\)"):
        verdict(3.1e-3).require()


def test_verdict_survives_the_disk():
    assert Verdict.from_json(verdict(1e-12).to_json()) == verdict(1e-12)


def test_forged_pass_in_a_file_is_not_believed():
    text = verdict(3.1e-3).to_json().replace("false", "true")
    assert not Verdict.from_json(text).passed


def test_verdict_without_comparisons_is_refused():
    with pytest.raises(BadFile, match="comparisons"):
        Verdict.from_json('{"kind": "fold", "subject": "a", "reference": "b", "comparisons": []}', "a.json")


@pytest.mark.parametrize("task", [None, "classify", "segment"])
@pytest.mark.parametrize(("precision", "nmse"), [("float32", 1e-9), ("float16", 2e-4), ("bfloat16", 1.3e-2)])
def test_rounding_of_a_detector_differs_in_its_peak_alone(precision, nmse, task):
    usual, detector = rounding(precision, task), rounding(precision, "detect")
    assert usual.nmse == detector.nmse == nmse
    assert usual.unequal == detector.unequal
    assert usual.peak < detector.peak <= 20 * usual.peak


def test_rounding_of_a_format_without_figures_is_that_of_float32():
    for task in (None, "detect"):
        assert rounding("float64", task).nmse == rounding("float32", task).nmse
    assert rounding("float64") == Limits()

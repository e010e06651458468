"""The ruler, and the Verdict that it writes: two outputs compared by numbers that can fail."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, JsonValue, computed_field

from .errors import ParityFailed, ShapeError
from .spec import Frozen, read_record

VERDICT_VERSION = (1, 1)


def difference(got: ArrayLike, want: ArrayLike) -> tuple[float, float]:
    """Measure how far `got` is from `want`.

    Args:
        got: array under test, any shape.
        want: reference, same shape; must not be all zeros.

    Returns:
        (nmse, peak): squared error over squared signal, and the largest absolute error over the RMS of `want`.
        Both are 0 for equal arrays and 1 or more for an all-zero `got`.

    Raises:
        ShapeError: the shapes differ.
        ParityFailed: a value is NaN or infinite, or `want` is all zeros, so that nothing could fail.

    >>> difference(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    (0.0, 0.0)
    """
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    _require_same_shape(got, want)
    for name, array in (("output", got), ("reference", want)):
        bad = int(np.count_nonzero(~np.isfinite(array)))
        if bad:
            raise ParityFailed(f"{bad} of {array.size} values of the {name} are NaN or infinite")
    scale = float(np.abs(want).max()) if want.size else 0.0
    if scale == 0:
        raise ParityFailed("the reference is all zeros, so this comparison could not fail")
    error, want = (got - want) / scale, want / scale  # scaled: squares of huge or tiny values stay finite
    power = float(np.mean(want**2))
    return float(np.mean(error**2) / power), float(np.abs(error).max() / power**0.5)


class Limits(Frozen):
    """The largest errors that pass.

    Attributes:
        nmse: squared error over squared signal, a ratio: 0 is equal, 1 an all-zero output.
        peak: largest absolute error over the RMS of the reference.
        unequal: share of values of an output of whole numbers that differ, 0 to 1.
    """

    nmse: float = 1e-9
    peak: float = 1e-4
    unequal: float = 1e-4


# What rounding alone may do to a whole network, by the number format that it calculates in. float32: another order
# of the same sums gives 1e-13 to 1e-11 over the zoo, a wrong term 1e-6 and above. float16 has 11 bits: trained weights
# give up to 6e-5, peak 3e-2. bfloat16 has 8 bits, so 64 times the float16 figure. Class numbers flip where two scores
# nearly tie: float32 does so to 4e-6 of the pixels of a trained DeepLab; the share grows with the rounding, not its
# square, so float16 has 100 times that limit, and bfloat16 8 times float16's.
ROUNDING = {
    "float32": Limits(nmse=1e-9, peak=1e-4, unequal=1e-4),
    "float16": Limits(nmse=2e-4, peak=8e-2, unequal=1e-2),
    "bfloat16": Limits(nmse=1.3e-2, peak=6e-1, unequal=8e-2),
    # the same whole numbers: an engine that sums in another order rounds single values to the other side. Every
    # convolution summed in float32 and in whole numbers: MobileNet V2 nmse 1.4e-4, peak 0.02; an SSDLite on it whose
    # heads are random 1.1e-3, 0.37
    "int8": Limits(nmse=5e-3, peak=1.0, unequal=2e-2),
}
# Weights or activations of few bits against float32: those that lost no accuracy had nmse 1e-3 to 3e-2. Peak: a single
# value of many thousands may stand anywhere; it is there to find what is broken.
COARSE = Limits(nmse=0.1, peak=30.0)
# The worst of some 300,000 outputs of a detector, some of them behind ten layers more, whose maps of a few pixels have
# amplified it: against float64, torch, onnxruntime and our engine have peak up to 8e-4 on fresh SSDLites, nmse 5e-10;
# float16 has peak 0.3, nmse 8e-5; bfloat16 gets 8 times float16's limit, as above.
_PEAK_OF_DETECTORS = {"float32": 2e-3, "float16": 0.8, "bfloat16": 6.4}


def rounding(precision: str, task: str | None = None) -> Limits:
    """Say what rounding alone may do to a network.

    Args:
        precision: number format that it calculates in.
        task: of its spec.
    """
    limits = ROUNDING.get(precision, ROUNDING["float32"])
    peak = _PEAK_OF_DETECTORS.get(precision, limits.peak) if task == "detect" else limits.peak
    return limits.model_copy(update={"peak": peak})


# Where a network amplifies rounding, right engines differ by more. Against float64, TensorFlow's quantised MobileNet V2
# has peak 5e-5 in our interpreter and 1.5e-4 in our engine and openvino, on noise and extremes. A classifier after
# eight steps of training on noise had nmse 5e-8 in our interpreter and 2e-6 in torch. Over 22 such classifiers, where
# the usual limits did not do, engines differed by at most 7 times the interpreter's distance from float64 (49 in nmse).
TIMES_OWN_ROUNDING = 10


def widened(
    limits: Limits, nmse: float, peak: float, most: Limits | None = None, times: float = TIMES_OWN_ROUNDING
) -> Limits:
    """Widen limits for a network that amplifies rounding.

    Args:
        limits: the usual ones.
        nmse: how far the network, in float32, is from itself in float64.
        peak: the same by its worst value.
        most: what no distance widens beyond; None: any.
        times: what the distance is multiplied by.

    Returns:
        `times` that distance, where it is more than the usual limits.
    """
    nmse, peak = times**2 * nmse, times * peak  # nmse: squares
    if most is not None:
        nmse, peak = min(most.nmse, nmse), min(most.peak, peak)
    return limits.model_copy(update={"nmse": max(limits.nmse, nmse), "peak": max(limits.peak, peak)})


class Comparison(Frozen):
    """One output on one input.

    Attributes:
        on: the input: ``photo``, ``noise``, …, or a block's name with the input.
        output: name of the output tensor.
        nmse: squared error over squared signal.
        peak: largest absolute error over the RMS of the reference.
        limits: what passes.
        same_top1: whether the largest value stands at the same index; None where that means nothing.
        whole: whether the values are whole numbers, such as classes, whose distance means nothing: nmse and peak, and
            their limits, are then both the share of values that differ.
    """

    on: str
    output: str
    nmse: float
    peak: float
    limits: Limits
    same_top1: bool | None = None
    whole: bool = False

    @computed_field  # type: ignore[prop-decorator]
    @property
    def passed(self) -> bool:
        """Whether both errors are within their limits."""
        return self.nmse <= self.limits.nmse and self.peak <= self.limits.peak


class Verdict(Frozen):
    """What was compared with what, on which inputs, with which result.

    Attributes:
        kind: what was done to the network: ``fold``, ``export``, ``verify``, ``bench``.
        subject: the form under test.
        reference: the form that it is held against.
        comparisons: one row per input and output; never empty.
        facts: further findings, for example parameters before and after.
        notes: sentences for a person.
        versions: versions of the software that took part.
    """

    verdict_version: str = "{}.{}".format(*VERDICT_VERSION)
    kind: str
    subject: str
    reference: str
    comparisons: tuple[Comparison, ...] = Field(min_length=1)
    facts: dict[str, JsonValue] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def passed(self) -> bool:
        """Whether every comparison passed."""
        return all(c.passed for c in self.comparisons)

    @property
    def worst(self) -> Comparison:
        """The comparison that is nearest to its limits, or farthest beyond them."""
        return max(self.comparisons, key=lambda c: max(_excess(c.nmse, c.limits.nmse), _excess(c.peak, c.limits.peak)))

    def __str__(self) -> str:
        w = self.worst
        state = "passed" if self.passed else "FAILED"
        top1 = "" if w.same_top1 is None else f", top-1 {'same' if w.same_top1 else 'differs'}"
        peak = "" if w.whole else f", peak {w.peak:.1e} (limit {w.limits.peak:.0e})"
        return (
            f"{self.kind} {state}: {self.subject} against {self.reference}, {len(self.comparisons)} comparisons; "
            f"worst on {w.on!r} ({w.output}): {'values that differ' if w.whole else 'nmse'} {w.nmse:.1e} "
            f"(limit {w.limits.nmse:.0e}){peak}{top1}"
        )

    def require(self) -> None:
        """Do nothing when all passed.

        Raises:
            ParityFailed: a comparison is beyond its limits; the worst one is named.
        """
        if not self.passed:
            raise ParityFailed(str(self))

    def to_json(self) -> str:
        """Write the record as JSON, with the derived `passed` beside the numbers."""
        return self.model_dump_json(indent=1)

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "verdict") -> "Verdict":
        """Read what `to_json` wrote.

        Raises:
            BadFile: no verdict, or one of a newer major version.
        """
        return read_record(cls, text, VERDICT_VERSION, "verdict_version", where)


def compare_outputs(
    on: str, got: Mapping[str, Any], want: Mapping[str, Any], limits: Limits, top1: bool = False
) -> list[Comparison]:
    """Compare the named outputs of two runs on one input; whole numbers by the share of values that differ.

    Args:
        on: name of the input, for the record.
        got: outputs under test.
        want: reference outputs; every name must be in `got` too.
        limits: what passes.
        top1: also record whether the largest value along the last axis stands at the same index.

    Raises:
        ParityFailed: an output is missing, NaN or infinite, or a reference is all zeros.
        ShapeError: shapes differ.
    """
    missing = sorted(set(want) - set(got))
    if missing:
        raise ParityFailed(f"on {on!r} the outputs {missing} are missing; there are {sorted(got)}")
    rows = []
    for name, reference in want.items():
        if np.asarray(reference).dtype.kind in "iub":
            rows.append(_compare_whole(on, name, got[name], reference, limits.unequal))
            continue
        nmse, peak = difference(got[name], reference)
        same = bool(np.array_equal(np.argmax(got[name], -1), np.argmax(reference, -1))) if top1 else None
        rows.append(Comparison(on=on, output=name, nmse=nmse, peak=peak, limits=limits, same_top1=same))
    return rows


def _compare_whole(on: str, output: str, got: ArrayLike, want: ArrayLike, limit: float) -> Comparison:
    """Count the values that differ: the distance between two class numbers means nothing."""
    got, want = np.asarray(got), np.asarray(want)
    _require_same_shape(got, want)
    share = float(np.mean(got != want)) if want.size else 0.0
    limits = Limits(nmse=limit, peak=limit, unequal=limit)
    return Comparison(on=on, output=output, nmse=share, peak=share, limits=limits, whole=True)


def _require_same_shape(got: Any, want: Any) -> None:
    if got.shape != want.shape:
        raise ShapeError(f"the output has shape {got.shape}, the reference {want.shape}; they must be equal")


def _excess(value: float, limit: float) -> float:
    return value / limit if limit > 0 else float("inf") * value if value else 0.0

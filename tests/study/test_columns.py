"""Cells say what is sure, what is not, and what was refused; published counts are compared as far as printed."""

import pytest

from underone.study.columns import (
    deviation,
    digits,
    doubts,
    engines_of,
    peer_cell,
    refusals,
    sentinel_cell,
    time_cell,
    tolerance,
)
from underone.study.table import BY_SOURCE
from underone.study.trial import Facts


def test_a_time_has_its_interval_and_a_mark_when_it_is_not_stable(record):
    assert time_cell(record("m", "native", 2.0)).startswith("2.00 (")
    assert not time_cell(record("m", "native", 2.0)).endswith("?")
    assert time_cell(record("m", "native", 2.0, rounds=2)).endswith(" ?")
    assert time_cell(record("m", "native", 0, error="no")) == "refused"
    assert time_cell(None) == "–"


@pytest.mark.parametrize(("value", "text"), [(0.456, "0.46"), (12.34, "12.3"), (285.4, "285"), (None, "–")])
def test_three_digits_count(value, text):
    assert digits(value) == text


def test_ratios_are_to_the_best_peer_and_to_the_sentinel(trial):
    one = trial("zoo:mobileone_s1", {"native": 4.0, "onnxruntime": 6.0, "openvino": 5.0})
    assert peer_cell(one).startswith("1.25×")
    assert peer_cell(one).endswith("openvino")
    assert sentinel_cell(one, "native").startswith("2.00×")
    alone = trial("zoo:mobileone_s1", {"native": "cannot", "openvino": 5.0})
    assert peer_cell(alone) == "–"
    assert engines_of([one, alone]) == ["native", "onnxruntime", "openvino"]


def test_every_refusal_and_every_doubt_has_its_reason(trial, record):
    one = trial("zoo:mobileone_s1", {"native": "no such operator", "openvino": 5.0}, batch=4)
    assert refusals(one) == ["MobileOne-S1, folded, 224 px, batch 4 on native: no such operator"]
    assert doubts(one) == []
    missing = trial("timm:convit_tiny", {}, error="timm is missing")
    assert refusals(missing) == ["ConViT-tiny, folded, 224 px: no file: timm is missing"]
    unsure = one.model_copy(update={"records": (one.records[0], record("m", "openvino", 2.0, rounds=2))})
    assert doubts(unsure) == ["MobileOne-S1, folded, 224 px, batch 4 on openvino: only 2 rounds"]


@pytest.mark.parametrize(
    ("printed", "half"), [(4.6, 0.05), (275, 0.5), (390, 5), (1000, 50), (11800, 50), (1.235496, 5e-7)]
)
def test_printed_figures_hold_half_a_unit_of_their_last_digit(printed, half):
    assert tolerance(printed) == pytest.approx(half)


def test_a_count_that_differs_is_listed_with_its_reason():
    exact = Facts(params=2_078_504, macs=275_110_400, bytes_moved=1, depth=1)
    assert deviation(BY_SOURCE["zoo:mobileone_s0"], exact) is None
    wrong = exact.model_copy(update={"macs": 276_110_400})
    assert deviation(BY_SOURCE["zoo:mobileone_s0"], wrong) == "MobileOne-S0: MACs 276 M, published 275 M: not explained"
    v1 = Facts(params=4_221_032, macs=568_740_352, bytes_moved=1, depth=1)
    assert "slim prints 569 M" in deviation(BY_SOURCE["zoo:mobilenet_v1_100"], v1)

"""Numbers that objects keep; the wanted ones are written down by hand."""

import numpy as np
import pytest

from underone.boxes import Tracker
from underone.errors import BadValue, ShapeError


def box(x: float, y: float = 0) -> list[float]:
    return [x, y, x + 10, y + 10]


def test_objects_keep_their_numbers_whatever_their_order():
    tracker = Tracker()
    assert tracker.update([box(0), box(50), box(90)], [1, 1, 1]).tolist() == [1, 2, 3]
    assert tracker.update([box(92), box(2), box(52)], [1, 1, 1]).tolist() == [3, 1, 2]


def test_of_two_that_overlap_the_nearer_takes_the_number():
    tracker = Tracker()
    tracker.update([box(0)], [1])
    assert tracker.update([box(4), box(1)], [1, 1]).tolist() == [2, 1]


def test_an_object_of_another_class_or_farther_away_is_new():
    tracker = Tracker()
    tracker.update([box(0)], [1])
    assert tracker.update([box(0)], [2]).tolist() == [2]
    assert tracker.update([box(8)], [1]).tolist() == [3]  # 2 of 18 columns overlap


def test_a_missing_object_is_remembered_as_long_as_the_patience_lasts():
    for absent, wanted in ((2, 1), (3, 2)):
        tracker = Tracker(patience=2)
        tracker.update([box(0)], [1])
        for _ in range(absent):
            assert tracker.update(np.zeros((0, 4)), []).tolist() == []
        assert tracker.update([box(1)], [1]).tolist() == [wanted]


def test_wrong_arguments_are_refused():
    with pytest.raises(BadValue, match="overlap=0, patience=10; above 0 to 1, and 0 or more, are required"):
        Tracker(overlap=0)
    with pytest.raises(BadValue, match="patience=-1"):
        Tracker(patience=-1)


@pytest.mark.parametrize(("boxes", "classes"), [([1, 2, 3], [1]), ([[0] * 8], [1, 1]), ([[0, 0, 1, 1]], [1, 2])])
def test_boxes_that_do_not_fit_their_classes_are_refused(boxes, classes):
    with pytest.raises(ShapeError, match=r"with class_ids \(\d,\); \(N, 4\) with \(N,\) is required"):
        Tracker().update(boxes, classes)

"""VOC's average precision on cases worked out by hand, and who found whom."""

import numpy as np
import pytest

from underone.data.boxed import Boxes, areas_of
from underone.evaluation.coco import Answers, coco_result
from underone.evaluation.voc import pair_up, voc_ap

A, B, C, FAR = [0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [80, 80, 90, 90]


def truth(*corners: list[float], ids: list[int] | None = None, difficult: tuple[int, ...] = ()) -> Boxes:
    array = np.array(corners, np.float32).reshape(-1, 4)
    marks = np.isin(np.arange(len(array)), difficult)
    classes = np.array(ids if ids is not None else [0] * len(array), np.int64)
    return Boxes(array, classes, marks, np.zeros(len(array), bool), areas_of(array))


def said(*rows: tuple[list[float], float], ids: list[int] | None = None) -> Answers:
    array = np.array([box for box, _ in rows], float).reshape(-1, 4)
    return Answers(array, np.array(ids if ids is not None else [0] * len(rows)), np.array([s for _, s in rows]))


def test_precision_is_that_worked_out_by_hand():
    # right, wrong, right: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3; one object is never found
    found = [said((A, 0.9), (FAR, 0.8), (B, 0.7))]
    assert voc_ap(found, [truth(A, B, C)], 1).area[0] == pytest.approx(100 * (1 / 3 * 1 + 1 / 3 * 2 / 3))
    # recalls 0 … 0.3 have precision 1, 0.4 … 0.6 have 2/3, 0.7 … 1 none
    assert voc_ap(found, [truth(A, B, C)], 1).eleven[0] == pytest.approx(100 * (4 * 1 + 3 * 2 / 3) / 11)


def test_a_second_box_on_the_same_object_is_wrong():
    found = [said((A, 0.9), ([0, 0, 10, 9.5], 0.8), (B, 0.7))]
    assert voc_ap(found, [truth(A, B)], 1).area[0] == pytest.approx(100 * (1 / 2 * 1 + 1 / 2 * 2 / 3))


def test_difficult_objects_are_neither_wanted_nor_wrong():
    found = [said((B, 0.95), (A, 0.9))]
    assert voc_ap(found, [truth(A, B, difficult=(1,))], 1).area[0] == pytest.approx(100)


def test_classes_and_pictures_are_apart():
    found = [said((A, 0.9), (B, 0.8), ids=[0, 1]), said((A, 0.7), ids=[1])]
    truths = [truth(A, B, ids=[0, 1]), truth(A, ids=[0])]
    first, second, third = voc_ap(found, truths, 3).area
    assert (first, second) == (pytest.approx(50), pytest.approx(100))  # of class 0 one of two; of class 1 the only one
    assert np.isnan(third)


def test_nothing_said_is_nothing_found():
    assert voc_ap([said()], [truth(A)], 1).area[0] == 0


def test_area_under_the_curve_is_near_that_of_coco():
    random = np.random.default_rng(0)
    corner = 60.0 * np.argwhere(np.ones((6, 5)))
    corners = np.concatenate([corner, corner + 40], 1)  # apart from one another: both rules pair alike
    truths = [truth(*corners.tolist()) for _ in range(8)]
    found = [
        Answers(corners + random.normal(0, 7, corners.shape), np.zeros(30, int), random.random(30)) for _ in truths
    ]
    voc, coco = voc_ap(found, truths, 1).area[0], coco_result(found, truths, 1).class_ap50[0]
    assert abs(voc - coco) < 1  # 101 recalls instead of all
    assert 10 < voc < 90


def test_pairs_go_by_score_whatever_the_class():
    pairs, lone, missed = pair_up(said((A, 0.5), (A, 0.9), (FAR, 0.8), (B, 0.1), ids=[0, 1, 0, 0]), truth(A, B), 0.3)
    assert pairs == [(1, 0)]
    assert sorted(lone) == [0, 2]
    assert missed == [1]


def test_difficult_objects_are_in_no_list():
    pairs, lone, missed = pair_up(said((B, 0.9)), truth(A, B, difficult=(0, 1)), 0.3)
    assert (pairs, lone, missed) == ([], [], [])

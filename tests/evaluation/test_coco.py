"""COCO's table against pycocotools."""

import contextlib
import copy
import io
import sys

import numpy as np
import pytest

from underone.data.boxed import Boxes, areas_of
from underone.errors import MissingExtra
from underone.evaluation.coco import Answers, CocoTable, coco_answers, coco_result, coco_truth

CLASSES = 4


def scene(seed: int, pictures: int = 12) -> tuple[list[Answers], list[Boxes]]:
    """Random objects of three sizes, answers near most of them; crowds, a class without objects, empty pictures."""
    random = np.random.default_rng(seed)
    found, truths = [], []
    for picture in range(pictures):
        count = 0 if picture % 5 == 4 else int(random.integers(1, 9))
        side = random.choice([12, 60, 180], (count, 1)) * random.uniform(0.7, 1.3, (count, 2))
        corner = random.uniform(0, 300, (count, 2))
        corners = np.concatenate([corner, corner + side], 1).astype(np.float32)
        ids, crowd = random.integers(0, CLASSES - 1, count), random.random(count) < 0.1
        truths.append(Boxes(corners, ids, np.zeros(count, bool), crowd, areas_of(corners) * np.float32(0.8)))
        near = np.repeat(corners, 2, 0) + random.normal(0, 4, (2 * count, 4)).astype(np.float32)
        far = random.uniform(0, 150, (4, 2))
        said = np.concatenate([near, np.concatenate([far, far + random.uniform(5, 200, (4, 2))], 1)])
        taken = np.concatenate([np.repeat(ids, 2), random.integers(0, CLASSES - 1, 4)])
        found.append(Answers(said, taken, random.random(len(said)).round(2)))  # equal scores occur
    return found, truths


def of_pycocotools(found: list[Answers], truths: list[Boxes]) -> np.ndarray:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {**coco_truth(truths, CLASSES), "info": {}}
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(copy.deepcopy(coco_answers(found))), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats, run.eval


@pytest.mark.parametrize("seed", range(4))
def test_table_equals_that_of_pycocotools(seed):
    found, truths = scene(seed)
    result = coco_result(found, truths, CLASSES)
    stats, raw = of_pycocotools(found, truths)
    ours = [result.table.model_dump()[name] for name in CocoTable.model_fields]
    np.testing.assert_allclose([-1 if v is None else v / 100 for v in ours], stats, rtol=0, atol=1e-6)
    precision = raw["precision"][:, :, :, 0, -1]
    for index in range(CLASSES - 1):
        np.testing.assert_allclose(result.class_ap[index], 100 * precision[:, :, index].mean(), atol=1e-4)
        np.testing.assert_allclose(result.class_ap50[index], 100 * precision[0, :, index].mean(), atol=1e-4)
        np.testing.assert_allclose(result.precision[index], precision[0, :, index], atol=1e-9)
    assert 5 < result.table.ap < 95  # not a case that anything passes


def test_a_class_without_objects_has_no_figure():
    result = coco_result(*scene(0), CLASSES)
    assert np.isnan(result.class_ap[CLASSES - 1])
    assert np.isfinite(result.class_ap[: CLASSES - 1]).all()


def test_sizes_without_objects_have_no_figure():
    corners = np.array([[0, 0, 200, 200]], np.float32)
    truth = Boxes(corners, np.zeros(1, np.int64), np.zeros(1, bool), np.zeros(1, bool), areas_of(corners))
    table = coco_result([Answers(corners, np.zeros(1, int), np.ones(1))], [truth], 1).table
    assert (table.ap, table.ap_large, table.ar1) == (pytest.approx(100),) * 3
    assert (table.ap_small, table.ar_medium) == (None, None)


def test_without_any_answer_everything_is_missed():
    _, truths = scene(1)
    nothing = [Answers(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0)) for _ in truths]
    table = coco_result(nothing, truths, CLASSES).table
    assert (table.ap, table.ar100) == (0, 0)


def test_difficult_objects_are_neither_wanted_nor_wrong():
    corners = np.array([[0, 0, 50, 50], [100, 100, 150, 150]], np.float32)
    difficult = np.array([False, True])
    truth = Boxes(corners, np.zeros(2, np.int64), difficult, np.zeros(2, bool), areas_of(corners))
    both = Answers(corners, np.zeros(2, int), np.array([0.5, 0.9]))
    assert coco_result([both], [truth], 1).table.ap == pytest.approx(100)
    assert coco_result([both._replace(corners=corners[:1], class_ids=np.zeros(1, int), scores=np.ones(1))], [truth], 1)[
        0
    ].ap == pytest.approx(100)


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(MissingExtra, match=r"pip install 'underone\[detection\]'"):
        coco_result(*scene(0), CLASSES)

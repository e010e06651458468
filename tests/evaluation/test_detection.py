"""The score of a detector as a whole: from pictures to the record."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from underone.boxes import iou
from underone.data.boxed import BoxedPictures
from underone.data.open_boxes import open_boxes
from underone.errors import BadFile, BadValue
from underone.evaluation import voc
from underone.evaluation.coco import Answers
from underone.evaluation.detection import DetectionScore, score_boxes

ROWS = """file,label,x1,y1,x2,y2
0.png,cat,10,10,60,60
0.png,dog,100,20,180,90
1.png,cat,30,30,70,90
2.png,,,,,
"""


@pytest.fixture
def pictures(tmp_path: Path) -> BoxedPictures:
    for number in range(3):
        Image.new("RGB", (200, 100), (number, 0, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "boxes.csv").write_text(ROWS)
    return open_boxes(tmp_path / "boxes.csv")


def right(pictures: BoxedPictures, batch: list[np.ndarray]) -> list[Answers]:
    """Know every answer: a picture's red byte is its number."""
    found = []
    for pixels in batch:
        boxes = pictures.boxes(int(pixels[0, 0, 0]), pixels.shape[:2])
        found.append(Answers(boxes.corners, boxes.class_ids, np.full(len(boxes.corners), 0.9)))
    return found


def test_right_answers_have_the_full_score(pictures):
    seen = []
    score = score_boxes(
        lambda batch: right(pictures, batch), pictures, batch=2, progress=lambda done, total: seen.append((done, total))
    )
    assert (score.pictures, score.boxes, score.classes) == (3, 3, ("cat", "dog"))
    assert (score.coco.ap, score.voc, score.voc07) == (pytest.approx(100),) * 3
    assert [one.boxes for one in score.by_class] == [2, 1]
    assert score.by_class[0].recall == score.by_class[0].precision == pytest.approx(100)
    assert score.by_class[0].score == pytest.approx(0.9)
    assert score.confusion == ((2, 0, 0), (0, 1, 0), (0, 0, 0))
    assert score.worst == ()
    assert seen == [(2, 3), (3, 3)]
    assert DetectionScore.model_validate(score.model_dump(mode="json")) == score


def test_answers_are_matched_once(pictures, monkeypatch):
    matched = []
    monkeypatch.setattr(voc, "iou", lambda *given: matched.append(given) or iou(*given))
    score_boxes(lambda batch: right(pictures, batch), pictures)
    assert len(matched) == 3 + 3  # a class of a picture each, and the pairs of each picture


def test_mistakes_are_named(pictures):
    def wrong(batch: list[np.ndarray]) -> list[Answers]:
        """Take the dog for a cat, miss the second cat, invent a dog in the empty picture."""
        answers = right(pictures, batch)
        answers[0] = answers[0]._replace(class_ids=np.array([0, 0]))
        answers[1] = Answers(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))
        answers[2] = Answers(np.array([[1, 1, 9, 9]]), np.array([1]), np.array([0.8]))
        return answers

    score = score_boxes(wrong, pictures, batch=3)
    assert score.confusion == ((1, 0, 1), (1, 0, 0), (0, 1, 0))
    worst = {Path(one.picture).name: (one.missed, one.invented, one.confused, one.objects) for one in score.worst}
    assert worst == {"0.png": (0, 0, 1, 2), "1.png": (1, 0, 0, 1), "2.png": (0, 1, 0, 0)}
    assert score.by_class[1].ap == pytest.approx(0)


def test_unreadable_pictures_are_listed_not_scored(pictures):
    Path(pictures.name(1)).write_bytes(b"no picture")
    score = score_boxes(lambda batch: right(pictures, batch), pictures)
    assert (score.pictures, score.boxes) == (2, 2)
    assert "1.png" in score.unreadable[0]
    for number in range(3):
        Path(pictures.name(number)).unlink()
    with pytest.raises(BadFile, match="not one of 3 pictures can be read; the first: "):
        score_boxes(lambda batch: right(pictures, batch), pictures)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answers(np.full((1, 4), np.nan), np.zeros(1, int), np.ones(1)), "answers NaN or infinity"),
        (Answers(np.zeros((1, 4)), np.zeros(1, int), np.full(1, np.inf)), "answers NaN or infinity"),
        (Answers(np.ones((1, 4)), np.full(1, 2), np.ones(1)), "answers the class 2; the data has 2 classes"),
    ],
)
def test_answers_that_are_none_are_refused(pictures, answer, message):
    with pytest.raises(BadValue, match=message):
        score_boxes(lambda batch: [answer], pictures)


def test_ten_thousand_boxes_in_one_picture_are_scored(pictures):
    random = np.random.default_rng(0)
    corner = random.uniform(0, 90, (10_000, 2))
    many = Answers(np.concatenate([corner, corner + 9], 1), random.integers(0, 2, 10_000), random.random(10_000))
    assert score_boxes(lambda batch: [many], pictures).coco.ap == pytest.approx(0, abs=1)

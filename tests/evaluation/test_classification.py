"""Scores against torch's and against counts by hand."""

import numpy as np
import pytest
import torch
from PIL import Image

from underone.data import open_pictures
from underone.errors import BadFile, BadValue, ShapeError
from underone.evaluation import score_classes
from underone.spec import InputSpec, Preparation

SPEC = InputSpec(shape=(None, 3, 8, 8), preparation=Preparation(resize="squeeze"))
CLASSES = 7


@pytest.fixture
def pictures(tmp_path):
    """Pictures whose class and number can be read from their colour; classes of unlike size."""
    for index in range(CLASSES):
        (tmp_path / f"c{index}").mkdir()
        for number in range(index + 2):
            Image.new("RGB", (8, 8), (index, number, 0)).save(tmp_path / f"c{index}" / f"{number}.png")
    return open_pictures(tmp_path)


def _logits():
    return torch.from_numpy(np.random.default_rng(0).normal(size=(CLASSES, 16, CLASSES)) * 2)


def _answer(images):
    index, number = (np.rint(images[:, channel, 0, 0] * 255).astype(int) for channel in (0, 1))
    return _logits().numpy()[index, number]


@pytest.mark.parametrize("batch", [1, 4, 64])
def test_score_is_what_torch_counts(pictures, batch):
    score = score_classes(_answer, pictures, SPEC, batch=batch)
    targets = torch.from_numpy(pictures.targets)
    logits = torch.cat([_logits()[i, : i + 2] for i in range(CLASSES)])
    best = logits.topk(5).indices
    assert score.pictures == len(targets) == 35
    assert score.top1 == pytest.approx(100 * float((best[:, 0] == targets).float().mean()), abs=1e-5)
    assert score.top5 == pytest.approx(100 * float((best == targets[:, None]).any(1).float().mean()), abs=1e-5)
    assert score.loss == pytest.approx(float(torch.nn.functional.cross_entropy(logits, targets)), rel=1e-12)
    right = [float((best[:, 0] == targets)[targets == i].float().mean()) for i in range(CLASSES)]
    assert score.balanced == pytest.approx(100 * np.mean(right), abs=1e-5)
    assert np.sum(score.confusion, axis=1).tolist() == list(range(2, 9))
    assert np.trace(score.confusion) == round(score.top1 * 35 / 100)
    shares = logits.softmax(1)
    wrong = sorted((float(s.max()) for s, t in zip(shares, targets, strict=True) if s.argmax() != t), reverse=True)
    assert [mistake.score for mistake in score.worst] == pytest.approx(wrong[:24], rel=1e-9)


def test_shares_are_taken_as_they_are(pictures):
    logits = score_classes(_answer, pictures, SPEC)
    shares = score_classes(lambda x: torch.from_numpy(_answer(x)).softmax(1).numpy(), pictures, SPEC, logits=False)
    assert shares.loss == pytest.approx(logits.loss, rel=1e-9)
    assert shares.confusion == logits.confusion


def test_unreadable_pictures_are_listed_and_not_scored(pictures, tmp_path):
    (tmp_path / "c3" / "1.png").write_bytes(b"no picture")
    score = score_classes(_answer, open_pictures(tmp_path), SPEC, batch=4)
    assert score.pictures == 34
    assert len(score.unreadable) == 1
    assert "1.png: the picture is not a picture that can be read" in score.unreadable[0]


def test_data_without_a_readable_picture_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"no picture")
    with pytest.raises(BadFile, match=r"not one of 1 pictures can be read; the first: .*1\.png"):
        score_classes(_answer, open_pictures(tmp_path), SPEC)


def test_answers_that_do_not_fit_are_refused(pictures):
    with pytest.raises(ShapeError, match=r"the network answers \(1, 3\) for 1 pictures; the data has 7 classes"):
        score_classes(lambda x: _answer(x)[:, :3], pictures, SPEC)
    with pytest.raises(BadValue, match=r"the network answers NaN or infinity"):
        score_classes(lambda x: _answer(x) * np.nan, pictures, SPEC)

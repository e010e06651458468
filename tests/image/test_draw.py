"""The drawn answer: what can be told by numbers; the rest was looked at."""

import numpy as np
import pytest

from underone.image import draw, draw_classification, photograph

BEST = [("giant panda", 0.9), ("lesser panda", 0.1), ("ice bear", 0.0)]


def coloured(image, colour):
    """Columns that hold a bar of this colour, counted."""
    return int((np.asarray(image) == colour).all(axis=2).any(axis=0).sum())


@pytest.mark.parametrize("size", [(1, 1), (100, 160), (532, 800), (3000, 2000), (20, 2000), (2000, 20)])
def test_any_picture_gets_a_readable_panel(size):
    card = draw_classification(np.full((*size, 3), 200, np.uint8), BEST)
    assert card.mode == "RGB"
    assert 480 <= card.width <= 960
    assert card.height <= 960 + 200
    panel = np.asarray(card)[-100:]
    assert (panel == 20).any()  # the panel's own background
    assert panel.max() > 150  # and text on it


def test_the_picture_itself_is_not_changed():
    photo = photograph()
    np.testing.assert_array_equal(np.asarray(draw_classification(photo, BEST))[: photo.shape[0]], photo)


def test_bars_are_as_long_as_the_scores():
    black = np.zeros((480, 800, 3), np.uint8)
    full, half = (coloured(draw_classification(black, [("x", s)]), draw._BEST) for s in (1.0, 0.5))
    assert half / full == pytest.approx(0.5, abs=0.02)


def test_long_names_end_in_an_ellipsis_and_stay_in_the_picture():
    long = draw_classification(photograph(), [("American Staffordshire terrier, " * 9, 0.5)])
    short = draw_classification(photograph(), [("x", 0.5)])
    assert long.size == short.size
    assert coloured(long, draw._TRACK) > 50


def test_accents_survive_or_are_dropped_but_never_boxes(monkeypatch):
    _, names = draw.readable(["Žluťoučký"], 20)
    assert names in (["Žluťoučký"], ["Zlutoucky"])
    monkeypatch.setattr(draw, "_WIDE_FONTS", ())
    assert draw.readable(["Žluťoučký"], 20)[1] == ["Zlutoucky"]

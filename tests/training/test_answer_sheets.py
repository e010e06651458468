"""Sheets show what is right and what was said, from all over the list."""

import numpy as np
from PIL import Image

from underone.data import open_splits
from underone.spec import IMAGENET_PREPARATION, InputSpec
from underone.training import drawing
from underone.training.answer_sheets import draw_answers


def test_every_picture_is_shown_once_with_class_and_answer(colours, tmp_path, monkeypatch):
    sheets = []
    monkeypatch.setattr(drawing, "sheet", lambda path, *shown: sheets.append(shown))
    validation = open_splits(colours).validation  # 6 of each: blue, green, red
    (colours / "validation" / "red" / "05.png").rename(tmp_path / "moved.png")
    try:
        spec = InputSpec(shape=(1, 3, 32, 32), preparation=IMAGENET_PREPARATION)
        draw_answers(tmp_path, lambda images: np.log([[0.2, 0.7, 0.1]] * len(images)), validation, spec)
    finally:
        (tmp_path / "moved.png").rename(colours / "validation" / "red" / "05.png")
    [(pictures, texts, wrong)] = sheets
    assert texts == ["blue: green 70%"] * 6 + ["green 70%"] * 6 + ["red: green 70%"] * 5
    assert wrong == [text != "green 70%" for text in texts]
    assert all(picture.shape == (40, 48, 3) for picture in pictures)


def test_larger_set_fills_three_sheets_with_unlike_pictures(tmp_path, monkeypatch):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(60):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / label / f"{number:02}.png")
    from underone.data import open_pictures

    sheets = []
    monkeypatch.setattr(drawing, "sheet", lambda path, *shown: sheets.append(shown))
    spec = InputSpec(shape=(1, 3, 32, 32), preparation=IMAGENET_PREPARATION)
    draw_answers(tmp_path, lambda images: np.zeros((len(images), 2)), open_pictures(tmp_path), spec)
    assert [len(pictures) for pictures, *_ in sheets] == [32, 32, 32]
    shades = [(text, int(p[0, 0, 0])) for pictures, texts, _ in sheets for p, text in zip(pictures, texts, strict=True)]
    assert len(set(shades)) == 96
    assert all(set(texts) == {"a 50%", "b: a 50%"} for _, texts, _ in sheets)

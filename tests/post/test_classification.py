"""Outputs → answers."""

import json

import numpy as np
import pytest
from PIL import Image

from underone.errors import BadFile, BadValue, ShapeError
from underone.image import photograph
from underone.post import Classification, decode, softmax
from underone.spec import ModelSpec, OutputSpec

LABELS = ("tench", "goldfish", "great white shark")


def spec_of(meaning="logits", labels=LABELS, task="classify"):
    outputs = (OutputSpec(name="features"), OutputSpec(name="logits", meaning=meaning))
    return ModelSpec(name="net", task=task, outputs=outputs, labels=labels)


def answer(values, spec=None, picture=None):
    return decode({"logits": np.array([values], np.float32)}, spec or spec_of(), picture)


def test_logits_become_shares_of_one():
    found = answer(np.log([0.2, 0.5, 0.3]))
    assert found.scores == pytest.approx([0.2, 0.5, 0.3], abs=1e-6)
    assert found.scores.dtype == np.float32
    assert (found.label.index, found.label.name) == (1, "goldfish")
    assert [(x.index, x.name) for x in found.top(2)] == [(1, "goldfish"), (2, "great white shark")]


def test_huge_logits_do_not_overflow():
    assert softmax(np.array([[3e38, -3e38]], np.float32)).tolist() == [[1.0, 0.0]]


def test_probabilities_stay_as_they_are():
    assert answer([0.2, 0.5, 0.3], spec_of("probabilities")).scores == pytest.approx([0.2, 0.5, 0.3])


def test_equal_scores_come_in_the_order_of_their_index():
    assert [x.index for x in answer([1.0, 1.0, 1.0]).top()] == [0, 1, 2]


def test_classes_without_names_are_numbered():
    assert answer([0.0, 9.0, 0.0], spec_of(labels=None)).label.name == "class 1"


def test_maps_of_one_pixel_are_vectors():
    found = decode({"logits": np.zeros((1, 3, 1, 1), np.float32)}, spec_of())
    assert found.scores.shape == (3,)


@pytest.mark.parametrize("k", [0, 4, -1])
def test_top_outside_of_the_classes_is_refused(k):
    with pytest.raises(BadValue, match=rf"top\({k}\) was asked; there are 3 classes, so 1 to 3 is required"):
        answer([1.0, 2.0, 3.0]).top(k)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_broken_outputs_are_refused(bad):
    with pytest.raises(BadValue, match=r"1 of 3 values of output 'logits' are NaN or infinite"):
        answer([1.0, bad, 3.0])


def test_another_number_of_labels_is_refused():
    with pytest.raises(BadValue, match=r"'net' has 3 labels for 4 classes"):
        answer([1.0, 2.0, 3.0, 4.0])


def test_outputs_without_meaning_are_refused():
    with pytest.raises(BadValue, match=r"'net' has no output that means 'logits' or 'probabilities'"):
        answer([1.0, 2.0, 3.0], spec_of(meaning=None))


@pytest.mark.parametrize("task", [None, "features"])
def test_tasks_without_an_answer_are_refused(task):
    with pytest.raises(BadValue, match=rf"'net' has the task {task!r}, which has no answer to decode"):
        answer([1.0], spec_of(task=task))


@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 3, 2), (1, 0)])
def test_anything_but_one_vector_is_refused(shape):
    with pytest.raises(ShapeError, match=r"\(1, classes\) is required, one picture at a time"):
        decode({"logits": np.zeros(shape, np.float32)}, spec_of())


def test_printed_answers_stand_in_columns():
    found = answer(np.log([0.004, 0.95, 0.046]))
    assert str(found.top(2)) == " 95.0%  goldfish\n  4.6%  great white shark"
    assert str(found) == " 95.0%  goldfish\n  4.6%  great white shark\n  0.4%  tench"
    assert str(answer(np.log([0.9999, 0.0001, 1e-30])).top(2)) == "100.0%  tench\n <0.1%  goldfish"
    assert repr(found) == "<Classification goldfish 95.0%, 3 classes>"


def test_json_holds_the_best_and_the_speed():
    found = json.loads(answer([0.0, 0.0, 9.0]).timed({"run": 1.5}).to_json(k=1))
    assert found["task"] == "classify"
    assert found["top"][0]["name"] == "great white shark"
    assert found["speed_ms"] == {"run": 1.5}


def test_saved_as_picture_and_as_numbers(tmp_path):
    found = answer([0.0, 0.0, 9.0], picture=photograph())
    assert found.save(tmp_path / "a.jpg") == tmp_path / "a.jpg"
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.size == found.draw().size
    found.save(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text("utf-8"))["top"][0]["index"] == 2


def test_saving_where_it_cannot_be_is_refused(tmp_path):
    found = answer([0.0, 0.0, 9.0], picture=photograph())
    with pytest.raises(
        BadValue, match=r"the suffix '\.txt' names no picture format; use \.png, \.jpg, \.webp or \.json"
    ):
        found.save(tmp_path / "a.txt")
    with pytest.raises(BadFile, match="the folder"):
        found.save(tmp_path / "none" / "a.png")


def test_drawing_without_a_picture_is_refused():
    with pytest.raises(BadValue, match="this result has no picture to draw on"):
        Classification(np.array([1.0], np.float32)).draw()

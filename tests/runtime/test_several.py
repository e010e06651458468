"""Many pictures are answered at the same time, in order, and few are in memory."""

import threading

import numpy as np
import pytest

from underone.errors import BadFile, BadValue, ShapeError
from underone.image import photographs
from underone.post import Classification
from underone.runtime import load
from underone.runtime.several import in_order


def test_answers_come_in_order_though_the_first_takes_longest():
    first_may_end = threading.Event()

    def slow(number):
        if number == 0:
            assert first_may_end.wait(10)
        if number == 3:  # the other thread has come this far meanwhile
            first_may_end.set()
        return number * number

    assert list(in_order([slow, slow], range(10))) == [number * number for number in range(10)]


def test_each_callable_is_used_by_one_at_a_time():
    used = [0, 0]

    def asker(which):
        def ask(number):
            used[which] += 1
            assert used[which] == 1
            threading.Event().wait(0.002)
            used[which] -= 1
            return number

        return ask

    assert list(in_order([asker(0), asker(1)], range(40))) == list(range(40))


def test_pictures_are_taken_as_answers_are_taken():
    taken = []

    def pictures():
        for number in range(100):
            taken.append(number)
            yield number

    answers = in_order([abs, abs], pictures())
    assert next(answers) == 0
    assert len(taken) == 5  # the one that is here, and two for each thread
    answers.close()
    assert len(taken) == 5


def test_a_broken_picture_has_its_error_in_place_and_other_errors_are_raised():
    def ask(number):
        raise {1: BadFile, 2: BadValue, 3: ShapeError, 4: RuntimeError}[number](f"number {number}")

    answers = in_order([ask], [1, 2, 3, 4])
    assert [(type(one), str(one)) for one in (next(answers), next(answers), next(answers))] == [
        (BadFile, "number 1"), (BadValue, "number 2"), (ShapeError, "number 3"),
    ]  # fmt: skip
    with pytest.raises(RuntimeError, match="number 4"):
        next(answers)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_an_engine_answers_many_pictures_as_it_answers_one(described, workers):
    net = load(described, threads=1)
    files = [photo.content for photo in photographs()]
    found = list(net.answers([*files, b"no picture"], workers, size=None))
    assert isinstance(found[-1], BadFile)
    for content, answer in zip(files, found, strict=False):
        assert isinstance(answer, Classification)
        np.testing.assert_array_equal(answer.scores, net.classify(content).scores)


def test_no_workers_are_refused(described):
    with pytest.raises(BadValue, match="workers=0; a whole number from 1 up is required"):
        load(described).answers([], 0)


def test_one_worker_is_the_engine_itself(described, monkeypatch):
    net = load(described, threads=1)
    monkeypatch.setattr(net, "clone", None)
    (answer,) = net.answers([photographs()[0].content], 1)
    assert isinstance(answer, Classification)


def test_a_closed_engine_answers_nothing(described):
    net = load(described, threads=1)
    net.close()
    with pytest.raises(BadValue, match="was closed; load the file again"):
        net.answers([], 1)

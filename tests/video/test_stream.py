"""The stream against a plain loop, its drop policy by a clock of the test's own, and its memory."""

import gc
import threading
import time
import weakref

import pytest

from underone.errors import BadFile, BadValue
from underone.video import VideoSource, stream


class OwnClock:
    """Stands still until it is moved; then waits until the reader has taken what is due."""

    def __init__(self):
        self.time, self.target, self.done = 0.0, None, False
        self.changed = threading.Condition()

    def now(self):
        return self.time

    def wait(self, moment, stopped):
        with self.changed:
            self.target = moment
            self.changed.notify_all()
            while self.time < moment and not stopped.is_set():
                self.changed.wait(0.01)
            self.target = None

    def advance(self, seconds):
        with self.changed:
            self.time += seconds
            self.changed.notify_all()
            due = lambda: self.done or (self.target is not None and self.target > self.time)  # noqa: E731
            assert self.changed.wait_for(due, timeout=10)


def played(clips, clock, count):
    """Give pictures with their numbers; their times are 0, 1, 2 … seconds."""
    yield from (clips.picture(i) for i in range(count))
    clock.done = True
    with clock.changed:
        clock.changed.notify_all()


def test_every_frame_is_answered_in_order_as_in_a_plain_loop(clips):
    path = clips.write("a.mp4", range(0, 2000, 40))
    wanted = [f.picture.mean() for f in VideoSource(str(path))]
    seen = list(stream(path, lambda picture: picture.mean()))
    assert [s.answer for s in seen] == wanted
    assert [s.frame.index for s in seen] == list(range(50))
    assert {s.dropped for s in seen} == {0}
    assert all(set(s.speed) == {"read", "queue"} and s.latency > 0 for s in seen)


def test_latest_drops_what_has_become_old_and_says_how_many(clips):
    clock = OwnClock()

    def ask(picture):  # takes two and a half times as long as a frame is shown
        clock.advance(2.5)
        return clips.number(picture)

    seen = list(stream(played(clips, clock, 12), ask, policy="latest", clock=clock))
    assert [s.answer for s in seen] == [0, 2, 5, 7, 10, 11]
    assert [s.dropped for s in seen] == [0, 1, 2, 1, 2, 0]
    # an answer is at most one frame and the network's own time old
    assert max(s.latency for s in seen[:-1]) <= 1000 * (1 + 2.5)


def test_three_frames_are_alive_at_the_most(clips):
    made, most = [], []

    def pictures():
        for index in range(40):
            picture = clips.picture(index)
            made.append(weakref.ref(picture))
            yield picture
            del picture

    def alive():
        return sum(picture() is not None for picture in made)

    for seen in stream(pictures(), lambda picture: None):
        time.sleep(0.01)  # the others go as far as they can
        most.append(alive())
        del seen
    gc.collect()
    assert max(most) == 3
    assert alive() == 0


def test_what_the_network_raises_reaches_the_caller_after_the_good_answers(clips):
    def ask(picture):
        if clips.number(picture) == 5:
            raise BadValue("the sixth")
        return clips.number(picture)

    answers = stream((clips.picture(i) for i in range(9)), ask)
    assert [next(answers).answer for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(BadValue, match="the sixth"):
        next(answers)


def test_what_the_source_raises_reaches_the_caller_after_the_good_answers(clips):
    def pictures():
        yield from (clips.picture(i) for i in range(3))
        yield b"no picture"

    answers = stream(pictures(), clips.number)
    assert [next(answers).answer for _ in range(3)] == [0, 1, 2]
    with pytest.raises(BadFile, match="no known picture format"):
        next(answers)


@pytest.mark.parametrize("policy", ["every", "latest"])
def test_leaving_the_loop_ends_the_threads(clips, policy):
    before = threading.active_count()
    answers = stream(clips.write("l.mp4", range(0, 40000, 40)), clips.number, policy=policy)
    for seen in answers:
        if seen.frame.index >= 3:
            break
    answers.close()
    assert threading.active_count() == before


def test_options_reach_the_function(clips):
    seen = stream([clips.picture(7)], lambda picture, plus: clips.number(picture) + plus, plus=30)
    assert [s.answer for s in seen] == [37]


def test_another_policy_is_refused():
    with pytest.raises(BadValue, match="policy='newest'; 'every' or 'latest' is required"):
        stream("a.mp4", print, policy="newest")

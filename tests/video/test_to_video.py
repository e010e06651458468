"""Written files, read back by PyAV itself."""

import importlib

import av
import numpy as np
import pytest
from PIL import Image

from underone.errors import BadFile, BadValue
from underone.video import VideoWriter


def read(path):
    with av.open(str(path)) as file:
        return [(frame.time, frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]


def test_pictures_and_times_come_back(clips):
    path = clips.folder / "o.mp4"
    times = [0, 0.04, 0.2, 0.21, 1.5]
    with VideoWriter(path) as video:
        for index, time in enumerate(times):
            video.write(Image.fromarray(clips.picture(index)), time)
    back = read(path)
    np.testing.assert_allclose([t for t, _ in back], times, atol=1e-3)
    assert [clips.number(p) for _, p in back] == list(range(5))


def test_odd_sides_lose_a_row_and_other_sizes_are_brought_to_the_first(clips):
    path = clips.folder / "o.mkv"
    with VideoWriter(path) as video:
        for index, size in enumerate([(97, 65), (97, 65), (40, 90)]):
            video.write(Image.fromarray(clips.picture(index)).resize(size), index / 25)
    assert {p.shape for _, p in read(path)} == {(64, 96, 3)}


@pytest.mark.parametrize("error", [KeyboardInterrupt, BadValue])
def test_what_was_written_stays_when_the_work_breaks_off(clips, error):
    path = clips.folder / "o.mp4"

    def break_off():
        with VideoWriter(path) as video:
            for index in range(12):
                video.write(Image.fromarray(clips.picture(index)), index / 25)
            raise error

    with pytest.raises(error):
        break_off()
    assert [clips.number(p) for _, p in read(path)] == list(range(12))


def test_without_a_picture_the_old_file_is_untouched(clips):
    path = clips.folder / "o.mp4"
    path.write_bytes(b"old")
    with VideoWriter(path):
        pass
    assert path.read_bytes() == b"old"
    assert list(clips.folder.iterdir()) == [path]


def test_times_that_go_back_are_moved_forward(clips):
    path = clips.folder / "o.mp4"
    with VideoWriter(path) as video:
        for index, time in enumerate([0.0, 1.0, 0.5]):
            video.write(Image.fromarray(clips.picture(index)), time)
    times = [t for t, _ in read(path)]
    assert len(times) == 3
    assert times == sorted(times)
    assert times[2] > times[1]


def test_wrong_names_and_rates_are_refused(clips):
    with pytest.raises(BadValue, match=r"the suffix '.png' is not known; use .m4v, .mkv, .mov, .mp4"):
        VideoWriter(clips.folder / "o.png")
    with pytest.raises(BadValue, match="rate=0; frames a second between 0 and 1000 are required"):
        VideoWriter(clips.folder / "o.mp4", 0)
    with (
        pytest.raises(BadFile, match="does not exist; create it first"),
        VideoWriter(clips.folder / "no/o.mp4") as video,
    ):
        video.write(Image.fromarray(clips.picture(0)), 0)


def test_without_its_encoder_nothing_is_left_behind(clips, monkeypatch):
    monkeypatch.setattr(importlib.import_module("underone.video.to_video"), "_ENCODER", "no such")
    with (
        pytest.raises(BadFile, match="this FFmpeg has no encoder no such"),
        VideoWriter(clips.folder / "o.mp4") as video,
    ):
        video.write(Image.fromarray(clips.picture(0)), 0)
    assert list(clips.folder.iterdir()) == []

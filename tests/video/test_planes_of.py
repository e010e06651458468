"""A decoder's planes show what FFmpeg's own RGB shows."""

import gc

import numpy as np
import pytest

from underone.image import Planes, read_image
from underone.video import VideoSource
from underone.video.planes_of import planes_of

av = pytest.importorskip("av", reason="pip install 'underone[video]'")

SPACES = {1: "bt709", 2: "bt601", 5: "bt601", 6: "bt601"}


def smooth(width=98, height=62):
    """Colours that differ little from pixel to pixel, and are far from the ends."""
    y, x = np.mgrid[:height, :width] / 100
    return np.rint(127 + 70 * np.stack([np.sin(3 * x), np.cos(2 * y), np.sin(x + y)], axis=-1)).astype(np.uint8)


@pytest.mark.parametrize("kind", ["yuv420p", "yuvj420p", "nv12"])
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("span", [0, 1, 2])
def test_planes_show_what_ffmpeg_shows(kind, space, span):
    frame = av.VideoFrame.from_ndarray(smooth(), "rgb24").reformat(format=kind)
    frame.colorspace, frame.color_range = space, span
    planes = planes_of(frame)
    assert planes.matrix == SPACES[space]
    assert planes.full_range == (kind == "yuvj420p" or span == 2)
    shown = frame.to_ndarray(format="rgb24").astype(int)
    assert np.abs(read_image(planes) - shown).max() <= 3  # FFmpeg's own rounding; a wrong matrix is 10 and more off


def test_planes_are_shown_where_they_lie_and_are_not_written_to():
    frame = av.VideoFrame.from_ndarray(smooth(), "rgb24").reformat(format="yuv420p")
    planes = planes_of(frame)
    assert planes.luma.__array_interface__["data"][0] == frame.planes[0].buffer_ptr
    assert not planes.luma.flags.writeable
    assert not planes.blue.flags.writeable


def test_planes_outlive_their_frame():
    found = [planes_of(av.VideoFrame.from_ndarray(np.full((64, 64, 3), v, np.uint8), "rgb24").reformat(format="nv12"))
             for v in range(20, 200, 20)]  # fmt: skip
    gc.collect()
    assert [round(float(read_image(p).mean()) / 20) for p in found] == [*range(1, 10)]


@pytest.mark.parametrize(
    ("kind", "space"), [("rgb24", 2), ("yuv444p", 2), ("yuv422p", 2), ("yuv420p10le", 2), ("yuv420p", 9)]
)
def test_other_formats_and_colours_are_left_to_ffmpeg(kind, space):
    frame = av.VideoFrame.from_ndarray(smooth(), "rgb24").reformat(format=kind)
    frame.colorspace = space
    assert planes_of(frame) is None


def test_a_clip_gives_planes_and_a_picture_when_it_is_asked_for(clips):
    (frame, *_) = VideoSource(str(clips.write("a.mp4", range(0, 200, 40))))
    assert isinstance(frame.source, Planes)
    assert frame.picture is frame.picture
    np.testing.assert_array_equal(frame.picture, frame.source.to_rgb())

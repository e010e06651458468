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


def exact(luma, blue, red):
    """The formula of BT.601-7 in real numbers, each chroma for its square of two by two, in the video range."""
    light = (luma - 16.0) * 255 / 219
    b, r = (
        ((plane - 128.0) * 255 / 224).repeat(2, 0).repeat(2, 1)[: luma.shape[0], : luma.shape[1]]
        for plane in (blue, red)
    )
    rgb = np.stack([light + 1.402 * r, light - 0.714136 * r - 0.344136 * b, light + 1.772 * b], -1)
    return rgb.clip(0, 255)


def edged(width, height):
    """A frame of two colours that meet in hard edges within a square of two by two, and its planes."""
    frame = av.VideoFrame(width, height, "yuv420p")
    halves = (height + 1) // 2, (width + 1) // 2
    planes = []
    for plane, shape, values in zip(frame.planes, ((height, width), halves, halves), ((60, 200), (90, 180), (200, 70)),
                                    strict=True):  # fmt: skip
        y, x = np.mgrid[: shape[0], : shape[1]]
        planes.append(np.where((y > shape[0] // 3) ^ (x > shape[1] // 3), *values).astype(np.uint8))
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        padded[: shape[0], : shape[1]] = planes[-1]
        plane.update(padded.tobytes())
    return frame, planes


@pytest.mark.parametrize("size", [(97, 61), (97, 62), (98, 61), (98, 62), (1, 1), (3, 2)])
def test_edges_of_colours_are_those_of_the_formula_at_every_size(size):
    frame, planes = edged(*size)
    assert np.abs(read_image(planes_of(frame)) - exact(*planes)).max() < 0.55  # half a level is rounding to bytes


@pytest.mark.parametrize("width", [97, 98])
def test_edges_of_colours_are_ffmpegs_at_even_heights(width):
    frame, _ = edged(width, 62)
    assert np.abs(read_image(planes_of(frame)) - frame.to_ndarray(format="rgb24").astype(int)).max() <= 3


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

"""Arrays of every kind against Pillow's pixels, planes against FFmpeg's conversion."""

import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from underone.errors import BadValue, ShapeError
from underone.image import from_array, from_planes, photograph


@pytest.fixture(scope="module")
def pixels():
    return np.asarray(Image.fromarray(photograph()).resize((97, 61)))


FORMS = {
    "as it is": (lambda p: p, {}),
    "channels first": (lambda p: p.transpose(2, 0, 1), {"layout": "CHW"}),
    "OpenCV's order": (lambda p: p[:, :, ::-1], {"order": "BGR"}),
    "with alpha": (lambda p: np.dstack([p, p[:, :, 0]]), {"order": "RGBA"}),
    "alpha in the other order": (lambda p: np.dstack([p[:, :, ::-1], p[:, :, 0]]), {"order": "BGRA"}),
    "16 bits": (lambda p: p.astype(np.uint16) * 257, {}),
    "floats": (lambda p: p / 255, {}),
    "floats of another span": (lambda p: p / 127.5 - 1, {"span": (-1, 1)}),
    "torch, channels first": (lambda p: torch.from_numpy(p.transpose(2, 0, 1) / 255), {"layout": "CHW"}),
    "the array interface": (lambda p: Image.fromarray(p), {}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_pixels(pixels, form):
    make, declared = FORMS[form]
    got = from_array(make(pixels), **declared)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, pixels)


def test_what_needs_no_change_is_not_copied(pixels):
    assert np.shares_memory(from_array(pixels), pixels)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1)])
def test_one_channel_is_grey(shape):
    grey = np.arange(20, dtype=np.uint8).reshape(shape)
    np.testing.assert_array_equal(from_array(grey), np.asarray(Image.fromarray(grey.reshape(5, 4)).convert("RGB")))


def test_values_outside_a_span_are_cut_off():
    assert from_array(np.array([[-3.0, 0.25, 9.0]]), span=(0, 1))[0, :, 0].tolist() == [0, 64, 255]


REFUSED = {
    "normalised": (np.array([[-2.1, 2.6]]), {}, BadValue, "float64 values go from -2.1 to 2.6"),
    "NaN": (np.array([[np.nan, 0.5]]), {"span": (0, 1)}, BadValue, "values go from nan to nan"),
    "span": (np.zeros((2, 2)), {"span": (1, 0)}, BadValue, "span=(1, 0); the value of black, then the value of white"),
    "layout": (np.zeros((3, 5, 6)), {}, ShapeError, "an array (3, 5, 6); (H, W) or (H, W, C) with C = 1 or, for"),
    "batch": (np.zeros((2, 5, 6, 3)), {}, ShapeError, "one picture at a time"),
    "order": (np.zeros((5, 6, 3)), {"order": "RGBA"}, ShapeError, "for order='RGBA', 4 is required"),
    "truth": (np.zeros((5, 6), bool), {}, ShapeError, "an array of bool; whole numbers or floats are required"),
    "gradient": (torch.zeros(5, 6, requires_grad=True), {}, ShapeError, "a tensor on the CPU without a gradient"),
    "text": ("photo.jpg", {}, ShapeError, "a builtins.str is no array in the processor's memory"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_a_picture_is_said_with_its_cure(what):
    array, declared, kind, said = REFUSED[what]
    with pytest.raises(kind, match=re.escape(said)):
        from_array(array, **declared)


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("full_range", [False, True])
def test_planes_give_ffmpegs_colours(matrix, full_range):
    av = pytest.importorskip("av", reason="pip install 'underone[video]'")
    from av.video.reformatter import ColorRange, Colorspace

    rng = np.random.default_rng(0)  # chroma that is alike in wide areas: FFmpeg interpolates it at their borders
    soft = Image.fromarray(rng.integers(0, 255, (4, 5, 3), dtype=np.uint8)).resize((98, 62), Image.Resampling.BICUBIC)
    space = {"bt601": Colorspace.ITU601, "bt709": Colorspace.ITU709}[matrix]
    span = ColorRange.JPEG if full_range else ColorRange.MPEG
    frame = av.VideoFrame.from_image(soft).reformat(
        format="yuv420p", dst_colorspace=space, dst_color_range=span, src_color_range=ColorRange.JPEG
    )
    back = frame.reformat(
        format="rgb24", src_colorspace=space, src_color_range=span, dst_color_range=ColorRange.JPEG
    ).to_ndarray()
    y, u, v = (np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width] for p in frame.planes)
    got = from_planes(y, u, v, matrix=matrix, full_range=full_range)
    assert got.shape == back.shape
    off = np.abs(got.astype(int) - back)
    assert off.mean() < 1.2
    np.testing.assert_array_equal(from_planes(y, np.dstack([u, v]), matrix=matrix, full_range=full_range), got)
    odd = from_planes(y[:61, :97], u, v, matrix=matrix, full_range=full_range)
    np.testing.assert_array_equal(odd, got[:61, :97])


def test_a_jpegs_own_planes_give_its_pixels():
    file = io.BytesIO()
    Image.fromarray(photograph()).resize((96, 64)).save(file, "jpeg", subsampling=0, quality=95)
    picture = Image.open(file)
    picture.draft("YCbCr", None)
    planes = np.asarray(picture)
    got = from_planes(planes[:, :, 0], planes[::2, ::2, 1:], full_range=True)
    assert np.abs(got[::2, ::2].astype(int) - np.asarray(picture.convert("RGB"))[::2, ::2]).max() <= 1


BAD_PLANES = {
    "chroma of full size": ((np.zeros((4, 6), np.uint8), np.zeros((4, 6, 2), np.uint8)), "one (2, 3, 2) (NV12)"),
    "one plane of two": ((np.zeros((4, 6), np.uint8), np.zeros((2, 3), np.uint8)), "two (2, 3) (I420) are required"),
    "floats": ((np.zeros((4, 6)), np.zeros((2, 3, 2))), "uint8 planes, the luma (H, W), are required"),
}


@pytest.mark.parametrize("what", BAD_PLANES)
def test_planes_that_do_not_fit_are_refused(what):
    planes, said = BAD_PLANES[what]
    with pytest.raises(ShapeError, match=re.escape(said)):
        from_planes(*planes)


def test_another_matrix_is_refused():
    with pytest.raises(BadValue, match="matrix='bt2020'; 'bt601' or 'bt709' is required"):
        from_planes(np.zeros((2, 2), np.uint8), np.zeros((1, 1, 2), np.uint8), matrix="bt2020")

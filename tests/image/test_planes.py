"""A frame's planes become the tensor that their RGB becomes."""

import sys

import numpy as np
import pytest

from underone.image import Planes, prepare, read_image
from underone.image.resample import ISAS, Cut, resample_compiled, resample_planes, rgb_of
from underone.spec import IMAGENET_PREPARATION, InputSpec

NORMAL = IMAGENET_PREPARATION


def frame(height, width, kind="NV12", **how):
    """Noise with chroma at both ends, where colours are cut off."""
    rng = np.random.default_rng([height, width])
    luma = rng.integers(0, 256, (height, width + 5), np.uint8)[:, :width]  # decoders leave gaps between rows
    chroma = rng.choice(np.array([0, 16, 100, 128, 160, 240, 255], np.uint8), (-(-height // 2), -(-width // 2), 2))
    return Planes(luma, *([chroma] if kind == "NV12" else [chroma[..., 0].copy(), chroma[..., 1].copy()]), **how)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", ["NV12", "I420"])
@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("full_range", [False, True])
def test_compiled_colours_are_numpys(isa, kind, matrix, full_range):
    for size in ((1, 1), (2, 3), (37, 51), (64, 100)):
        planes = frame(*size, kind, matrix=matrix, full_range=full_range)
        np.testing.assert_array_equal(rgb_of(planes, isa), planes.to_rgb())


# ITU-R BT.601-7 and BT.709-6 in real numbers, full range: what the red difference adds to red and takes from green, and
# what the blue one takes from green and adds to blue
EXACT = {"bt601": (1.402, 0.714136, 0.344136, 1.772), "bt709": (1.5748, 0.468124, 0.187324, 1.8556)}


@pytest.mark.parametrize("matrix", EXACT)
@pytest.mark.parametrize("full_range", [False, True])
def test_no_colour_is_further_than_one_level_from_the_formula(matrix, full_range):
    blue, red = (side.reshape(256, 256, 1) for side in np.mgrid[:256, :256].astype(np.uint8))
    of_red, green_of_red, green_of_blue, of_blue = EXACT[matrix]
    black, light_of, chroma_of = (0, 1, 1) if full_range else (16, 255 / 219, 255 / 224)
    differing = 0
    for level in range(0, 256, 5):  # every pair of differences under each
        planes = Planes(np.full((512, 512), level, np.uint8), np.dstack([blue, red]), None, matrix, full_range)
        light, b, r = (level - black) * light_of, (blue[..., 0] - 128.0) * chroma_of, (red[..., 0] - 128.0) * chroma_of
        exact = np.stack([light + r * of_red, light - r * green_of_red - b * green_of_blue, light + b * of_blue], -1)
        found = planes.to_rgb()[::2, ::2].astype(float)
        off = np.abs(found - exact.clip(0, 255))
        assert off.max() < 0.55  # half a level is rounding to bytes, the rest that of the 64ths
        differing += np.count_nonzero(found != np.rint(exact.clip(0, 255)))
    assert differing < 0.02 * 52 * 3 * 256**2


def test_a_frame_has_the_shape_of_its_picture():
    assert frame(37, 51).shape == (37, 51, 3)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("color", ["RGB", "BGR", "GRAY"])
@pytest.mark.parametrize("size", [(48, 64), (301, 41), (33, 260), (20, 17), (1, 1), (480, 640)])
def test_tensor_is_that_of_the_rgb(isa, color, size):
    planes, channels = frame(*size), 1 if color == "GRAY" else 3
    tables = np.random.default_rng(0).normal(0, 1, (channels, 256)).astype(np.float32)
    for filter_ in ("nearest", "bilinear", "bicubic"):
        for channels_last in (False, True):
            cut = Cut((40, 56), (3, 8), (32, 41), filter_, color)
            shape = (1, 32, 41, channels) if channels_last else (1, channels, 32, 41)
            got, wanted = np.empty(shape, np.float32), np.empty(shape, np.float32)
            resample_planes(planes, cut, tables, got, channels_last, isa)
            resample_compiled(planes.to_rgb(), cut, tables, wanted, channels_last, isa)
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("interpolation", ["bilinear", "bilinear_corner"])
@pytest.mark.parametrize("compiled", [True, False])
def test_prepare_takes_planes_as_any_picture(monkeypatch, interpolation, compiled):
    planes = frame(90, 120)
    spec = InputSpec(shape=(1, 3, 32, 32), preparation=NORMAL.model_copy(update={"interpolation": interpolation}))
    wanted = prepare(planes.to_rgb(), spec)
    if not compiled:
        monkeypatch.setattr(sys.modules["underone.image.resample"], "ISAS", [])
    np.testing.assert_array_equal(prepare(planes, spec), wanted)
    np.testing.assert_array_equal(read_image(planes), planes.to_rgb())


def test_a_decoders_frame_is_a_picture():
    av = pytest.importorskip("av", reason="pip install 'underone[video]'")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    np.testing.assert_array_equal(read_image(av.VideoFrame.from_ndarray(pixels, format="rgb24")), pixels)


@pytest.mark.skipif(not ISAS, reason="built without the native part")
@pytest.mark.parametrize(("change", "said"), [
    ({"blue": np.zeros((2, 3), np.uint8)}, "half the rows and columns"),
    ({"red": np.zeros((4, 2), np.uint8)}, "half the rows and columns"),
    ({"luma": np.zeros((8, 12), np.uint8)[:, ::2]}, "without gaps in its rows"),
    ({"red": np.zeros((4, 6), np.uint8)[:, ::2]}, "both chroma planes too or in pairs"),
    (
        {"blue": np.zeros((4, 6), np.uint8)[:, ::2], "red": np.zeros((4, 6), np.uint8)[:, ::2]},
        "both chroma planes too or in pairs",
    ),
    ({"out": np.zeros((8, 5, 3), np.uint8)}, "the size of the luma"),
    ({"isa": "sse"}, "no instruction set 'sse'"),
])  # fmt: skip
def test_what_would_be_read_out_of_bounds_is_refused(change, said):
    given = {
        "luma": np.zeros((8, 6), np.uint8), "blue": np.zeros((4, 3), np.uint8), "red": np.zeros((4, 3), np.uint8),
        "out": np.zeros((8, 6, 3), np.uint8), "factors": frame(2, 2).factors, "isa": ISAS[0],
    } | change  # fmt: skip
    from underone._native import planes_to_rgb

    with pytest.raises(ValueError, match=said):
        planes_to_rgb(given.pop("luma"), given.pop("blue"), given.pop("red"), given.pop("out"), **given)

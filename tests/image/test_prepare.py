"""Preparation against torchvision's own evaluation transform: the largest difference is 0, bit for bit."""

import io

import numpy as np
import pytest
from PIL import Image

from underone.errors import BadValue, ShapeError
from underone.image import photograph, photographs, prepare, read_image
from underone.image.prepare import least_size
from underone.spec import IMAGENET_PREPARATION, InputSpec, Preparation

SIZES = [(1, 1), (1, 7), (3, 300), (225, 224), (223, 301), (333, 500), (501, 334), (256, 256), (257, 255), (640, 427)]


def noise(height, width):
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def input_of(preparation, size=224, layout="NCHW", **changes):
    channels = 1 if preparation.color == "GRAY" else 3
    shape = (None, channels, size, size) if layout == "NCHW" else (None, size, size, channels)
    return InputSpec(shape=shape, layout=layout, preparation=preparation, **changes)


def torchvision_transform(resize, crop, interpolation="bilinear"):
    v1 = pytest.importorskip("torchvision.transforms")
    filters = {"nearest": "NEAREST", "bilinear": "BILINEAR", "bicubic": "BICUBIC"}
    steps = [v1.Resize(resize, v1.InterpolationMode[filters[interpolation]]), v1.CenterCrop(crop)]
    return v1.Compose([*steps, v1.ToTensor(), v1.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])


@pytest.mark.parametrize(("resize", "crop", "interpolation"), [
    (256, 224, "bilinear"), (232, 224, "bilinear"), (235, 224, "bicubic"), (225, 192, "bicubic"), (256, 224, "nearest"),
    (224, 224, "bilinear"), (232, 160, "bilinear"),
])  # fmt: skip
def test_cover_is_torchvision_bit_for_bit(resize, crop, interpolation):
    reference = torchvision_transform(resize, crop, interpolation)
    how = IMAGENET_PREPARATION.model_copy(update={"crop_ratio": crop / resize, "interpolation": interpolation})
    pictures = [photograph(p.name) for p in photographs()] + [noise(*size) for size in SIZES]
    for picture in pictures:
        wanted = reference(Image.fromarray(picture)).numpy()[None]
        np.testing.assert_array_equal(prepare(picture, input_of(how, crop)), wanted, strict=True)


def test_squeeze_is_torchvision_bit_for_bit():
    v1 = pytest.importorskip("torchvision.transforms")
    reference = v1.Compose([v1.Resize((96, 128)), v1.ToTensor(), v1.Normalize((0.5,) * 3, (0.5,) * 3)])
    how = Preparation(resize="squeeze", mean=(0.5,) * 3, std=(0.5,) * 3)
    spec = InputSpec(shape=(1, 3, 96, 128), preparation=how)
    for picture in (photograph(), noise(5, 500), noise(96, 128)):
        np.testing.assert_array_equal(prepare(picture, spec)[0], reference(Image.fromarray(picture)).numpy())


def test_a_wide_crop_covers_both_sides():
    how = Preparation(crop_ratio=1.0)
    left_half = np.zeros((100, 100, 3), np.uint8)
    left_half[:, :50] = 255
    found = prepare(left_half, InputSpec(shape=(None, 3, 32, 64), preparation=how))
    assert found.shape == (1, 3, 32, 64)
    np.testing.assert_array_equal(found[0, 0, :, 20], 1)  # the full width is kept, so the edge stays in the middle
    np.testing.assert_array_equal(found[0, 0, :, 44], 0)


def test_range_mean_and_std_by_hand():
    white = np.full((8, 8, 3), 255, np.uint8)
    for how, wanted in [
        (Preparation(range=(-1, 1)), 1.0),
        (Preparation(range=(0, 255), mean=(127,) * 3, std=(128,) * 3), 1.0),
        (Preparation(range=(0, 255)), 255.0),
        (Preparation(mean=(0.5,) * 3, std=(0.25,) * 3), 2.0),
    ]:
        found = prepare(white, input_of(how, 8))
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.float32(wanted))


def test_colour_order_and_layout():
    picture = noise(8, 8)
    rgb = prepare(picture, input_of(Preparation(range=(0, 255), crop_ratio=1), 8))
    bgr = prepare(picture, input_of(Preparation(range=(0, 255), crop_ratio=1, color="BGR"), 8))
    nhwc = prepare(picture, input_of(Preparation(range=(0, 255), crop_ratio=1), 8, "NHWC"))
    np.testing.assert_array_equal(rgb[0], picture.transpose(2, 0, 1))
    np.testing.assert_array_equal(bgr, rgb[:, ::-1])
    np.testing.assert_array_equal(nhwc[0], picture)
    assert nhwc.flags.c_contiguous


def test_grey_is_weighted_luma():
    how = Preparation(range=(0, 255), color="GRAY", crop_ratio=1, mean=(0,), std=(1,))
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    np.testing.assert_array_equal(prepare(red, input_of(how, 8)), np.full((1, 1, 8, 8), 76.0))  # 0.299 * 255, ITU-R 601


def test_half_precision_input_gets_half_precision():
    assert prepare(noise(8, 8), input_of(Preparation(), 8, dtype="float16")).dtype == np.float16


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_row_of_a_batch_is_filled_in_place(dtype):
    spec = input_of(Preparation(), 8, dtype=dtype)
    batch = np.full((3, 3, 8, 8), 7, dtype)
    row = batch[1:2]
    assert prepare(noise(8, 9), spec, out=row) is row
    np.testing.assert_array_equal(row, prepare(noise(8, 9), spec), strict=True)
    np.testing.assert_array_equal(batch[::2], 7)


@pytest.mark.parametrize("out", [
    np.zeros((1, 3, 8, 9), np.float32), np.zeros((1, 3, 8, 8)), np.zeros((1, 3, 8, 8), np.float32)[..., ::-1],
])  # fmt: skip
def test_an_output_that_does_not_fit_is_refused(out):
    with pytest.raises(ShapeError, match=r"\(1, 3, 8, 8\) of float32, contiguous and writeable, is required"):
        prepare(noise(9, 9), input_of(Preparation(), 8), out=out)


def test_open_size_takes_the_given_one():
    spec = InputSpec(shape=(None, 3, None, None), preparation=Preparation())
    assert prepare(noise(40, 50), spec, size=(32, 16)).shape == (1, 3, 32, 16)
    with pytest.raises(BadValue, match=r"takes any size, \(None, 3, None, None\); pass size=\(height, width\)"):
        prepare(noise(40, 50), spec)


def test_open_size_falls_back_to_that_of_the_preparation():
    spec = InputSpec(shape=(None, 3, None, None), preparation=Preparation(size=(24, 48)))
    assert prepare(noise(40, 50), spec).shape == (1, 3, 24, 48)
    assert prepare(noise(40, 50), spec, size=(32, 16)).shape == (1, 3, 32, 16)
    half_open = spec.model_copy(update={"shape": (None, 3, 32, None)})
    assert prepare(noise(40, 50), half_open).shape == (1, 3, 32, 48)
    fixed = spec.model_copy(update={"shape": (None, 3, 8, 8)})
    assert prepare(noise(40, 50), fixed).shape == (1, 3, 8, 8)


def test_another_size_than_the_networks_is_refused():
    with pytest.raises(BadValue, match=r"has the size \(224, 224\); size=\(192, 192\) was given; leave it out"):
        prepare(noise(9, 9), input_of(Preparation()), size=(192, 192))


def test_missing_preparation_says_what_to_do():
    with pytest.raises(BadValue, match=r"input 'image' does not say how a picture becomes its tensor; give its spec"):
        prepare(noise(9, 9), InputSpec(shape=(1, 3, 8, 8)))


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (1, 3), ()])
def test_inputs_that_are_no_pictures_are_refused(shape):
    with pytest.raises(BadValue, match=r"a RGB picture needs 4 dimensions and 3 channels"):
        prepare(noise(9, 9), InputSpec(shape=shape, preparation=Preparation()))


def test_integer_inputs_are_refused():
    with pytest.raises(BadValue, match=r"takes uint8; only float inputs are prepared"):
        prepare(noise(9, 9), input_of(Preparation(), dtype="uint8"))


def test_a_thread_of_pixels_is_refused_before_it_grows():
    with pytest.raises(BadValue, match=r"a picture \(1, 60000\) is too narrow: it would grow to \(256, 15360000\)"):
        prepare(np.zeros((60_000, 1, 3), np.uint8), input_of(IMAGENET_PREPARATION))


def test_a_large_jpeg_is_decoded_small_where_that_is_asked():
    file = io.BytesIO()
    Image.fromarray(photograph()).resize((1600, 1064)).save(file, "jpeg", quality=95)
    spec = InputSpec(shape=(1, 3, 224, 224), preparation=IMAGENET_PREPARATION)
    assert least_size(spec) == (256, 256)
    whole, reduced = (prepare(file.getvalue(), spec, reduced=choice) for choice in (False, True))
    small = prepare(read_image(file.getvalue(), (256, 256)), spec)
    np.testing.assert_array_equal(reduced, small)
    assert 0 < np.abs(whole - reduced).mean() < 0.03  # of a standard deviation of colours
    squeezed = spec.model_copy(update={"preparation": IMAGENET_PREPARATION.model_copy(update={"resize": "squeeze"})})
    assert least_size(squeezed) == (224, 224)

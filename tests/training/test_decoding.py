"""Training pictures are decoded to the pixels that `read_image` gives, whatever the file."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from underone.errors import BadFile
from underone.image import photograph, read_image
from underone.training.decoding import Encoded, Part

PIXELS = photograph()


def _file(pixels, kind="JPEG", mode="RGB", **options):
    file = BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind, **options)
    return file.getvalue()


def _turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return _file(PIXELS, exif=exif)


KINDS = {
    "baseline": _file(PIXELS, quality=75),
    "4:4:4": _file(PIXELS, subsampling=0),
    "progressive": _file(PIXELS, progressive=True),
    "odd sides": _file(PIXELS[:33, :57]),
    "grey": _file(PIXELS, mode="L"),
    "cmyk": _file(PIXELS, mode="CMYK"),
    "turned": _turned(),
    "png": _file(PIXELS, "PNG"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_cut_is_that_of_the_picture_that_read_image_gives(kind):
    picture, expected = Encoded(KINDS[kind]), read_image(KINDS[kind])
    assert picture.size == expected.shape[:2]
    np.testing.assert_array_equal(picture.cut(Part(3, 5, 20, 31), 224), expected[3:23, 5:36])
    np.testing.assert_array_equal(picture.pixels(), expected)


def test_damaged_file_is_decoded_as_read_image_does_or_refused_as_there():
    generator, content = np.random.default_rng(0), KINDS["baseline"]
    refused = 0
    for number in range(60):
        damaged = bytearray(content if number % 2 else content[: generator.integers(200, len(content))])
        for at in generator.integers(0, len(damaged), 4):
            damaged[at] = generator.integers(256)
        try:
            expected = read_image(bytes(damaged))
        except BadFile:
            refused += 1
            with pytest.raises(BadFile, match="picture"):
                Encoded(bytes(damaged)).cut(Part(0, 0, 20, 20), 224)
        else:
            picture = Encoded(bytes(damaged))
            np.testing.assert_array_equal(picture.cut(Part(0, 0, *picture.size), 4096), expected)
    assert 0 < refused < 60


@pytest.mark.parametrize("reduction", [2, 4, 8])
@pytest.mark.parametrize("kind", ["baseline", "progressive", "4:4:4"])
def test_large_cut_is_the_whole_one_in_small(kind, reduction):
    box = Part(8, 16, 144, 128)
    small = Encoded(KINDS[kind]).cut(box, 128 // reduction)
    whole = Image.fromarray(read_image(KINDS[kind])[8:152, 16:144])
    assert small.shape == (144 // reduction, 128 // reduction, 3)
    expected = np.asarray(whole.resize(small.shape[1::-1], Image.Resampling.BOX)).astype(int)
    assert np.abs(small - expected).mean() < 3
    assert np.abs(np.roll(small, 1, 0) - expected).mean() > 6  # the measure sees a shift by one row


def test_cut_that_would_be_too_small_is_decoded_whole():
    assert Encoded(KINDS["baseline"]).cut(Part(0, 0, 127, 128), 64).shape == (127, 128, 3)

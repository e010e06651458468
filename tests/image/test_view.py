"""A view of a Pillow picture shows its pixels, whatever Pillow does with their memory."""

import gc
import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from underone.image import photograph
from underone.image.view import copy_of, view_of

native = pytest.importorskip("underone._native", reason="the native part is not built")

PIXELS = photograph()


def _opened(pixels, kind="PNG"):
    file = BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return Image.open(file)


def test_view_shows_the_pixels_without_a_copy():
    seen = view_of(_opened(PIXELS))
    np.testing.assert_array_equal(seen, PIXELS)
    assert seen.strides == (4 * PIXELS.shape[1], 4, 1)
    assert not seen.flags.writeable


def test_view_outlives_the_picture():
    seen = [view_of(_opened(np.full((300, 400, 3), value, np.uint8))) for value in range(9)]
    gc.collect()
    assert all((pixels == value).all() for value, pixels in enumerate(seen))


def test_large_picture_that_lies_in_pieces_is_copied():
    pixels = np.resize(PIXELS, (2100, 2100, 3))  # 4 bytes a pixel: more than Pillow's blocks of 16 MB
    seen = view_of(Image.fromarray(pixels))
    assert seen.strides == (3 * 2100, 3, 1)
    np.testing.assert_array_equal(seen, pixels)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1311, 800, 3), (2, 600_000, 3), (4200, 250, 3)])
def test_copies_in_bands_hold_every_row(shape):
    pixels = np.resize(PIXELS, shape)  # 600,000 pixels are more than a band
    copied = copy_of(_opened(pixels, "PPM"))
    assert copied.flags.c_contiguous
    assert copied.flags.writeable
    np.testing.assert_array_equal(copied, pixels)


ALIGNED = """
import numpy as np
from PIL import Image
from underone.image.view import view_of
pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
print(np.array_equal(view_of(Image.fromarray(pixels)), pixels))
"""


def test_aligned_rows_are_read_as_they_are(monkeypatch):
    monkeypatch.setenv("PILLOW_ALIGNMENT", "64")
    done = subprocess.run([sys.executable, "-c", ALIGNED], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_damage_is_told_as_pillow_does():
    file = BytesIO()
    Image.fromarray(PIXELS).save(file, "JPEG")
    with pytest.raises(OSError, match="truncated"):
        view_of(Image.open(BytesIO(file.getvalue()[:3000])))


GREY, COLOUR = (Image.new(mode, (5, 4)).__arrow_c_array__() for mode in ("L", "RGB"))
WRONG = [
    (COLOUR[::-1], (4, 5), "a capsule 'arrow_array' is required"),
    ((COLOUR[1], COLOUR[1]), (4, 5), "a capsule 'arrow_schema' is required"),
    (GREY, (4, 5), "the picture must have four bytes a pixel"),
    ((COLOUR[0], GREY[1]), (4, 5), "the picture must have four bytes a pixel"),
    (COLOUR, (4, 6), "the picture has 20 pixels"),
    (COLOUR, (2**63, 2**62), "the picture has 20 pixels"),
]


@pytest.mark.parametrize(("capsules", "size", "text"), WRONG)
def test_what_is_no_such_picture_is_refused(capsules, size, text):
    with pytest.raises(ValueError, match=text):
        native.view_of_arrow(*capsules, size)

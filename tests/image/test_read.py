"""Every kind of picture, and every kind of damage."""

import contextlib
import io
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from underone.errors import BadFile, BadValue, ShapeError
from underone.image import photograph, photographs, read_image
from underone.image.read import show_image, size_of


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width, height, bits=8, colour=2):
    """A PNG that states its size and holds nothing."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return header + struct.pack(">I", 8) + b"IDAT"


@pytest.fixture
def colours():
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def test_every_source_gives_the_same_picture(tmp_path, colours):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(colours)))
    with path.open("rb") as file:
        sources = [path, str(path), path.read_bytes(), bytearray(path.read_bytes()), file, Image.open(path), colours]
        for source in sources:
            np.testing.assert_array_equal(read_image(source), colours)


def test_pixels_to_look_at_are_those_that_are_read(colours):
    in_pieces = np.resize(colours, (2100, 2100, 3))  # more than Pillow's blocks of 16 MB
    for content in [encoded(Image.fromarray(pixels)) for pixels in (colours, in_pieces)]:
        np.testing.assert_array_equal(show_image(content), read_image(content))
        assert read_image(content).flags.writeable


def test_a_picture_that_its_owner_draws_on_stays_as_it_was_shown(colours):
    picture = Image.fromarray(colours)
    shown = show_image(picture)
    picture.paste((1, 2, 3), (0, 0, *picture.size))
    np.testing.assert_array_equal(shown, colours)


def test_a_file_object_is_left_open(colours):
    file = io.BytesIO(encoded(Image.fromarray(colours)))
    read_image(file)
    assert not file.closed


def test_grey_array_is_repeated():
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    np.testing.assert_array_equal(read_image(grey), np.stack([grey] * 3, axis=-1))


def test_cmyk_jpeg_is_converted():
    ink = Image.new("CMYK", (4, 4), (0, 255, 255, 0))  # full magenta and yellow: red
    assert read_image(encoded(ink, "JPEG", quality=95))[0, 0] == pytest.approx([255, 0, 0], abs=6)


def test_deep_grey_is_scaled_not_clipped():
    deep = np.array([[0, 128, 257, 32768, 65535]], np.uint16)
    found = read_image(encoded(Image.fromarray(deep)))
    np.testing.assert_array_equal(found[0, :, 0], [0, 0, 1, 128, 255])  # value / 257, rounded


def test_deep_colour_is_scaled_not_clipped():
    # 1x1 RGB PNG of 16 bits, written by hand, as Pillow cannot: 0x8000 0xFFFF 0x0100
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))]
    chunks += [(b"IDAT", zlib.compress(b"\0" + bytes.fromhex("8000ffff0100"))), (b"IEND", b"")]
    file = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    np.testing.assert_array_equal(read_image(file)[0, 0], [0x80, 0xFF, 0x01])


def test_32_bit_values_without_a_range_are_refused():
    with pytest.raises(BadFile, match=r"int32 values from -1 to 70000 have no agreed range"):
        read_image(Image.fromarray(np.array([[-1, 70000]], np.int32)))
    with pytest.raises(BadFile, match=r"float32 values from 0\.5 to 0\.5 have no agreed range"):
        read_image(Image.fromarray(np.full((2, 2), 0.5, np.float32)))


def test_palette_with_transparency_keeps_its_colours():
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putpixel((1, 0), 1)
    for transparency in (0, b"\x00\x80"):
        found = read_image(encoded(palette, transparency=transparency))
        np.testing.assert_array_equal(found[0], [[10, 20, 30], [200, 100, 50]])


@pytest.mark.parametrize(("mode", "colour", "wanted"), [
    ("RGBA", (10, 20, 30, 0), [10, 20, 30]),
    ("LA", (77, 0), [77, 77, 77]),
    ("L", 77, [77, 77, 77]),
    ("1", 1, [255, 255, 255]),
])  # fmt: skip
def test_alpha_is_dropped_and_grey_repeated(mode, colour, wanted):
    found = read_image(encoded(Image.new(mode, (3, 2), colour)))
    assert found.shape == (2, 3, 3)
    np.testing.assert_array_equal(found[1, 2], wanted)


@pytest.mark.parametrize(("orientation", "turn"), [(3, 2), (6, 3), (8, 1)])
def test_exif_orientation_is_applied(colours, orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read_image(encoded(Image.fromarray(colours), exif=exif))
    np.testing.assert_array_equal(found, np.rot90(colours, turn))


def test_damaged_exif_is_no_damaged_picture(colours):
    found = read_image(encoded(Image.fromarray(colours), exif=b"Exif\0\0II*\0\xff\xff\xff\xff\0garbage"))
    np.testing.assert_array_equal(found, colours)


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (5, 4), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    for kind in ("GIF", "PNG", "WEBP"):
        options = {"save_all": True, "append_images": frames[1:]} | ({"lossless": True} if kind == "WEBP" else {})
        np.testing.assert_array_equal(read_image(encoded(frames[0], kind, **options))[2, 2], [255, 0, 0])


def test_one_pixel_is_a_picture():
    assert read_image(encoded(Image.new("RGB", (1, 1), (1, 2, 3)))).tolist() == [[[1, 2, 3]]]


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path):
    path = tmp_path / "huge.png"
    path.write_bytes(png_header(30_000, 30_000))
    with pytest.raises(BadFile, match=r"huge\.png has 900,000,000 pixels; at most 178,956,970 are read"):
        read_image(path)


def test_a_large_picture_warns_nobody():
    # 90 million pixels of one bit: Pillow alone would warn, and a warning fails a test
    with pytest.raises(BadFile, match="damaged"):
        read_image(png_header(9_500, 9_500, bits=1, colour=0))


def test_a_jpeg_cut_short_is_named(tmp_path):
    path = tmp_path / "cut.jpg"
    path.write_bytes(photographs()[0].content[:20_000])
    with pytest.raises(BadFile, match=r"cut\.jpg is damaged or cannot be turned into RGB: .* truncated"):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"hello, I am a text\n" * 9, b"\xff\xd8\xff", b"GIF89a", png_header(0, 5)])
def test_what_is_no_picture_gives_one_line(content):
    with pytest.raises(BadFile, match=r"the picture (is not a picture that can be read: |is empty|is)") as caught:
        read_image(content)
    assert "\n" not in str(caught.value)


def test_flipped_bytes_never_crash():
    content, rng = photographs()[0].content, np.random.default_rng(3)
    for _ in range(40):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[rng.integers(0, len(damaged), 30)] = rng.integers(0, 256, 30)
        with contextlib.suppress(BadFile):
            assert read_image(damaged.tobytes()).ndim == 3


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(BadFile, match=r"none\.jpg cannot be read: No such file"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(BadFile, match=r"cannot be read: Is a directory"):
        read_image(tmp_path)
    with pytest.raises(BadFile, match=r"cannot be read: embedded null byte"):
        read_image("a\0b")


@pytest.mark.parametrize("source", [None, 5, [[1, 2]], io.StringIO("text")])
def test_other_objects_are_refused(source):
    with pytest.raises(
        BadValue, match=r"is no picture; pass a path, bytes, an open binary file, a PIL picture, or a uint8"
    ):
        read_image(source)


@pytest.mark.parametrize(("array", "cure"), [
    (np.zeros((4, 4, 3), np.float32), r"\(4, 4, 3\) of float32; .* pass \(array \* 255\)\.round\(\)"),
    (np.zeros((1, 4, 4, 3), np.uint8), r"pass array\[0\]"),
    (np.zeros((4, 4, 4), np.uint8), r"array\[:, :, :3\]"),
    (np.zeros((3, 4, 5), np.uint8), r"transpose\(1, 2, 0\)"),
    (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\) of uint8; uint8 \(H, W, 3\)"),
])  # fmt: skip
def test_arrays_of_another_form_are_refused_with_the_cure(array, cure):
    with pytest.raises(ShapeError, match=cure):
        read_image(array)


def test_threads_may_read_at_the_same_time():
    content, wanted = photographs()[0].content, photograph(photographs()[0].name)
    found = []
    threads = [threading.Thread(target=lambda: found.append(read_image(content))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(f, wanted) for f in found)
    assert len(found) == 8


@pytest.mark.parametrize(("least", "size"), [
    ((60, 80), (60, 80)), ((61, 80), (120, 160)), ((31, 41), (60, 80)), ((1, 1), (30, 40)), ((500, 9), (240, 320)),
])  # fmt: skip
@pytest.mark.parametrize("orientation", [1, 6])
def test_jpeg_files_are_decoded_no_smaller_than_asked(least, size, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    soft = Image.fromarray(photograph()).resize((320, 240))
    turned = orientation == 6
    got = read_image(encoded(soft, "JPEG", quality=95, exif=exif), least[::-1] if turned else least)
    assert got.shape[:2] == (size[::-1] if turned else size)
    wanted = np.rot90(np.asarray(soft), -1) if turned else np.asarray(soft)
    small = np.asarray(Image.fromarray(wanted).reduce(240 // size[0]))
    assert np.abs(got.astype(int) - small).mean() < 3


def test_other_formats_stay_as_large_as_they_are():
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(photograph())), (10, 10)), photograph())


@pytest.mark.parametrize("orientation", range(10))  # those of 0 and 9 are none: it is shown as it is stored
def test_the_size_is_that_of_the_picture_which_is_read(colours, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(Image.fromarray(colours), exif=exif)
    assert size_of(content) == read_image(content).shape[:2]


def test_the_size_needs_the_header_alone():
    assert size_of(png_header(40, 30)) == (30, 40)
    with pytest.raises(BadFile, match="no known picture format"):
        size_of(b"no picture")

"""The compiled pass against Pillow: not one byte differs, for any size, cut, filter, colour and memory layout."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import underone.image.resample as module
from underone.image import photograph, prepare
from underone.image.resample import (
    ISAS,
    Cut,
    resample_compiled,
    resample_pillow,
    resize_bytes,
    resize_bytes_compiled,
    resize_bytes_pillow,
)
from underone.spec import IMAGENET_PREPARATION, InputSpec, Preparation

if not ISAS:
    pytest.skip("the native part is not built for this processor", allow_module_level=True)

BYTES = np.arange(256, dtype=np.float32)
TABLES = {"RGB": np.stack([BYTES, BYTES + 1000, 9000 - BYTES]), "GRAY": BYTES[None] / 4}
TABLES["BGR"] = TABLES["RGB"]
FILTERS = ("nearest", "bilinear", "bicubic")


def noise(height, width, seed=0):
    """Half of the seeds give random bytes, half only 0 and 255, where a bicubic filter overshoots."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return values if seed % 2 else np.where(values < 128, 0, 255).astype(np.uint8)


def both(pixels, cut, isa, channels_last=False):
    channels = len(TABLES[cut.color])
    shape = (1, *cut.size, channels) if channels_last else (1, channels, *cut.size)
    found, wanted = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
    resample_compiled(pixels, cut, TABLES[cut.color], found, channels_last, isa)
    resample_pillow(pixels, cut, TABLES[cut.color], wanted, channels_last)
    return found, wanted


def random_case(rng):
    """Sizes from 1 to about 900, each side by itself; every fourth keeps a side as it is."""
    height, width, new_height, new_width = (int(10 ** rng.uniform(0, 2.95)) for _ in range(4))
    new_height, new_width = (height if rng.random() < 0.12 else new_height, width if rng.random() < 0.12 else new_width)
    size = (int(rng.integers(1, new_height + 1)), int(rng.integers(1, new_width + 1)))
    origin = (int(rng.integers(0, new_height - size[0] + 1)), int(rng.integers(0, new_width - size[1] + 1)))
    return (height, width), (new_height, new_width), origin, size


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("interpolation", FILTERS)
def test_random_sizes_and_cuts_equal_pillow(isa, interpolation):
    rng = np.random.default_rng(7)
    for seed in range(120):
        size, *cut = random_case(rng)
        found, wanted = both(noise(*size, seed), Cut(*cut, interpolation), isa)
        np.testing.assert_array_equal(found, wanted, err_msg=f"{size} -> {cut}")


EXTREMES = [
    ((1, 1), (5, 3)), ((1, 1), (1, 1)), ((1, 3000), (224, 224)), ((3000, 1), (224, 224)), ((2, 9), (9, 2)),
    ((3000, 4000), (3, 2)), ((3000, 40), (30, 20)), ((400, 60), (200, 57)), ((400, 60), (394, 57)),
    ((10, 11), (200, 11)), ((2400, 1080), (568, 256)), ((5000, 40), (1000, 39)), ((37, 10), (36, 10)),
]  # fmt: skip


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize(("size", "resized"), EXTREMES)
def test_extreme_shapes_equal_pillow(isa, interpolation, size, resized):
    found, wanted = both(noise(*size), Cut(resized, (0, 0), resized, interpolation), isa)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("color", TABLES)
def test_colours_and_layouts_equal_pillow(isa, channels_last, color):
    cut = Cut((40, 61), (3, 5), (33, 51), "bicubic", color)
    np.testing.assert_array_equal(*both(noise(77, 50, 1), cut, isa, channels_last))


VIEWS = {
    "rows upside down": lambda p: p[::-1],
    "mirrored": lambda p: p[:, ::-1],
    "BGR read as RGB": lambda p: p[:, :, ::-1],
    "every other pixel": lambda p: p[::2, ::2],
    "a window": lambda p: p[7:60, 11:64],
    "a narrow window": lambda p: p[7:60, 11:14],
    "planar": lambda p: np.ascontiguousarray(p.transpose(2, 0, 1)).transpose(1, 2, 0),
    "four bytes a pixel": lambda p: np.dstack([p, 255 - p[:, :, 0]])[:, :, :3],
    "a window of four bytes a pixel": lambda p: np.dstack([p, 255 - p[:, :, 0]])[7:60, 11:64, :3],
    "one row repeated": lambda p: np.broadcast_to(p[:1], p.shape),
    "read-only": lambda p: np.frombuffer(p.tobytes(), np.uint8).reshape(p.shape),
}


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("view", VIEWS)
def test_views_are_read_by_their_strides(isa, view):
    pixels = VIEWS[view](noise(80, 70, 1))
    np.testing.assert_array_equal(*both(pixels, Cut((40, 30), (1, 2), (30, 20)), isa))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("view", ["a window", "a narrow window", "a window of four bytes a pixel"])
def test_bytes_equal_pillow(isa, mirrored, view):
    rng = np.random.default_rng(3)
    for seed in range(30):
        pixels = VIEWS[view](noise(80, 70, seed))
        shape = (3, *(int(10 ** rng.uniform(0, 2.5)) for _ in range(2)))
        found, wanted = np.zeros(shape, np.uint8), np.ones(shape, np.uint8)
        resize_bytes_compiled(pixels, mirrored, found, isa)
        resize_bytes_pillow(pixels, mirrored, wanted)
        np.testing.assert_array_equal(found, wanted, err_msg=f"{shape}")


def test_bytes_are_the_same_without_the_compiled_pass(monkeypatch):
    found, wanted = np.zeros((3, 50, 40), np.uint8), np.ones((3, 50, 40), np.uint8)
    resize_bytes(photograph(), True, found)
    monkeypatch.setattr(module, "ISAS", [])
    resize_bytes(photograph(), True, wanted)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("isa", ISAS)
def test_nothing_is_written_beside_the_output(isa):
    whole = np.full((3, 3, 19, 23), 7.0, np.float32)
    resample_compiled(noise(31, 37), Cut((19, 23), (0, 0), (19, 23)), TABLES["RGB"], whole[1:2], False, isa)
    np.testing.assert_array_equal(whole[::2], 7.0)
    assert not (whole[1] == 7.0).all()
    planes = np.full((3, 3, 19, 23), 7, np.uint8)
    resize_bytes_compiled(noise(31, 37), False, planes[1], isa)
    np.testing.assert_array_equal(planes[::2], 7)


@pytest.mark.parametrize(("wanted", "used"), [("avx2", "avx2"), ("amx", ISAS[0]), (None, ISAS[0])])
def test_the_instruction_set_of_the_environment_is_used(monkeypatch, wanted, used):
    if used not in ISAS:
        pytest.skip(f"this processor has no {used}")
    monkeypatch.delenv("UNDERONE_ISA", raising=False)
    if wanted:
        monkeypatch.setenv("UNDERONE_ISA", wanted)
    seen = []
    monkeypatch.setattr(module, "compiled", lambda *_, isa, **__: seen.append(isa))
    resample_compiled(
        noise(6, 7), Cut((8, 9), (0, 0), (8, 9)), TABLES["RGB"], np.zeros((1, 3, 8, 9), np.float32), False
    )
    assert seen == [used]


GUARDED = """
import ctypes, mmap, sys
import numpy as np
from underone._native import prepare, resize
page = mmap.PAGESIZE
memory = mmap.mmap(-1, 8 * page)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(start + 7 * page), page, 0) == 0
tables, out = np.zeros((3, 256), np.float32), np.zeros((1, 3, 5, 7), np.float32)
planes = np.zeros((3, 5, 7), np.uint8)
for height, width in [(1, 1), (2, 3), (9, 10), (9, 11), (9, 12), (40, 50), (1, 2000)]:
    pixels = np.frombuffer(memory, np.uint8, 3 * height * width, 7 * page - 3 * height * width)
    fours = np.frombuffer(memory, np.uint8, 4 * height * width, 7 * page - 4 * height * width)
    for columns_first in (False, True):
        seen = fours.reshape(height, width, 4)[:, :, :3]
        resize(seen, planes, mirrored=True, columns_first=columns_first, isa=sys.argv[1])
        prepare(pixels.reshape(height, width, 3), out, resized=(5, 7), origin=(0, 0), interpolation="bicubic",
                columns_first=columns_first, tables=tables, color="RGB", channels_last=False, isa=sys.argv[1])
print("read nothing behind the picture")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect is called")
@pytest.mark.parametrize("isa", ISAS)
def test_nothing_is_read_behind_the_picture(isa):
    done = subprocess.run([sys.executable, "-c", GUARDED, isa], capture_output=True, text=True, check=False)
    assert done.stdout == "read nothing behind the picture\n", (done.returncode, done.stderr)


@pytest.mark.parametrize("columns_first", [False, True])
def test_the_order_of_the_passes_is_that_of_two_single_resizes(monkeypatch, columns_first):
    monkeypatch.setattr(module, "_columns_first", lambda *sizes: columns_first)
    pixels = noise(90, 70, 1)
    between = (70, 31) if columns_first else (41, 90)  # (width, height)
    filters = Image.Resampling.BILINEAR
    wanted = np.asarray(Image.fromarray(pixels).resize(between, filters).resize((41, 31), filters))
    out = np.empty((1, 31, 41, 3), np.float32)
    resample_compiled(pixels, Cut((31, 41), (0, 0), (31, 41)), np.stack([BYTES] * 3), out, True)
    np.testing.assert_array_equal(out[0], wanted)


@pytest.mark.parametrize(
    "sizes", [(3001, 30, 60, 40), (400, 60, 394, 57), (400, 60, 393, 57), (9, 9, 8, 9), (9, 9, 12, 7)]
)
@pytest.mark.parametrize("version", [(11, 3), (12, 2), (13, 0)])
def test_a_pass_order_is_chosen_for_each_pillow(monkeypatch, version, sizes):
    monkeypatch.setattr(module, "_PILLOW", version)
    newest = sizes in [(3001, 30, 60, 40), (400, 60, 393, 57), (9, 9, 8, 9)]
    wanted = {(11, 3): False, (12, 2): sizes[0] == 3001, (13, 0): newest}[version]
    assert module._columns_first(*sizes) == wanted


@pytest.mark.parametrize("how", [
    IMAGENET_PREPARATION, Preparation(resize="squeeze", interpolation="bicubic", range=(-1, 1), color="BGR"),
    Preparation(color="GRAY", mean=(0.4,), std=(0.3,), interpolation="nearest"),
])  # fmt: skip
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_prepare_gives_the_same_bits_with_and_without_the_compiled_pass(monkeypatch, how, layout):
    shape = (None, len(how.mean), 224, 224) if layout == "NCHW" else (None, 224, 224, len(how.mean))
    spec = InputSpec(shape=shape, layout=layout, preparation=how)
    compiled = prepare(photograph(), spec)
    monkeypatch.setattr(module, "ISAS", [])
    np.testing.assert_array_equal(compiled, prepare(photograph(), spec), strict=True)


WRONG = [
    ({"cut": Cut((9, 9), (2, 0), (8, 9))}, r"the crop of 8 pixels from 2 on does not lie in the resized picture of 9"),
    ({"cut": Cut((9, 9), (-1, 0), (8, 9))}, r"the crop of 8 pixels from -1 on does not lie"),
    ({"cut": Cut((2**40, 9), (0, 0), (8, 9))}, r"does not lie in the resized picture of 1099511627776"),
    ({"cut": Cut((8, 9), (0, 0), (8, 9), "lanczos")}, r"interpolation is 'lanczos'; nearest, bilinear or bicubic"),
    ({"cut": Cut((8, 9), (0, 0), (8, 9), color="HSV")}, r"colour is 'HSV'; RGB, BGR or GRAY is required"),
    ({"pixels": np.zeros((4, 4, 4), np.uint8)}, r"the picture must be \(H, W, 3\) or \(H, W\), and not empty"),
    ({"pixels": np.zeros((0, 4, 3), np.uint8)}, r"the picture must be \(H, W, 3\) or \(H, W\), and not empty"),
    ({"tables": np.zeros((1, 256), np.float32)}, r"the tables must be \(3, 256\)"),
    ({"tables": np.zeros((3, 255), np.float32)}, r"the tables must be \(3, 256\)"),
    ({"out": np.zeros((2, 3, 8, 9), np.float32)}, r"the output must hold one picture with 3 channels"),
    ({"out": np.zeros((1, 1, 8, 9), np.float32)}, r"the output must hold one picture with 3 channels"),
    ({"isa": "sse9"}, r"no instruction set 'sse9' is built in"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "text"), WRONG)
def test_what_does_not_fit_is_refused(changes, text):
    given = {
        "pixels": noise(6, 7), "cut": Cut((8, 9), (0, 0), (8, 9)), "tables": TABLES["RGB"],
        "out": np.zeros((1, 3, 8, 9), np.float32), "channels_last": False, "isa": None,
    } | changes  # fmt: skip
    with pytest.raises(ValueError, match=text):
        resample_compiled(**given)

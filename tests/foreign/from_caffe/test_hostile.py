"""Damaged and hostile Caffe files: one line that names the file, within bounds of time and memory."""

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from underone.errors import BadFile, FetchFailed, Unsupported
from underone.files import fetch
from underone.foreign.from_caffe import read_caffe
from underone.foreign.from_caffe.caffemodel import read_caffemodel
from underone.foreign.from_caffe.prototxt import parse_prototxt, read_prototxt
from underone.weights import REAL_FILES

GOLDEN = Path(__file__).parents[2] / "golden" / "foreign"
MODEL, TEXT = ((GOLDEN / f"caffe_old.{s}").read_bytes() for s in ("caffemodel", "prototxt"))


@pytest.fixture
def complaint(tmp_path):
    """Return a function that reads two files made of bytes and gives the one line that comes of it, or nothing."""

    def read(model, text):
        (tmp_path / "x.caffemodel").write_bytes(model)
        (tmp_path / "x.prototxt").write_bytes(text)
        try:
            read_caffe(tmp_path / "x.caffemodel").graph()
        except (BadFile, Unsupported) as error:
            line = str(error)
        else:
            return ""
        assert line.startswith(str(tmp_path / "x."))
        assert "\n" not in line
        return line

    return read


def test_cut_weights_are_refused(complaint):
    assert all(complaint(MODEL[:cut], TEXT) for cut in range(0, len(MODEL) - 1, 3))


def test_cut_texts_are_refused_or_smaller_networks(complaint):
    lines = [complaint(MODEL, TEXT[:cut]) for cut in range(0, len(TEXT), 8)]
    assert sum(bool(line) for line in lines) > 0.8 * len(lines)


@pytest.mark.parametrize("part", ["model", "text"])
def test_flipped_bytes_never_crash(complaint, part):
    rng = np.random.default_rng(0)
    lines = set()
    for _ in range(400):
        damaged = bytearray(MODEL if part == "model" else TEXT)
        for at in rng.integers(0, len(damaged), rng.integers(1, 4)):
            damaged[at] = rng.integers(256)
        lines.add(complaint(*((bytes(damaged), TEXT) if part == "model" else (MODEL, bytes(damaged)))))
    assert len(lines) > 20


def test_random_cuts_of_a_large_file_are_refused(tmp_path):
    try:
        data = fetch(REAL_FILES["res10_ssd_caffemodel"]).read_bytes()
    except FetchFailed as error:
        pytest.skip(str(error))
    path, rng = tmp_path / "x.caffemodel", np.random.default_rng(2)
    for cut in rng.integers(0, len(data) - 1, 60):
        path.write_bytes(data[:cut])
        try:
            read_caffemodel(path)  # a cut between two layers is a smaller file
        except BadFile as error:
            line = str(error)
            assert line.startswith(str(path))


def bad(text, line):
    with pytest.raises(BadFile, match=line):
        parse_prototxt(text, "x.prototxt")


def test_texts_in_every_notation_are_read():
    fields = parse_prototxt(
        """a: 1, b: -2.5e1f; c: 'one' "two\\n" # a remark
        d { e: true } d: < e: FALSE_NAME > f: [1, 2, 3] g: 0x10 h: .5 i: 1e400 j []""".replace("j []", "j: []"),
        "x.prototxt",
    )
    assert (fields.integer("a"), fields.number("b"), fields.text("c")) == (1, -25, "onetwo\n")
    assert [d.text("e") for d in fields.each("d")] == ["true", "FALSE_NAME"]
    assert (fields.integers("f"), fields.integer("g"), fields.number("h")) == ([1, 2, 3], 16, 0.5)
    assert "j" not in fields


def test_bad_texts_name_the_line():
    bad("a: 1\nb 3", r"x\.prototxt, line 2: '3' behind 'b'; a colon or a brace is required")
    bad("a: 1\n\n}", r"x\.prototxt, line 3: '}' where a name of a field is required")
    bad("a {", r"x\.prototxt, line 1: 'the end of the file' where a name of a field is required")
    bad("a: {b: 1>", "'>' where a name of a field is required")
    bad("a:", "'the end of the file' where a value is required")
    bad("a: [1, {", "'{' where a value is required")
    bad("a: [1, 2", "'the end of the file' where a value is required")
    bad("a: 'open\n'", r"line 1: .* is not in the text format")
    bad("a: \x00", r"line 1: .* is not in the text format")
    bad("a {" * 100, "messages inside messages, more than 16 deep")


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "x.prototxt"
    path.write_bytes(b"name: '\xff'")
    with pytest.raises(BadFile, match=r"x\.prototxt, byte 7: a text that is not UTF-8"):
        read_prototxt(path)
    path.write_bytes(b" " * (2 << 20))
    with pytest.raises(BadFile, match=r"x\.prototxt has 2,097,152 bytes; at most 1,048,576 are read"):
        read_prototxt(path)
    with pytest.raises(
        Unsupported, match=r"is a network without weights; put its \.caffemodel of the same name beside"
    ):
        read_caffe(path)
    path = tmp_path / "x.caffemodel"
    path.write_bytes(b"")
    with pytest.raises(BadFile, match=r"x\.caffemodel holds no layers; a \.caffemodel is required"):
        read_caffemodel(path)


LAYER = 'layer { name: "a" type: "ReLU" bottom: "x" top: "y" } '
INPUT = 'input: "x" input_shape { dim: 1 dim: 3 } '


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (LAYER, "states no input, as a network for training; give the .prototxt that it is deployed with"),
        ('input: "x" ' + LAYER, "states 1 inputs with 0 shapes"),
        ('input: "x" input_shape { dim: 0 dim: 3 } ' + LAYER, r"input 'x' has shape \(0, 3\); sizes above 0"),
        ('input: "x" input_shape { dim: 1 dim: 9999999999 } ' + LAYER, "sizes above 0 are required"),
        ('layer { name: "i" type: "Input" top: "x" } ' + LAYER, "input 'i' has 0 shapes for 1 blobs"),
        (INPUT + LAYER * 5000, "has 5000 layers; at most 4096 are read"),
        (INPUT + 'layers { layer { type: "conv" } }', "notation of before 2013; upgrade the file"),
        (INPUT, "at least one"),
    ],
)
def test_networks_that_do_not_run_are_named(complaint, text, line):
    import re

    assert re.search(line, complaint(MODEL, text.encode()))


def test_layers_for_training_are_left_out(complaint, tmp_path):
    text = (
        INPUT
        + LAYER
        + """
        layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TRAIN } }
        layer { name: "l" type: "SoftmaxWithLoss" bottom: "y" bottom: "label" top: "loss" }
        layer { name: "o" type: "Odd" bottom: "y" top: "z" include { phase: TRAIN } }
        layer { name: "p" type: "Odd" bottom: "y" top: "z" exclude { phase: TEST } }
        layer { name: "q" type: "Odd" bottom: "y" top: "z" include { stage: "extra" } }
        layer { name: "r" type: "Odd" bottom: "y" top: "z" include { min_level: 1 } }
        layer { name: "t" type: "TanH" bottom: "y" top: "z" include { phase: TEST } }
    """
    )
    assert complaint(MODEL, text.encode()) == ""
    assert [v.name for v in read_caffe(tmp_path / "x.caffemodel").graph().outputs] == ["z"]


def test_memory_and_time_are_bounded(complaint):
    """Numbers that promise much and hold little."""
    huge = "layer { name: 'a' type: 'Convolution' bottom: 'x' top: 'y' convolution_param { pad: 1000000 stride: 1 } }"
    text = f"input: 'x' input_shape {{ dim: 1 dim: 3 dim: 9 dim: 9 }} {huge.replace(chr(39) + 'a', chr(39) + 'conv')}"
    tiles = "".join(
        f"layer {{ name: 't{i}' type: 'Tile' bottom: 'x' top: 'x' tile_param {{ tiles: 30000 }} }}" for i in range(9)
    )
    tracemalloc.start()
    started = time.perf_counter()
    assert "elements" in complaint(MODEL, text.encode())
    assert "elements" in complaint(MODEL, (INPUT + tiles).encode())
    assert time.perf_counter() - started < 5
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


def test_many_prior_boxes_are_refused(complaint):
    priors = "".join(
        f"""layer {{ name: 'p{i}' type: 'PriorBox' bottom: 'x' bottom: 'x' top: 'p{i}'
        prior_box_param {{ min_size: 1 aspect_ratio: 2 aspect_ratio: 3 aspect_ratio: 4 }} }}"""
        for i in range(500)
    )
    text = "input: 'x' input_shape { dim: 1 dim: 3 dim: 120 dim: 120 }" + priors
    tracemalloc.start()
    assert "layer 'p" in (line := complaint(MODEL, text.encode()))
    assert "elements are computed from constants; at most" in line
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


def test_thousands_of_layers_of_one_name_take_seconds(complaint):
    layers = 'layer { name: "a" type: "LRN" bottom: "x" top: "x" } ' * 2000
    started = time.perf_counter()
    text = 'input: "x" input_shape { dim: 1 dim: 3 dim: 4 dim: 4 } ' + layers
    text += 'layer { name: "z" type: "ReLU" bottom: "x" top: "y" }'
    assert complaint(MODEL, text.encode()) == ""
    assert time.perf_counter() - started < 15

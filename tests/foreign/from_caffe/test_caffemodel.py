"""The binary form by hand: every way to write an array, and what is refused."""

import numpy as np
import pytest

from underone.errors import BadFile, Unsupported
from underone.foreign.from_caffe import read_caffe
from underone.foreign.from_caffe.caffemodel import read_caffemodel


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number, value):
    """Encode a number, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


NUMBERS = np.arange(6, dtype="<f4")
SHAPE = field(7, field(1, bytes([2, 3])))
PACKED = field(5, NUMBERS.tobytes())


def layer(*blobs, name="a", kind="ReLU", more=b""):
    return field(100, field(1, name) + field(2, kind) + b"".join(field(7, b) for b in blobs) + more)


def arrays(path, data):
    path.write_bytes(data)
    return read_caffemodel(path).arrays


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.caffemodel"


@pytest.mark.parametrize(
    "blob",
    [
        PACKED + SHAPE,
        b"".join(varint(5 << 3 | 5) + n.tobytes() for n in NUMBERS) + SHAPE,  # not packed
        field(8, NUMBERS.astype("<f8").tobytes()) + SHAPE,  # double_data
        PACKED + field(7, field(1, 2) + field(1, 3)),  # sizes not packed
        PACKED + b"".join(field(i, d) for i, d in ((3, 2), (4, 3), (1, 1), (2, 1))),  # num, channels, height, width
    ],
)
def test_arrays_in_every_notation_are_read(path, blob):
    (found,) = arrays(path, layer(blob))["a"]
    assert found.dtype == np.float32
    assert found.shape in ((2, 3), (1, 1, 2, 3))
    np.testing.assert_array_equal(found.ravel(), NUMBERS)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (layer(PACKED), r"byte \d+: an array of shape \(0, 0, 0, 0\) with 6 numbers"),
        (layer(PACKED + field(7, field(1, bytes([2, 2])))), r"an array of shape \(2, 2\) with 6 numbers"),
        (layer(PACKED + field(7, field(1, bytes([1] * 9 + [6])))), "an array of shape"),
        (layer(PACKED + SHAPE) * 2, "two layers with arrays have the name 'a'"),
        (layer(*[PACKED + SHAPE] * 65), "a layer of more than 64 arrays"),
        (layer(more=field(121, field(1, 9))), "pool is 9; 0 to 2 are known"),
        (layer(field(5, bytes(7))), "numbers of float32 are required"),
        (field(2, field(1, b"")), "layers in the notation of before 2013; upgrade the file with Caffe's"),
        (field(1, "a name"), r"x\.caffemodel holds no layers"),
    ],
)
def test_damaged_arrays_are_named(path, data, line):
    with pytest.raises((BadFile, Unsupported), match=line) as found:
        arrays(path, data)
    assert str(found.value).startswith(str(path))


def test_networks_without_text_are_read_from_the_weights(path):
    """Input, a pool with its enumeration, a reshape that keeps the batch, an old type that is not known."""
    shape = field(1, field(1, bytes([1, 2, 4, 4])))
    data = layer(name="in", kind="Input", more=field(4, "x") + field(143, shape))
    data += layer(name="p", kind="Pooling", more=field(3, "x") + field(4, "y") + field(121, field(1, 1) + field(2, 2)))
    path.write_bytes(data)
    (value,) = read_caffe(path).graph().outputs
    assert (value.name, value.shape) == ("y", (None, 2, 3, 3))
    path.write_bytes(data + field(2, field(4, "odd") + field(5, 37) + field(2, "y") + field(3, "z")))
    with pytest.raises(Unsupported, match="layer 'odd' is of class 'old type 37'"):
        read_caffe(path).graph()


TEXT = 'input: "x" input_shape { dim: 1 dim: 2 dim: 4 dim: 4 } layer { name: "a" type: "%s" bottom: "x" top: "y" %s}'


@pytest.mark.parametrize(
    ("kind", "more", "line"),
    [
        ("Convolution", "", r"has a kernel of shape \(2, 3\); two spatial axes are read"),
        ("BatchNorm", "", r"has 1 arrays; number 2 is required"),
        ("PriorBox", 'bottom: "x" prior_box_param { min_size: 1 ' + "min_size: 2 " * 40000 + "}", "at most 524288"),
    ],
)
def test_arrays_that_do_not_fit_their_layer_are_named(path, kind, more, line):
    path.write_bytes(layer(PACKED + SHAPE))
    (path.parent / "x.prototxt").write_text(TEXT % (kind, more))
    with pytest.raises((BadFile, Unsupported), match=line):
        read_caffe(path).graph()


def test_statistics_of_different_sizes_are_named(path):
    blobs = [PACKED + SHAPE, PACKED + SHAPE, field(5, bytes(8)) + field(7, field(1, bytes([2])))]
    (path.parent / "x.prototxt").write_text(TEXT % ("BatchNorm", ""))
    path.write_bytes(layer(*blobs))
    with pytest.raises(BadFile, match=r"has an array of shape \(2,\); 1 numbers are required"):
        read_caffe(path).graph()
    blobs = [
        PACKED + SHAPE,
        field(5, bytes(8)) + field(7, field(1, bytes([2]))),
        field(5, bytes(4)) + field(7, field(1, b"\1")),
    ]
    path.write_bytes(layer(*blobs))
    with pytest.raises(BadFile, match="has arrays of 6, 2, 6, 6 numbers"):
        read_caffe(path).graph()

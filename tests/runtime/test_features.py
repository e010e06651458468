"""Features on every engine; their file, which may be anybody's; nearest neighbours."""

import io
import re
import zipfile

import numpy as np
import onnx
import pytest

from underone import load
from underone.compare import difference
from underone.errors import BadFile, BadValue, ShapeError, UnknownName
from underone.graph import read_onnx, run_reference
from underone.image import photographs, prepare
from underone.runtime import Features, extract, installed_backends, read_features
from underone.runtime import features as module
from underone.runtime.features import unit

NAMES = ["Conv_0", "Norm_0", "Relu_0", "body", "body.act", "pool", "flat", "head"]


@pytest.fixture
def named(described):
    """A file of ours whose nodes have names."""
    model = onnx.load_model_from_string(described)
    for node, name in zip(model.graph.node, NAMES, strict=True):
        node.name = name
    return model.SerializeToString()


@pytest.fixture
def photos():
    return {photo.name: photo.content for photo in photographs()}


@pytest.mark.parametrize("backend", installed_backends())
def test_features_are_the_networks_own_tensors(named, photos, backend):
    photo = next(iter(photos.values()))
    with load(named, backend, layers=["body", "flat"]) as net:
        found = net.features(photo)
        tensor = prepare(photo, net.spec.input)
    model = onnx.load_model_from_string(named)  # the same tensors as further outputs of the whole file
    model.graph.output.extend(onnx.helper.make_tensor_value_info(n, 1, None) for n in ("e", "g"))
    for value, shape in zip(model.graph.output[1:], (["batch", 8, 8, 8], ["batch", 8]), strict=True):
        value.CopyFrom(onnx.helper.make_tensor_value_info(value.name, 1, shape))
    del model.metadata_props[:]
    wanted = run_reference(read_onnx(model.SerializeToString()), {"image": tensor})
    assert found["body"].shape == (8, 8, 8)
    for layer, tensor_name in (("body", "e"), ("flat", "g")):
        assert difference(found[layer], wanted[tensor_name][0])[0] < 1e-10, layer


def test_a_network_on_its_own_outputs_gives_no_features(named, photos):
    with load(named) as net, pytest.raises(BadValue, match=r"'tiny' gives no features; name layers: load\(file, lay"):
        net.features(photos)


def test_a_file_that_says_no_preparation_is_refused(foreign, photos):
    with load(foreign, layers=["e"]) as net:
        with pytest.raises(BadValue, match=r"not say how a picture becomes its input; prepare it and call net\.run"):
            net.features(photos)
        assert net.run(np.ones((2, 3, 32, 32), np.float32))["e"].shape == (2, 8, 8, 8)


def test_an_unknown_layer_is_refused(named):
    with pytest.raises(UnknownName, match=r"unknown layer 'boddy'\. Did you mean 'body'"):
        load(named, layers=["boddy"])


def test_extract_gives_a_row_for_each_picture(named, photos):
    told, broken = [], {**photos, "broken": b"no picture"}
    with load(named, layers=["body", "flat"]) as net:
        maps = extract(net, photos)
        means = extract(net, broken, pool=True, failed=lambda name, error: told.append(f"{name}: {error}"))
        *_, name = photos
        row = net.features(photos[name])
        with pytest.raises(BadFile, match="not a picture"):
            extract(net, broken)
        with pytest.raises(BadValue, match="not one of 1 pictures could be read"):
            extract(net, {"broken": b"no"}, failed=lambda *_: None)
    assert maps.files == means.files == tuple(photos)
    assert len(told) == 1
    np.testing.assert_array_equal(maps.layers["body"][maps.files.index(name)], row["body"])
    np.testing.assert_allclose(means.layers["body"], maps.layers["body"].mean((2, 3)), rtol=1e-6)
    np.testing.assert_array_equal(means.layers["flat"], maps.layers["flat"])


def test_too_much_is_refused_before_it_is_kept(named, photos, monkeypatch):
    monkeypatch.setattr(module, "_LARGEST", 8 * 8 * 8 * 4 * len(photos) - 1)
    with load(named, layers=["body"]) as net:
        with pytest.raises(BadValue, match=r"the features of \d+ pictures take [\d,]+ bytes; at most .* average them"):
            extract(net, photos)
        assert extract(net, photos, pool=True).layers["body"].shape == (len(photos), 8)


def test_maps_of_several_sizes_are_refused():
    rows = [np.zeros((8, 4, 4)), np.zeros((8, 5, 4))]
    with pytest.raises(ShapeError, match=r"layer 'c' gives maps of several sizes: .* average them: pool=True"):
        module._stacked(rows, "c")


VECTORS = np.array([[3, 0], [0, 2], [5, 5], [-1, 0]], np.float32)


def kept(**changes):
    return Features(**{"files": tuple("abcd"), "layers": {"last": VECTORS}, "network": "n", **changes})


def test_nearest_is_by_angle():
    found = kept().nearest(np.array([10, 1]), 3)
    assert [n.file for n in found] == ["a", "c", "b"]
    np.testing.assert_allclose([n.similarity for n in found], np.array([10, 11 / 2**0.5, 1]) / 101**0.5, rtol=1e-6)
    assert kept().nearest(np.array([10, 1]), 9)[-1].file == "d"


def test_maps_are_averaged_before_they_are_compared():
    maps = np.random.default_rng(0).normal(1, 1, (4, 6, 3, 3)).astype(np.float32)
    means = maps.mean((2, 3))
    wanted = means / np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(kept(layers={"last": maps}).vectors, wanted, rtol=1e-5)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(BadValue, match=r"2 layers \(a, b\); pictures are compared by one"):
        _ = kept(layers={"a": VECTORS, "b": VECTORS}).vectors
    with pytest.raises(ShapeError, match=r"a vector of shape \(3,\); \(2,\) is required"):
        kept().nearest(np.ones(3))
    with pytest.raises(BadValue, match="count=0; a whole number from 1 up is required"):
        kept().nearest(np.ones(2), 0)


def test_a_file_gives_back_what_was_saved(tmp_path):
    maps = np.asfortranarray(np.random.default_rng(0).normal(0, 1, (4, 3, 2, 2)).astype(np.float32))
    saved = kept(files=("ä/1.jpg", "b", "c", "d"), layers={"stage2": maps, "last": VECTORS})
    found = read_features(saved.save(tmp_path / "f.npz"))
    assert (found.files, found.network, [*found.layers]) == (saved.files, "n", ["stage2", "last"])
    for layer, array in saved.layers.items():
        np.testing.assert_array_equal(found.layers[layer], array)
    with np.load(tmp_path / "f.npz") as plain:  # as anybody reads it
        assert plain["files"].tolist() == list(saved.files)
        np.testing.assert_array_equal(plain["stage2"], maps)


@pytest.mark.parametrize("name", ["files", "network", "file", "allow_pickle"])
def test_layers_that_would_replace_something_else_are_refused(tmp_path, name):
    with pytest.raises(BadValue, match=f"a layer '{name}' cannot be saved; every name but allow_pickle, file, files, "):
        kept(layers={name: VECTORS}).save(tmp_path / "f.npz")
    assert not list(tmp_path.iterdir())


def test_float16_vectors_have_length_1_though_their_squares_overflow():
    found = unit(np.full((2, 8), 300, np.float16))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 8**-0.5, rtol=1e-6)


def archive(path, compression=zipfile.ZIP_STORED, **arrays):
    arrays = {"files": np.array(["a", "b"]), "network": np.array("n"), "last": VECTORS[:2], **arrays}
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array) if isinstance(array, np.ndarray) else content.write(array)
            file.writestr(f"{name}.npy", content.getvalue())
    return path


def header(shape, descr="'<f4'"):
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(8)


BAD = {
    "its arrays are compressed": {"compression": zipfile.ZIP_DEFLATED},
    "last.npy does not hold (1000000, 1000000) values of float32": {"last": header((10**6, 10**6))},
    "invalid literal for int": {"last": header("(1 1,)")},
    "last.npy is no array": {"last": header((2,), "'|O'")},
    "last.npy is no array of numbers": {"last": header((2,), "'<f3'")},
    "network.npy is no array": {"network": b"nothing at all"},
    "['last'] is not one row of numbers for each of its pictures": {"last": VECTORS},
    "['last'] is not one row": {"last": np.array([1.0, 2.0])},
    "files is not one row": {"files": np.array([1.0, 2.0])},
}


@pytest.mark.parametrize("message", BAD)
def test_hostile_files_are_refused_in_one_line(tmp_path, message):
    path = archive(tmp_path / "f.npz", **BAD[message])
    with pytest.raises(BadFile, match=re.escape(message)) as caught:
        read_features(path)
    assert str(path) in str(caught.value)


def test_encrypted_and_cut_archives_are_refused(tmp_path):
    content = bytearray(archive(tmp_path / "f.npz").read_bytes())
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # of every entry, and of the directory
        at = content.find(start)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(start, at + 1)
    (tmp_path / "f.npz").write_bytes(content)
    with pytest.raises(BadFile, match=r"f\.npz cannot be read as features: .* is encrypted"):
        read_features(tmp_path / "f.npz")
    content = bytearray(archive(tmp_path / "f.npz").read_bytes())
    directory = content.rindex(b"PK\x01\x02")  # of the last entry, which now reaches beyond the end
    content[directory + 20 : directory + 28] = (len(content) - 600).to_bytes(4, "little") * 2
    (tmp_path / "f.npz").write_bytes(content)
    with pytest.raises(BadFile, match=r"f\.npz cannot be read as features: "):
        read_features(tmp_path / "f.npz")


def test_files_that_are_no_features_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", a=VECTORS)
    with pytest.raises(BadFile, match=r"other.npz holds \['a'\]; files, network and layers are required"):
        read_features(tmp_path / "other.npz")
    (tmp_path / "text.npz").write_text("no archive")
    for name in ("text.npz", "nowhere.npz"):
        with pytest.raises(BadFile, match=f"{name} cannot be read as features: "):
            read_features(tmp_path / name)


def test_arrays_that_claim_more_than_the_file_holds_are_refused(tmp_path):
    content = bytearray(archive(tmp_path / "f.npz").read_bytes())
    directory = content.rindex(b"PK\x01\x02")  # of the last entry
    content[directory + 20 : directory + 28] = (1 << 30).to_bytes(4, "little") * 2
    (tmp_path / "f.npz").write_bytes(content)
    with pytest.raises(BadFile, match="its arrays are larger than the file"):
        read_features(tmp_path / "f.npz")

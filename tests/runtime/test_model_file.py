"""Files that are ONNX, and files that only say so."""

import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper

from underone.errors import BadFile, Unsupported
from underone.runtime.model_file import open_model


def changed(content, change):
    model = onnx.load_model_from_string(content)
    change(model)
    return model.SerializeToString()


def test_a_foreign_file_is_described_by_names_and_shapes(foreign, tmp_path):
    (tmp_path / "their_net.onnx").write_bytes(foreign)
    spec = open_model(tmp_path / "their_net.onnx").spec
    assert spec.name == "their_net"
    assert spec.task is None
    assert [(i.name, i.shape, i.dtype) for i in spec.inputs] == [("image", (None, 3, 32, 32), "float32")]
    assert [(o.name, o.shape, o.dtype) for o in spec.outputs] == [("logits", (None, 10), "float32")]


def test_our_own_file_brings_its_spec(described, spec):
    assert open_model(described).spec == spec


def test_shapes_and_dtypes_are_those_of_the_file_not_of_the_spec(described):
    def half_the_size(model):
        model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 16

    assert open_model(changed(described, half_the_size)).spec.input.shape == (None, 3, 16, 32)


def test_a_spec_of_another_network_is_refused(described):
    def rename(model):
        model.graph.input[0].name = "pixels"

    with pytest.raises(BadFile, match=r"its spec describes \['image'\], but the file has \['pixels'\]"):
        open_model(changed(described, rename))


def test_weights_dtype_is_that_of_most_elements(foreign, foreign_float16, mixed_float16):
    assert [open_model(f).weights for f in (foreign, foreign_float16, mixed_float16)] == [
        "float32",
        "float16",
        "float16",
    ]


def test_weights_in_constant_nodes_count(write_onnx):
    import numpy as np

    value = onnx.numpy_helper.from_array(np.ones(9, np.float16))
    nodes = [
        helper.make_node("Constant", [], ["c"], value=value),
        helper.make_node("Cast", ["c"], ["d"], to=T.FLOAT),
        helper.make_node("Add", ["x", "d"], ["y"]),
    ]
    content = write_onnx(nodes, {"unused": np.ones(2, np.float32)}, [("x", T.FLOAT, [9])], [("y", T.FLOAT, [9])])
    assert open_model(content).weights == "float16"


def test_old_files_list_weights_as_inputs(foreign):
    def list_weights(model):
        for tensor in model.graph.initializer:
            model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))

    assert [i.name for i in open_model(changed(foreign, list_weights)).spec.inputs] == ["image"]


@pytest.mark.parametrize("content", [b"", b"hello, I am a text\n" * 5, b"\x00" * 100, b"{}"])
def test_what_is_no_onnx_gives_one_line(content, tmp_path):
    path = tmp_path / "text.onnx"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=r"text\.onnx .*no") as caught:
        open_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_file_cut_short_is_refused(foreign, share):
    with pytest.raises(BadFile, match="the model"):
        open_model(foreign[: int(share * len(foreign))])


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(BadFile, match=r"none\.onnx cannot be read: No such file"):
        open_model(tmp_path / "none.onnx")
    with pytest.raises(BadFile, match=r"cannot be read: Is a directory"):
        open_model(tmp_path)


def test_a_file_above_protobufs_bound_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("underone.runtime.model_file.LARGEST_FILE", 10)
    (tmp_path / "big.onnx").write_bytes(b"x" * 11)
    with pytest.raises(BadFile, match=r"big\.onnx has 11 bytes; at most 10 are read"):
        open_model(tmp_path / "big.onnx")


def test_a_network_without_input_is_refused(foreign):
    with pytest.raises(BadFile, match="has no input; a network needs one"):
        open_model(changed(foreign, lambda model: model.graph.ClearField("input")))


def test_inputs_that_are_no_tensors_are_refused(foreign):
    def sequence(model):
        model.graph.input[0].CopyFrom(helper.make_tensor_sequence_value_info("image", T.FLOAT, [1]))

    with pytest.raises(Unsupported, match="'image' is no tensor of a known type; only tensors go in and out"):
        open_model(changed(foreign, sequence))


def outside(model, location, length="4", offset="0"):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = T.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=value)


@pytest.mark.parametrize(("location", "length", "message"), [
    ("../secret", "4", "which is not below its folder"),
    ("/etc/passwd", "4", "which is not below its folder"),
    ("none.bin", "4", "are missing: no file"),
    ("data.bin", "101", "reach past the end of"),
    ("data.bin", "-1", "are missing"),
])  # fmt: skip
def test_weights_elsewhere_are_refused(foreign, tmp_path, location, length, message):
    (tmp_path / "secret").write_bytes(b"x" * 100)
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "data.bin").write_bytes(b"x" * 100)
    path = folder / "net.onnx"
    path.write_bytes(changed(foreign, lambda model: outside(model, location, length)))
    with pytest.raises(BadFile, match=message):
        open_model(path)


def test_bytes_cannot_have_weights_beside_them(foreign):
    with pytest.raises(BadFile, match="which is not below its folder"):
        open_model(changed(foreign, lambda model: outside(model, "data.bin")))


def test_weights_beside_the_file_are_opened_by_path(foreign, tmp_path):
    path = tmp_path / "net.onnx"
    onnx.save(
        onnx.load_model_from_string(foreign), path, save_as_external_data=True, location="net.bin", size_threshold=0
    )
    assert open_model(path).content == path


def test_names_that_are_no_text_are_refused(foreign):
    with pytest.raises(BadFile, match="no text; the file is damaged"):
        open_model(foreign.replace(b"image", b"ima\xff\xfe"))

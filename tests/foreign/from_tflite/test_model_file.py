"""The structure of a file is read with every offset, number and size checked."""

import io
import zipfile

import numpy as np
import pytest

from underone.errors import BadFile, UnknownName, Unsupported
from underone.foreign import read_foreign
from underone.foreign.bounded import Budget, Reader
from underone.foreign.from_tflite import read_tflite
from underone.graph import infer_shapes, run_reference

RELU = [("RELU", "x", "y", {})]


def relu(small, **changes):
    make, tensor = small
    return make({"x": tensor((1, 3)), "y": tensor((1, 3))}, RELU, **changes)


def test_file_is_found_by_its_mark(small, tmp_path):
    path = tmp_path / "network.bin"
    path.write_bytes(relu(small).bytes())
    file = read_foreign(path)
    assert (file.format, file.where, dict(file.tensors), file.labels) == ("TFLite", str(path), {}, None)
    assert file.graph().spec.name == "network"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d[:3], "byte 4: the header needs 4 bytes"),
        (lambda d: d[:4] + b"TFL9" + d[8:], "byte 4: b'TFL9' is not the mark of a TFLite file"),
        (lambda d: b"\xff\xff\xff\x7f" + d[4:], "byte 2147483647: a table needs 4 bytes"),
        (lambda d: d[:40], "byte"),
    ],
)
def test_damaged_structure_is_one_line(small, change, message):
    with pytest.raises(BadFile, match=message) as raised:
        read_tflite(change(relu(small).bytes())).graph()
    assert "model.tflite" in str(raised.value)
    assert "\n" not in str(raised.value)


def changed(small, change):
    """Write a file after a change of its parts by the schema's own classes."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as s

    make, tensor = small
    content = make(
        {"x": tensor((1, 3)), "b": tensor(value=np.ones(3, np.float32)), "y": tensor((1, 3))}, [("ADD", "x b", "y", {})]
    ).bytes()
    model = s.ModelT.InitFromPackedBuf(content, 0)
    change(model, model.subgraphs[0])
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _scales(scale, zero):
    def change(model, network):
        from ai_edge_litert import schema_py_generated as s

        network.tensors[1].quantization = s.QuantizationParametersT()
        network.tensors[1].quantization.scale = np.array(scale, np.float32)
        network.tensors[1].quantization.zeroPoint = np.array(zero, np.int64)

    return change


def set_(path, value):
    def change(model, network):
        target = {"model": model, "network": network, "x": network.tensors[0], "b": network.tensors[1],
                  "operator": network.operators[0]}[path[0]]  # fmt: skip
        setattr(target, path[1], value)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_(("model", "version"), 2), "schema version 2; 3 is read"),
        (set_(("model", "subgraphs"), []), "the file holds no network"),
        (set_(("b", "buffer"), 99), "buffer 99 of"),
        (set_(("b", "shape"), [4]), "constant 'b' needs 16 bytes; the file has 12 there"),
        (set_(("b", "shape"), [1 << 30, 1 << 30]), "constant 'b' needs"),
        (set_(("b", "shape"), [-1]), r"tensor 'b' has shape \(-1,\); up to 8 sizes >= 0"),
        (set_(("b", "shape"), [1] * 9), "tensor 'b' has shape"),
        (set_(("operator", "inputs"), [0, 77]), "tensor 77 of 3"),
        (set_(("operator", "opcodeIndex"), 5), "operator code 5 of 1"),
        (set_(("operator", "outputs"), []), "tensor 'y' is read before an operator gives it"),
        (set_(("operator", "outputs"), [0, 2]), r"ADD \['x', 'y'\] writes a tensor again"),
        (set_(("operator", "inputs"), [0, -1]), "ADD 'y' lacks operand 1"),
        (set_(("network", "outputs"), []), "the network has no inputs or no outputs"),
        (set_(("network", "inputs"), []), "the network has no inputs or no outputs"),
        (_scales([0.0], [0]), "tensor 'b' has 1 scales and 1 zero points"),
        (_scales([1.0, 2.0], [0, 0]), r"tensor 'b' has 2 scales and 2 zero points for axis 0 of \(3,\)"),
        (_scales([float("nan")], [0]), "scales above 0"),
        (_scales([1.0], [1 << 40]), "tensor 'b' has 1 scales"),
    ],
)
def test_number_that_is_impossible_is_a_bad_file(small, change, message):
    with pytest.raises(BadFile, match=message) as raised:
        read_tflite(changed(small, change)).graph()
    assert "model.tflite" in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_(("b", "type"), 17), "constant 'b' is INT4, which is not read"),
        (set_(("b", "externalBuffer"), 3), "tensor 'b' is kept in another file"),
        (set_(("x", "type"), 5), "input 'x' holds neither numbers nor truth values"),
    ],
)
def test_kind_that_is_not_read_is_named(small, change, message):
    with pytest.raises(Unsupported, match=message):
        read_tflite(changed(small, change)).graph()


def test_cycle_of_operators_is_a_bad_file(small):
    make, tensor = small
    shapes = dict.fromkeys("xaby", tensor((1, 3)))
    content = make(shapes, [("ADD", "x b", "a", {}), ("RELU", "a", "b", {}), ("RELU", "b", "y", {})]).bytes()
    with pytest.raises(BadFile, match="tensor 'b' is read before an operator gives it"):
        read_tflite(content).graph()


def test_part_between_named_tensors_is_read(small):
    make, tensor = small
    shapes = dict.fromkeys("xaby", tensor((1, 3)))
    file = read_tflite(
        make(shapes, [("NEG", "x", "a", {}), ("EXP", "a", "b", {}), ("Mine", "b", "y", {})]).bytes(), "n.tflite"
    )
    graph = file.graph(inputs=["a"], outputs=["b"])
    assert ([v.name for v in graph.inputs], [n.op for n in graph.nodes]) == (["a"], ["Exp"])
    with pytest.raises(UnknownName, match=r"unknown tensor of n\.tflite 'c'"):
        file.graph(outputs=["c"])


def test_open_batch_of_a_signature_stays_open(small):
    make, tensor = small
    file = make({"x": tensor((1, 3), signature=(-1, 3)), "y": tensor((1, 3))}, RELU)
    graph = read_tflite(file.bytes()).graph()
    assert graph.inputs[0].shape == graph.outputs[0].shape == (None, 3)
    assert infer_shapes(graph, batch=5)["y"].shape == (5, 3)


def test_two_tensors_of_one_name_are_told_apart(small):
    content = changed(small, set_(("b", "name"), "x"))
    graph = read_tflite(content).graph()
    got = run_reference(graph, {"x": np.zeros((1, 3), np.float32)})
    np.testing.assert_array_equal(got["y"], np.ones((1, 3), np.float32))
    assert list(read_tflite(content).tensors) == ["x;1"]


def test_second_network_is_noted(small):
    def twice(model, network):
        model.subgraphs.append(network)

    assert "the file holds 2 networks; the first is read" in read_tflite(changed(small, twice)).network().notes


def sparse_file(small, change=lambda sparsity: None):
    """A (4, 6) float32 weight whose second axis is compressed in blocks of two."""
    dense = np.zeros((4, 6), np.float32)
    dense[0, 2:4], dense[1, 0:2], dense[3, 4:6], dense[3, 0:2] = (1, 2), (3, 4), (7, 8), (5, 6)

    def make_sparse(model, network):
        from ai_edge_litert import schema_py_generated as s

        sparsity, tensor = s.SparsityParametersT(), network.tensors[1]
        sparsity.traversalOrder, sparsity.blockMap = [0, 1, 2], [1]
        sparsity.dimMetadata = [s.DimensionMetadataT() for _ in range(3)]
        rows, columns, block = sparsity.dimMetadata
        rows.format, rows.denseSize = s.DimensionType.DENSE, 4
        columns.format = s.DimensionType.SPARSE_CSR
        columns.arraySegmentsType = columns.arrayIndicesType = s.SparseIndexVector.Uint8Vector
        columns.arraySegments, columns.arrayIndices = s.Uint8VectorT(), s.Uint8VectorT()
        columns.arraySegments.values, columns.arrayIndices.values = [0, 1, 2, 2, 4], [1, 0, 0, 2]
        block.format, block.denseSize = s.DimensionType.DENSE, 2
        tensor.shape, tensor.sparsity = [4, 6], sparsity
        model.buffers[tensor.buffer].data = np.arange(1, 9, dtype=np.float32).view(np.uint8)
        network.tensors[0].shape, network.tensors[2].shape = [1, 6], [4, 6]
        change(sparsity)

    return changed(small, make_sparse), dense


def test_sparse_constant_is_made_dense(small):
    content, dense = sparse_file(small)
    np.testing.assert_array_equal(read_tflite(content).tensors["b"], dense)


def _index(name, values):
    def change(sparsity):
        getattr(sparsity.dimMetadata[1], name).values = values

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_index("arrayIndices", [1, 0, 0, 3]), "4 indices in 4 rows do not fit 4"),
        (_index("arrayIndices", [1, 0, 0]), "3 indices in 4 rows do not fit 4"),
        (_index("arraySegments", [0, 4]), "4 indices in 1 rows do not fit 4"),
        (_index("arraySegments", [0, 9, 2, 2, 4]), "4 indices in 4 rows do not fit"),
        (_index("arrayIndices", [1] * 40), "stores 8 elements; 40 are required"),
        (lambda s: setattr(s, "traversalOrder", [0, 1, 1]), r"order \[0, 1, 1\], blocks \[1\], 3 levels"),
        (lambda s: setattr(s, "blockMap", [7]), r"blocks \[7\]"),
        (lambda s: setattr(s.dimMetadata[0], "denseSize", 5), "a level of 5 indices; 4 are required"),
        (lambda s: setattr(s.dimMetadata[2], "denseSize", 4), r"blocks of 4 along axis 1 of \(4, 6\)"),
        (lambda s: setattr(s.dimMetadata[1], "arrayIndices", None), "a compressed level with indices of kind"),
    ],
)
def test_sparse_constant_that_does_not_fit_is_a_bad_file(small, change, message):
    content, _ = sparse_file(small, change)
    with pytest.raises(BadFile, match=message):
        read_tflite(content)


def test_sparse_bomb_is_refused_before_it_is_made(small):
    content, _ = sparse_file(small, lambda s: None)
    bomb = changed(small, set_(("b", "shape"), [1 << 14, 1 << 14]))
    assert content
    with pytest.raises(BadFile, match="constant 'b' needs"):
        read_tflite(bomb)
    budget = Budget(Reader(memoryview(b"1234"), "a.tflite"))
    with pytest.raises(BadFile, match=r"a\.tflite: sparse constant 'b' needs 1073741824 bytes; of the 67108880 that a"):
        budget.spend(1 << 30, "sparse constant 'b'")


def metadata(labels="classes.txt", mean=(127.5,), std=(127.5,), archive=None):
    """Write a metadata table (M001) that names a label file, and the zip archive behind the network."""
    import flatbuffers

    b = flatbuffers.Builder(256)

    def table(**slots):
        b.StartObject(7)
        for slot, value in slots.items():
            number = int(slot[1:])
            if isinstance(value, tuple):
                b.PrependInt8Slot(number, value[0], -1)
            else:
                b.PrependUOffsetTRelativeSlot(number, value, 0)
        return b.EndObject()

    def vector(tables):
        b.StartVector(4, len(tables), 4)
        for t in reversed(tables):
            b.PrependUOffsetTRelative(t)
        return b.EndVector()

    name = b.CreateString(labels)
    files = vector([table(_0=name, _2=(2,))])
    numbers = [b.CreateNumpyVector(np.array(v, np.float32)) for v in (mean, std)]
    options = table(_0=numbers[0], _1=numbers[1])
    units = vector([table(_0=(1,), _1=options)])
    ins, outs = vector([table(_4=units)]), vector([table(_6=files)])
    b.Finish(table(_3=vector([table(_2=ins, _3=outs)])), b"M001")
    return bytes(b.Output())


def zipped(content, name="classes.txt", text="cat\ndog\nowl\n"):
    archive = io.BytesIO(content)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, text)
    return archive.getvalue()


def classifier(small, **says):
    make, tensor = small
    return make(
        {"x": tensor((1, 2, 2, 3)), "w": tensor(value=np.ones((3, 12), np.float32)), "s": tensor((1, 3)),
         "y": tensor((1, 3))},
        [("FULLY_CONNECTED", "x w", "s", {"kind": "FullyConnectedOptions"}),
         ("SOFTMAX", "s", "y", {"kind": "SoftmaxOptions", "beta": 1.0})],
        metadata={"TFLITE_METADATA": metadata(**says)} if says is not None else {},
    ).bytes()  # fmt: skip


def test_labels_and_preparation_come_from_the_file(small):
    file = read_tflite(zipped(classifier(small, mean=(127.5,), std=(127.5,))))
    assert file.labels == ("cat", "dog", "owl")
    assert file.preparation.range == (-1.0, 1.0)
    spec = file.graph().spec
    assert (spec.task, spec.labels, spec.outputs[0].meaning) == ("classify", file.labels, "probabilities")
    assert spec.input.preparation == file.preparation


def test_mean_of_each_channel_is_kept(small):
    file = read_tflite(zipped(classifier(small, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))))
    how = file.preparation
    assert (how.range, how.mean, how.std) == ((0.0, 255.0), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))


def test_preparation_that_makes_no_sense_is_assumed_and_said(small):
    file = read_tflite(zipped(classifier(small, mean=(1.0,), std=(0.0,))))
    assert file.preparation.range == (-1.0, 1.0)
    assert any("assumed, for the file does not say it" in note for note in file.network().notes)


def test_labels_of_another_number_are_left_out(small):
    network = read_tflite(zipped(classifier(small, mean=(0.0,)), text="cat\n")).network()
    assert network.graph.spec.labels is None
    assert any("1 labels are left out" in note for note in network.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d, r"byte \d+: the archive does not end with its directory"),
        (lambda d: zipped(d, "others.txt"), "names a label file 'classes.txt' that the file lacks"),
        (lambda d: zipped(d, text="x" * (1 << 21)), r"classes\.txt unpacks to more than 1048576 bytes"),
    ],
)
def test_labels_that_cannot_be_read_are_a_bad_file(small, change, message):
    with pytest.raises(BadFile, match=message):
        read_tflite(change(classifier(small, mean=(0.0,))))


def test_quantised_constants_are_given_as_stored_or_as_they_mean(small):
    make, tensor = small
    how = {"value": [[10, 20, 30]], "dtype": "int8", "scale": [0.5, 1.0, 2.0], "zero": 0, "axis": 1}
    content = make({"x": tensor((1, 3)), "b": tensor(**how), "y": tensor((1, 3))}, [("ADD", "x b", "y", {})]).bytes()
    np.testing.assert_array_equal(read_tflite(content).tensors["b"], np.array([[10, 20, 30]], np.int8))
    np.testing.assert_array_equal(read_tflite(content, dequantise=True).tensors["b"], [[5.0, 20.0, 60.0]])

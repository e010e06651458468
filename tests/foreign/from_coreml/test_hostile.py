"""Damaged and hostile packages end in one line that names the package, never in anything else."""

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("coremltools")
from coremltools.proto import MIL_pb2, Model_pb2

from underone.errors import BadFile, UnderOneError, UnknownName, Unsupported
from underone.foreign import read_foreign
from underone.foreign.from_coreml import program as programs
from underone.foreign.from_coreml.constexpr import EXPANDED
from underone.graph import Graph, Node, Value, run_reference
from underone.spec import InputSpec, ModelSpec, Preparation

MODEL = "Data/com.apple.CoreML/model.mlmodel"
WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"
BYTES = Preparation(range=(0, 255))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Of a picture: convolution, two parts, a table lookup, a resize, padding, a pool; in float32."""
    rng = np.random.default_rng(0)
    constants = {"w": rng.standard_normal((8, 3, 3, 3)), "u": rng.standard_normal((4, 2, 2, 2)), "g": [1, 0, 3, 2]}
    nodes = (
        Node("Conv", ("image", "w"), ("a",), {"strides": (2, 2)}, "a"),
        Node("Split", ("a",), ("b", "c"), {"axis": 1, "split": (4, 4)}, "split"),
        Node("Gather", ("b", "g"), ("d",), {"axis": 1}, "d"),
        Node("Resize", ("d",), ("e",), {"sizes": (0, 0, 12, 12), "mode": "linear"}, "e"),
        Node("Pad", ("e",), ("f",), {"pads": (0, 0, 1, 1, 0, 0, 0, 0), "value": 0.5}, "f"),
        Node("ConvTranspose", ("c", "u"), ("h",), {"strides": (2, 2), "group": 1}, "h"),
        Node("Gelu", ("f",), ("i",), {}, "i"),
        Node("Slice", ("i",), ("j",), {"starts": (1,), "ends": (9,), "axes": (2,), "steps": (1,)}, "j"),
        Node("Cast", ("j",), ("k",), {"to": "float32"}, "k"),
        Node("Concat", ("j", "k"), ("result",), {"axis": 1}, "result"),
    )
    constants = {n: np.asarray(c, np.int64 if n == "g" else np.float32) for n, c in constants.items()}
    spec = ModelSpec(inputs=(InputSpec(shape=(1, 3, 17, 17), preparation=BYTES),))
    outputs = (Value("result", (1, 8, 8, 13)), Value("h", (1, 2, 16, 16)))
    graph = Graph(nodes, (Value("image", (1, 3, 17, 17)),), outputs, constants, spec)
    path = tmp_path_factory.mktemp("good") / "net.mlpackage"
    from underone.formats.coreml import write_package

    write_package(graph, path, "float32")
    return path


@pytest.fixture
def copy(good, tmp_path):
    return shutil.copytree(good, tmp_path / "net.mlpackage")


def main(model):
    """The block of operations of a model."""
    return model.mlProgram.functions["main"].block_specializations["CoreML5"]


def operation(model, kind):
    return next(o for o in main(model).operations if o.type == kind)


def constant(model, name):
    return next(o for o in main(model).operations if o.type == "const" and o.outputs[0].name == name)


def changed(package, change):
    model = Model_pb2.Model.FromString((package / MODEL).read_bytes())
    change(model)
    (package / MODEL).write_bytes(model.SerializeToString())


def tensor(values, shape=(), kind=MIL_pb2.INT32):
    """A value in the program itself."""
    made = MIL_pb2.Value()
    made.type.tensorType.dataType = kind
    made.type.tensorType.rank = len(shape)
    for size in shape:
        made.type.tensorType.dimensions.add().constant.size = size
    if kind == MIL_pb2.STRING:
        made.immediateValue.tensor.strings.values.extend(values)
    elif kind == MIL_pb2.INT32:
        made.immediateValue.tensor.ints.values.extend(values)
    else:
        made.immediateValue.tensor.floats.values.extend(values)
    return made


def given(model, kind, parameter, value):
    """Give a parameter of the first operation of a kind another value, in place."""
    argument = operation(model, kind).inputs[parameter]
    del argument.arguments[:]
    argument.arguments.add().value.CopyFrom(value)


def without(model, kind, parameter):
    del operation(model, kind).inputs[parameter]


def attribute(model, name):
    return constant(model, name).attributes["val"]


def text(value):
    return tensor([value], kind=MIL_pb2.STRING)


def shape_of_weights(model):
    (conv,) = (o for o in main(model).operations if o.type == "conv")
    name = conv.inputs["weight"].arguments[0].name
    return attribute(model, name)


def drop_main(model):
    del model.mlProgram.functions["main"]


def drop_block(model):
    del model.mlProgram.functions["main"].block_specializations["CoreML5"]


CHANGES = {
    "no function": (drop_main, BadFile, "the program has no function"),
    "no block": (drop_block, BadFile, "the program's function has no block"),
    "a branch": (
        lambda m: operation(m, "gelu").blocks.add(), Unsupported, "'gelu' holds other operations; branches are not read"
    ),
    "unknown": (lambda m: setattr(operation(m, "gelu"), "type", "gru"), Unsupported, "that are not read: gru"),
    "no parameter": (lambda m: without(m, "gelu", "x"), BadFile, "gelu 'i' lacks 'x'"),
    "no setting": (lambda m: without(m, "cast", "dtype") if any(o.type == "cast" for o in main(m).operations)
                   else without(m, "conv", "weight"), BadFile, "lacks 'weight'"),
    "unknown name": (
        lambda m: setattr(operation(m, "gelu").inputs["x"].arguments[0], "name", "nobody"),
        BadFile, "reads 'nobody', which nothing gives",
    ),
    "a text for numbers": (lambda m: given(m, "conv", "strides", text("two")), BadFile, "strides is ('two',)"),
    "numbers for a text": (lambda m: given(m, "gelu", "mode", tensor([1])), BadFile, "mode is no text"),
    "too many numbers": (
        lambda m: given(m, "conv", "strides", tensor([1] * 65, (65,))), BadFile, "strides of 65"
    ),
    "several numbers": (lambda m: given(m, "conv", "groups", tensor([1, 1], (2,))), BadFile, "groups is [1, 1]"),
    "wrong count": (lambda m: given(m, "conv", "strides", tensor([1], (3,))), BadFile, "(3,) holds 1 numbers"),
    "huge size": (
        lambda m: given(m, "conv", "strides", tensor([1], (1 << 63,))), BadFile, "sizes >= 0 are valid"
    ),
    "other results": (
        lambda m: operation(m, "gelu").outputs.add(name="more"), BadFile, "gelu gives 1 tensors, not ['i', 'more']"
    ),
    "three strides": (lambda m: given(m, "conv", "strides", tensor([1] * 3, (3,))), BadFile, "strides (1, 1, 1)"),
    "pad type": (lambda m: given(m, "conv", "pad_type", text("odd")), Unsupported, "pad_type 'odd' is not read"),
    "gelu": (lambda m: given(m, "gelu", "mode", text("odd")), Unsupported, "mode 'odd' is not read"),
    "pad": (lambda m: given(m, "pad", "mode", text("odd")), Unsupported, "mode 'odd' is not read"),
    "resize": (
        lambda m: given(m, "resize_bilinear", "sampling_mode", text("odd")), Unsupported,
        "sampling_mode 'odd' is not read",
    ),
    "interleave": (lambda m: given(m, "concat", "interleave", tensor([1])), Unsupported, "interleave is not read"),
    "slice": (
        lambda m: given(m, "slice_by_index", "stride", tensor([1, 1, 0, 1], (4,))), Unsupported, "of 4 axes is not read"
    ),
    "parts": (
        lambda m: (without(m, "split", "split_sizes"), given(m, "split", "num_splits", tensor([3]))),
        BadFile, "of 8 into 3 parts",
    ),
    "padding by size": (
        lambda m: given(m, "conv_transpose", "pad_type", text("same")), Unsupported, "padding that follows the size"
    ),
    "too few to unpack": (
        lambda m: (setattr(operation(m, "gelu"), "type", "crop"), given(m, "crop", "crop_height", tensor([1])),
                   given(m, "crop", "crop_width", tensor([1]))),
        BadFile, "its parameters do not fit: ",
    ),
    "cast": (
        lambda m: (setattr(operation(m, "gelu"), "type", "cast"), given(m, "cast", "dtype", text("odd"))),
        Unsupported, "dtype 'odd' is not read",
    ),
    "batches of gather": (
        lambda m: (setattr(operation(m, "gelu"), "type", "gather"), given(m, "gather", "batch_dims", tensor([1]))),
        Unsupported, "batch_dims is not read",
    ),
    "a class without probabilities": (
        lambda m: setattr(operation(m, "gelu"), "type", "classify"), BadFile,
        "a label and probabilities are required",
    ),
    "no table": (
        lambda m: setattr(operation(m, "gelu"), "type", "constexpr_lut_to_dense"), BadFile,
        "constexpr_lut_to_dense 'i': mode is ('EXACT',)",
    ),
    "written twice": (
        lambda m: setattr(operation(m, "gelu").outputs[0], "name", "f"), BadFile, "or what is there already"
    ),
    "constant without a value": (
        lambda m: operation(m, "const").attributes.pop("val"), BadFile, "has no value"
    ),
    "weights elsewhere": (
        lambda m: setattr(shape_of_weights(m).blobFileValue, "fileName", "/etc/passwd"),
        BadFile, "a name that begins with '@model_path/' is required",
    ),
    "weights outside": (
        lambda m: setattr(shape_of_weights(m).blobFileValue, "fileName", "@model_path/../../../../../etc/passwd"),
        BadFile, "is no file of the package",
    ),
    "weights not there": (
        lambda m: setattr(shape_of_weights(m).blobFileValue, "fileName", "@model_path/weights/none.bin"),
        BadFile, "is no file of the package",
    ),
    "offset": (lambda m: setattr(shape_of_weights(m).blobFileValue, "offset", 1), BadFile, "is not the mark of a blob"),
    "offset beyond": (lambda m: setattr(shape_of_weights(m).blobFileValue, "offset", 1 << 62), BadFile, "weight.bin"),
    "other type": (
        lambda m: setattr(shape_of_weights(m).type.tensorType, "dataType", MIL_pb2.FLOAT16),
        BadFile, "a blob of type 2 for a tensor of <f2",
    ),
    "other shape": (
        lambda m: setattr(shape_of_weights(m).type.tensorType.dimensions[0].constant, "size", 7),
        BadFile, "a blob of 864 bytes for a tensor (7, 3, 3, 3)",
    ),
    "huge shape": (
        lambda m: setattr(shape_of_weights(m).type.tensorType.dimensions[0].constant, "size", 1 << 40),
        BadFile, "weight.bin",
    ),
    "four bits": (
        lambda m: setattr(shape_of_weights(m).type.tensorType, "dataType", MIL_pb2.INT4),
        Unsupported, "a tensor of data type 25 is not read",
    ),
    "color": (
        lambda m: setattr(m.description.input[0].type.imageType, "colorSpace", 40), BadFile, "a picture of color space"
    ),
    "another kind": (lambda m: m.neuralNetwork.SetInParent(), Unsupported, "its model is no ML Program"),
    "input of texts": (
        lambda m: setattr(
            m.mlProgram.functions["main"].inputs[0].type.tensorType, "dataType", MIL_pb2.STRING
        ), Unsupported, "input 'image' holds no numbers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_changed_program_is_refused_in_one_line(copy, name):
    change, kind, words = CHANGES[name]
    changed(copy, change)
    with pytest.raises(kind) as caught:
        read_foreign(copy).graph()
    assert words in str(caught.value), str(caught.value)
    assert "net.mlpackage" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "manifest", ["", "[]", "{", "[" * 100_000, '{"rootModelIdentifier": "a", "itemInfoEntries": {}}']
)
def test_manifest_without_a_model_is_refused(copy, manifest):
    (copy / "Manifest.json").write_text(manifest)
    with pytest.raises(BadFile, match=r"Manifest\.json names no model"):
        read_foreign(copy)


def test_manifest_that_leads_outside_is_refused(copy):
    entry = {"itemInfoEntries": {"a": {"path": "../../../../etc/passwd"}}, "rootModelIdentifier": "a"}
    (copy / "Manifest.json").write_text(json.dumps(entry))
    with pytest.raises(BadFile, match="is no file of the package"):
        read_foreign(copy)


def test_bytes_that_are_no_whole_numbers_are_refused(copy):
    half = tensor([], (1,), MIL_pb2.FLOAT16)
    half.immediateValue.tensor.bytes.values = b"abc"
    changed(copy, lambda m: given(m, "gelu", "mode", half))
    with pytest.raises(BadFile, match="3 bytes are no numbers of <f2"):
        read_foreign(copy)


def test_number_of_operations_is_bounded(copy, monkeypatch):
    monkeypatch.setattr(programs, "_MOST_OPERATIONS", 5)
    with pytest.raises(BadFile, match="more than 5 operations"):
        read_foreign(copy)


def test_other_inputs_and_unknown_outputs_are_refused(good):
    with pytest.raises(Unsupported, match="a Core ML program is read from its own inputs on"):
        read_foreign(good).graph(inputs=["f"])
    with pytest.raises(UnknownName, match=r"unknown variable of .* 'nobody'"):
        read_foreign(good).graph(outputs=["nobody"])


def test_program_can_be_cut_at_any_variable(good):
    graph = read_foreign(good).graph(outputs=["e"])
    picture = np.random.default_rng(0).uniform(0, 255, (1, 3, 17, 17)).astype(np.float32)
    assert run_reference(graph, {"image": picture})["e"].shape == (1, 4, 12, 12)


def is_refused(path):
    try:
        read_foreign(path).graph()
    except UnderOneError as error:
        return "\n" not in str(error)
    return False


@pytest.mark.parametrize("name", [MODEL, WEIGHTS, "Manifest.json"])
def test_random_damage_ends_in_our_errors_or_in_a_graph(copy, name):
    whole, rng = (copy / name).read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole[: rng.integers(1, len(whole) + 1)] if rng.random() < 0.3 else whole)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        (copy / name).write_bytes(damaged)
        refused += is_refused(copy)
    assert refused > 20


@pytest.mark.parametrize(("op", "mode"), [("linear_quantize_weights", ""), ("palettize_weights", "uniform")])
def test_compressed_weights_are_read_as_coremltools_expands_them(tmp_path, op, mode):
    """The weights that coremltools' own decompression gives back are the oracle."""
    import coremltools.optimize.coreml as compress
    from coremltools.models import MLModel

    from underone.formats.coreml import write_package
    from underone.formats.coreml.vendor import quiet

    weights = np.random.default_rng(0).standard_normal((64, 3, 5, 5)).astype(np.float32)
    node = Node("Conv", ("image", "w"), ("result",), {}, "result")
    outputs = (Value("result", (1, 64, 5, 5)),)
    graph = Graph((node,), (Value("image", (1, 3, 9, 9)),), outputs, {"w": weights})
    plain, small, back = (tmp_path / f"{n}.mlpackage" for n in ("plain", "small", "back"))
    write_package(graph, plain, "float32", target="iOS16")
    with quiet():
        model = MLModel(str(plain), skip_model_load=True)
        row = compress.OpPalettizerConfig(mode=mode, nbits=4) if mode else compress.OpLinearQuantizerConfig()
        made = getattr(compress, op)(model, compress.OptimizationConfig(global_config=row))
        made.save(str(small))
        compress.decompress_weights(made).save(str(back))
        del model, made
    got, want = (next(iter(read_foreign(p).graph().constants.values())) for p in (small, back))
    assert (small / WEIGHTS).stat().st_size < (plain / WEIGHTS).stat().st_size / 2
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7)
    assert 0 < np.abs(got - weights).max() < 0.5


def test_picture_that_cannot_be_prepared_is_named(good):
    from underone.formats.forms import of_graph
    from underone.formats.pictures import on_pictures

    graph = Graph(
        (), (Value("x", (1, 3)),), (), {}, ModelSpec(name="flat", inputs=(InputSpec(name="x", shape=(1, 3)),))
    )
    with pytest.raises(Unsupported, match=r"is no picture in \(N, C, H, W\) that can be prepared"):
        on_pictures(of_graph(graph), "RGB")


SHAPES = {
    "constexpr_affine_dequantize": {
        "quantized_data": np.zeros((1000, 1), np.uint8), "scale": np.ones(1000), "zero_point": np.zeros(1000),
        "axis": np.array(1),
    },
    "constexpr_blockwise_shift_scale": {
        "data": np.zeros((4, 4), np.int8), "scale": np.ones((2, 2)), "offset": np.ones((4, 4)),
    },
    "constexpr_blockwise_shift_scale of nothing": {"data": np.zeros((4, 4), np.int8), "scale": np.ones((0, 4))},
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_scales_of_another_shape_make_no_weights(name):
    with pytest.raises(ValueError, match=r"scale \(.*\) for \("):
        EXPANDED[name.split()[0]](SHAPES[name], lambda count: None)

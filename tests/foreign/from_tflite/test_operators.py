"""Every operator on its own: a file with one of them gives what LiteRT gives."""

import numpy as np
import pytest

from underone.compare import difference
from underone.errors import BadFile, Unsupported
from underone.foreign.from_tflite import read_tflite
from underone.foreign.from_tflite.operators import TABLE
from underone.graph import run_reference

RNG = np.random.default_rng(7)


def weights(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def const(value, dtype="int32"):
    return {"value": value, "dtype": dtype}


MAP = (1, 7, 6, 4)  # (N, H, W, C); with 4 channels a picture, which the graph takes as (N, C, H, W)
CONV = {"kind": "Conv2DOptions", "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}
DEPTH = CONV | {"kind": "DepthwiseConv2DOptions", "depthMultiplier": 1}
POOL = {"kind": "Pool2DOptions", "strideW": 2, "strideH": 2, "filterWidth": 3, "filterHeight": 2}
K, B = weights(5, 3, 3, 4), weights(5)
D = weights(1, 3, 3, 4)
SAME, VALID = 0, 1


def case(op, x, y, options=None, **constants):
    """Give (operator, shape of x, shape of y or a list of shapes, options, constants in order)."""
    return pytest.param(op, x, y, options or {}, constants, id=f"{op}-{len(CASES)}")


CASES: list = []
for padding, stride, dilation, activation, y in (
    (SAME, (1, 1), (1, 1), 0, (1, 7, 6, 5)),
    (SAME, (2, 2), (1, 1), 3, (1, 4, 3, 5)),
    (SAME, (2, 1), (1, 1), 1, (1, 4, 6, 5)),
    (SAME, (1, 1), (2, 3), 2, (1, 7, 6, 5)),
    (VALID, (2, 3), (1, 1), 0, (1, 3, 2, 5)),
):
    how = {"padding": padding, "strideH": stride[0], "strideW": stride[1], "dilationHFactor": dilation[0],
           "dilationWFactor": dilation[1], "fusedActivationFunction": activation}  # fmt: skip
    CASES.append(case("CONV_2D", MAP, y, CONV | how, w={"value": K}, b={"value": B}))
    CASES.append(case("DEPTHWISE_CONV_2D", MAP, (*y[:3], 4), DEPTH | how, w={"value": D}, b={"value": B[:4]}))
CASES += [
    case("CONV_2D", (1, 8, 8, 3), (1, 4, 4, 5), CONV | {"strideH": 2, "strideW": 2}, w={"value": weights(5, 3, 3, 3)},
         b={"value": B}),
    case("CONV_2D", MAP, (1, 7, 6, 6), CONV, w={"value": weights(6, 3, 3, 2)}, b={"value": weights(6)}),  # two groups
    case("DEPTHWISE_CONV_2D", MAP, (1, 7, 6, 8), DEPTH | {"depthMultiplier": 2},
         w={"value": weights(1, 3, 3, 8)}, b={"value": weights(8)}),
    case("AVERAGE_POOL_2D", MAP, (1, 4, 3, 4), POOL),
    case("AVERAGE_POOL_2D", MAP, (1, 3, 2, 4), POOL | {"padding": VALID, "fusedActivationFunction": 1}),
    case("MAX_POOL_2D", MAP, (1, 4, 3, 4), POOL),
    case("FULLY_CONNECTED", (2, 6), (2, 3), {"kind": "FullyConnectedOptions", "fusedActivationFunction": 1},
         w={"value": weights(3, 6)}, b={"value": weights(3)}),
    case("FULLY_CONNECTED", (1, 2, 2, 6), (4, 3), {"kind": "FullyConnectedOptions"}, w={"value": weights(3, 6)}),
    case("FULLY_CONNECTED", (1, 4, 6), (1, 4, 3), {"kind": "FullyConnectedOptions", "keepNumDims": True},
         w={"value": weights(3, 6)}, b={"value": weights(3)}),
    case("BATCH_MATMUL", (2, 3, 4), (2, 3, 5), {"kind": "BatchMatMulOptions", "adjY": True},
         w={"value": weights(2, 5, 4)}),
]  # fmt: skip
for op, kind in (("ADD", "Add"), ("SUB", "Sub"), ("MUL", "Mul"), ("DIV", "Div")):
    options = {"kind": f"{kind}Options", "fusedActivationFunction": 1}
    CASES.append(case(op, MAP, MAP, options, b={"value": weights(4)}))
CASES += [case(op, MAP, MAP, b={"value": weights(*MAP)}) for op in ("SQUARED_DIFFERENCE", "MAXIMUM", "MINIMUM")]
CASES += [
    case("POW", MAP, MAP, b={"value": np.full(1, 3.0, np.float32)}),
    case("FLOOR_DIV", MAP, MAP, b={"value": np.full(1, 0.3, np.float32)}),
    case("FLOOR_MOD", MAP, MAP, b={"value": np.full(1, 0.3, np.float32)}),
    case("ADD_N", MAP, MAP, b={"value": weights(*MAP)}, c={"value": weights(*MAP)}),
    case("PRELU", MAP, MAP, b={"value": weights(1, 1, 4)}),
    case("LEAKY_RELU", MAP, MAP, {"kind": "LeakyReluOptions", "alpha": 0.3}),
    case("GELU", MAP, MAP, {"kind": "GeluOptions", "approximate": True}),
    case("GELU", MAP, MAP, {"kind": "GeluOptions"}),
    case("SOFTMAX", (2, 6), (2, 6), {"kind": "SoftmaxOptions", "beta": 0.5}),
    case("L2_NORMALIZATION", (2, 6), (2, 6), {"kind": "L2NormOptions"}),
    case("SQRT", MAP, MAP, positive={}), case("RSQRT", MAP, MAP, positive={}), case("LOG", MAP, MAP, positive={}),
]  # fmt: skip
CASES += [
    case(op, MAP, MAP)
    for op in (
        "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LOGISTIC", "TANH", "HARD_SWISH", "ELU", "ABS", "NEG", "EXP",
        "SIN", "COS", "FLOOR", "CEIL", "ROUND", "SQUARE", "LOG_SOFTMAX", "SIGN",
    )
]  # fmt: skip
for op in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"):
    options = {"kind": "ReducerOptions", "keepDims": op == "MEAN"}
    CASES.append(case(op, MAP, (1, 1, 1, 4) if op == "MEAN" else (1, 4), options, axes=const([1, -2])))
CASES += [
    case("CONCATENATION", MAP, (1, 7, 6, 6), {"kind": "ConcatenationOptions", "axis": -1},
         b={"value": weights(1, 7, 6, 2)}),
    case("RESHAPE", MAP, (1, 42, 4), shape=const([1, -1, 4])),
    case("RESHAPE", MAP, (6, 28), {"kind": "ReshapeOptions", "newShape": [6, 28]}),
    case("SQUEEZE", (1, 5, 1, 4), (5, 1, 4), {"kind": "SqueezeOptions", "squeezeDims": [0]}),
    case("SQUEEZE", (1, 5, 1, 4), (5, 4), {"kind": "SqueezeOptions"}),
    case("EXPAND_DIMS", (5, 4), (5, 1, 4), axis=const(1)),
    case("TRANSPOSE", MAP, (1, 4, 7, 6), perm=const([0, 3, 1, 2])),
    case("PAD", MAP, (1, 10, 6, 5), pads=const([[0, 0], [1, 2], [0, 0], [0, 1]])),
    case("PADV2", MAP, (1, 10, 6, 5), pads=const([[0, 0], [1, 2], [0, 0], [0, 1]]), value={"value": np.float32(3)}),
    case("MIRROR_PAD", MAP, (1, 10, 7, 4), {"kind": "MirrorPadOptions", "mode": 0},
         pads=const([[0, 0], [1, 2], [0, 1], [0, 0]])),
    case("SLICE", MAP, (1, 3, 6, 2), starts=const([0, 2, 0, 1]), sizes=const([1, 3, -1, 2])),
    case("STRIDED_SLICE", MAP, (1, 3, 3), {"kind": "StridedSliceOptions", "beginMask": 1, "endMask": 5,
         "shrinkAxisMask": 8}, starts=const([0, 1, 1, -1]), ends=const([1, 6, 6, 0]), steps=const([1, 2, 2, 1])),
    case("STRIDED_SLICE", MAP, (1, 7, 3, 4), {"kind": "StridedSliceOptions", "beginMask": 2, "endMask": 2},
         starts=const([0, 0, 5, 0]), ends=const([1, 0, -7, 4]), steps=const([1, -1, -2, 1])),
    case("PACK", (3, 4), (3, 2, 4), {"kind": "PackOptions", "valuesCount": 2, "axis": 1}, b={"value": weights(3, 4)}),
    case("UNPACK", (2, 3), [(3,), (3,)], {"kind": "UnpackOptions", "num": 2, "axis": 0}),
    case("SPLIT_V", MAP, [(1, 2, 6, 4), (1, 5, 6, 4)], {"kind": "SplitVOptions", "numSplits": 2},
         sizes=const([2, -1]), axis=const(1)),
    case("GATHER", MAP, (1, 2, 6, 4), {"kind": "GatherOptions", "axis": 1}, index=const([5, 0])),
    case("TILE", (1, 2, 3), (1, 4, 3), repeats=const([1, 2, 1])),
    case("BROADCAST_TO", (1, 2, 1), (3, 2, 4), shape=const([3, 2, 4])),
    case("DEPTH_TO_SPACE", (1, 2, 3, 8), (1, 4, 6, 2), {"kind": "DepthToSpaceOptions", "blockSize": 2}),
    case("SPACE_TO_DEPTH", (1, 4, 6, 2), (1, 2, 3, 8), {"kind": "SpaceToDepthOptions", "blockSize": 2}),
    case("CAST", MAP, MAP, {"kind": "CastOptions"}, result="int32"),
    case("ARG_MAX", MAP, (1, 7, 6), {"kind": "ArgMaxOptions", "outputType": 2}, axis=const(-1), result="int32"),
    case("ARG_MIN", MAP, (1, 6, 4), {"kind": "ArgMinOptions", "outputType": 4}, axis=const(1), result="int64"),
    case("SHAPE", MAP, (4,), {"kind": "ShapeOptions", "outType": 2}, result="int32"),
    case("LOGICAL_NOT", MAP, MAP, given="bool", result="bool"),
]  # fmt: skip
for op in ("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"):
    CASES.append(case(op, MAP, MAP, b={"value": np.zeros(MAP, np.float32)}, result="bool"))
for op in ("LOGICAL_AND", "LOGICAL_OR"):
    CASES.append(case(op, MAP, MAP, b=const(RNG.normal(size=MAP) > 0, "bool"), given="bool", result="bool"))
for align, half in ((True, False), (False, True), (False, False)):
    flags = {"alignCorners": align, "halfPixelCenters": half}
    for size in ((14, 9), (3, 4), (1, 6)):
        bilinear = {"kind": "ResizeBilinearOptions", **flags}
        nearest = {"kind": "ResizeNearestNeighborOptions", **flags}
        CASES.append(case("RESIZE_BILINEAR", MAP, (1, *size, 4), bilinear, size=const(list(size))))
        CASES.append(case("RESIZE_NEAREST_NEIGHBOR", MAP, (1, *size, 4), nearest, size=const(list(size))))

# x is not the first operand
LATER = [
    ("TRANSPOSE_CONV", "s w x b", (1, 4, 3, 4), (1, 8, 6, 5), {"kind": "TransposeConvOptions", "padding": SAME},
     {"s": const([1, 8, 6, 5]), "w": {"value": K}, "b": {"value": B}}),
    ("TRANSPOSE_CONV", "s w x", (1, 4, 3, 4), (1, 7, 5, 5), {"kind": "TransposeConvOptions", "padding": SAME},
     {"s": const([1, 7, 5, 5]), "w": {"value": K}}),
    ("TRANSPOSE_CONV", "s w x", (1, 4, 3, 4), (1, 9, 7, 5), {"kind": "TransposeConvOptions", "padding": VALID},
     {"s": const([1, 9, 7, 5]), "w": {"value": K}}),
    ("TRANSPOSE_CONV", "s w x", (1, 4, 3, 4), (1, 10, 8, 5), {"kind": "TransposeConvOptions", "padding": VALID},
     {"s": const([1, 10, 8, 5]), "w": {"value": K}}),
    ("SPLIT", "a x", MAP, [(1, 7, 3, 4)] * 2, {"kind": "SplitOptions", "numSplits": 2}, {"a": const(2)}),
    ("FILL", "s x", (), (2, 3), {"kind": "FillOptions"}, {"s": const([2, 3])}),
    ("SELECT_V2", "c x b", MAP, MAP, {"kind": "SelectV2Options"},
     {"c": const(RNG.normal(size=MAP) > 0, "bool"), "b": {"value": weights(1)}}),
    ("SELECT", "c x b", MAP, MAP, {"kind": "SelectOptions"},
     {"c": const(RNG.normal(size=MAP) > 0, "bool"), "b": {"value": weights(*MAP)}}),
]  # fmt: skip


def compare(small, litert, op, operands, x, y, options, constants):
    make, tensor = small
    given, result = constants.pop("given", "float32"), constants.pop("result", "float32")
    positive = constants.pop("positive", None) is not None
    shapes = y if isinstance(y, list) else [y]
    outputs = [f"y{i}" for i in range(len(shapes))]
    tensors = {"x": tensor(x, dtype=given)} | {n: tensor(**c) for n, c in constants.items()}
    tensors |= {n: tensor(s, dtype=result) for n, s in zip(outputs, shapes, strict=True)}
    operands = operands or " ".join(["x", *constants])
    content = make(tensors, [(op, operands, " ".join(outputs), options)], outputs=" ".join(outputs)).bytes()
    value = (np.abs(RNG.normal(size=x)) + 0.1 if positive else 2 * RNG.normal(size=x)).astype(np.float32)
    value = value > 0 if given == "bool" else value
    graph = read_tflite(content).graph()
    placed = value.transpose(0, 3, 1, 2) if len(x) == 4 and x[3] in (1, 3, 4) else value
    got, want = run_reference(graph, {"x": placed}), litert(content, [value])
    assert got.keys() == want.keys()
    for name, reference in want.items():
        assert got[name].shape == reference.shape
        assert got[name].dtype == reference.dtype
        if reference.dtype.kind == "f":
            nmse, peak = difference(got[name], reference)
            assert (nmse < 1e-11, peak < 1e-4) == (True, True), (name, nmse, peak)
        else:
            np.testing.assert_array_equal(got[name], reference)


@pytest.mark.parametrize(("op", "x", "y", "options", "constants"), CASES)
def test_operator_gives_what_litert_gives(small, litert, op, x, y, options, constants):
    compare(small, litert, op, "", x, y, options, dict(constants))


@pytest.mark.parametrize(("op", "operands", "x", "y", "options", "constants"), LATER)
def test_operator_with_x_behind_gives_what_litert_gives(small, litert, op, operands, x, y, options, constants):
    options = options | ({"strideW": 2, "strideH": 2} if op == "TRANSPOSE_CONV" else {})
    compare(small, litert, op, operands, x, y, options, dict(constants))


def test_every_operator_of_the_table_is_compared():
    compared = {c.values[0] for c in CASES} | {row[0] for row in LATER}
    assert set(TABLE) - compared == {"QUANTIZE", "DEQUANTIZE", "DENSIFY"}  # in the tests of quantised and sparse files


def file_of(small, op, operands, options, constants, x=MAP, y=MAP):
    make, tensor = small
    tensors = {"x": tensor(x), "y": tensor(y)} | {n: tensor(**c) for n, c in constants.items()}
    return make(tensors, [(op, operands, "y", options)]).bytes()


@pytest.mark.parametrize(
    ("op", "operands", "options", "constants", "message"),
    [
        ("MyOwnOperator", "x", {}, {}, "model.tflite has operators that are not implemented: custom operator 'MyOwn"),
        ("TOPK_V2", "x x", {}, {}, "not implemented: TOPK_V2"),
        ("RELU", "x", {}, {}, None),
        ("MIRROR_PAD", "x p", {"kind": "MirrorPadOptions", "mode": 1}, {"p": const([[0, 0]] * 4)},
         "MIRROR_PAD 'y': the symmetric mode is not implemented"),
        ("STRIDED_SLICE", "x s s s", {"kind": "StridedSliceOptions", "ellipsisMask": 1}, {"s": const([1])},
         "STRIDED_SLICE 'y': an ellipsis or a new axis is not implemented"),
        ("STRIDED_SLICE", "x s s s", {"kind": "StridedSliceOptions", "newAxisMask": 1}, {"s": const([1])},
         "STRIDED_SLICE 'y': an ellipsis or a new axis is not implemented"),
        ("CAST", "x", {"kind": "CastOptions"}, {"y": {"shape": MAP, "dtype": "complex64"}},
         "CAST 'y': its type of result is not implemented"),
        ("FULLY_CONNECTED", "x w", {"kind": "FullyConnectedOptions", "weightsFormat": 1},
         {"w": {"value": weights(3, 4)}}, "shuffled weight"),
        ("ADD", "x x", {"kind": "AddOptions", "fusedActivationFunction": 5}, {}, "activation SIGN_BIT is not"),
        ("ADD", "x x", {"kind": "AddOptions", "fusedActivationFunction": 4}, {}, "activation TANH is not"),
        ("CONV_2D", "x w", CONV | {"padding": 9}, {"w": {"value": K}}, "padding 9"),
        ("GATHER", "x i", {"kind": "GatherOptions", "batchDims": 1}, {"i": const([0])}, "gathering by batch"),
        ("SELECT", "c x x", {}, {"c": const([True], "bool")}, "a condition by row"),
        ("FLOOR_DIV", "i i", {}, {"i": const([4, 5])}, "a division of whole numbers"),
        ("RESHAPE", "x x", {}, {}, "operand 1 of RESHAPE 'y' is computed from the input's values"),
    ],
)  # fmt: skip
def test_form_that_is_not_implemented_is_named(small, op, operands, options, constants, message):
    file = read_tflite(file_of(small, op, operands, options, constants))
    if message is None:
        assert file.graph()
        return
    with pytest.raises(Unsupported, match=message):
        file.graph()


@pytest.mark.parametrize(
    ("op", "operands", "options", "constants", "message"),
    [
        ("CONV_2D", "x w", CONV | {"strideW": 0}, {"w": {"value": K}}, r"CONV_2D 'y' has strides \(1, 0\)"),
        ("CONV_2D", "x w", CONV, {"w": {"value": B}}, r"weight 'w' has shape \(5,\); 4 axes fit"),
        ("CONV_2D", "x w", CONV, {"w": {"value": weights(5, 3, 3, 3)}}, r"node 'y/conv' \(Conv\): input"),
        ("CONV_2D", "x", CONV, {}, "CONV_2D 'y' lacks operand 1"),
        ("DEPTHWISE_CONV_2D", "n w", DEPTH, {"n": {"value": 1.0}, "w": {"value": D}}, "CONV_2D 'y': tuple ind"),
        ("ADD", "x y", {}, {}, "tensor 'y' is read before an operator gives it"),
        ("TRANSPOSE", "x p", {}, {"p": {"value": weights(4)}}, "operand 1 of TRANSPOSE 'y' is float32"),
        ("TRANSPOSE", "x p", {}, {"p": const([0, 0, 1, 2])}, "each axis once"),
        ("TRANSPOSE_CONV", "s w x", {"kind": "TransposeConvOptions", "strideW": 1, "strideH": 1},
         {"s": const([1, 2]), "w": {"value": K}}, r"TRANSPOSE_CONV 'y' gives shape \[1, 2\]"),
        ("TRANSPOSE_CONV", "s w x", {"kind": "TransposeConvOptions", "strideW": 1, "strideH": 1},
         {"s": const([1, 99, 99, 5]), "w": {"value": K}}, r"'y': size \(99, 99\) does not follow"),
        ("RESHAPE", "x s", {}, {"s": const([0, -1])}, r"RESHAPE 'y' has shape \[0, -1\]"),
        ("RESHAPE", "x s", {}, {"s": const([5, 5])}, "168 elements"),
        ("RESIZE_BILINEAR", "x s", {"kind": "ResizeBilinearOptions"}, {"s": const([0, 4])},
         r"RESIZE_BILINEAR 'y' has size \[0, 4\]"),
        ("RESIZE_BILINEAR", "x s", {"kind": "ResizeBilinearOptions", "alignCorners": True, "halfPixelCenters": True},
         {"s": const([2, 4])}, "asks for align_corners and half_pixel"),
        ("SLICE", "x s z", {}, {"s": const([0]), "z": const([1, 1])}, "SLICE 'y' has 1 starts and 2 sizes"),
        ("STRIDED_SLICE", "x s s z", {}, {"s": const([0]), "z": const([0])}, r"STRIDED_SLICE 'y': \[0\], \[0\], \[0\]"),
        ("SPLIT", "a x", {"kind": "SplitOptions", "numSplits": 0}, {"a": const(1)}, "SPLIT 'y' into 0 along axis 1"),
        ("UNPACK", "x", {"kind": "UnpackOptions", "num": 1, "axis": 0}, {}, None),
        ("UNPACK", "x", {"kind": "UnpackOptions", "num": 7, "axis": 1}, {}, "UNPACK 'y' has 1 results; 7 are required"),
        ("TILE", "x r", {}, {"r": const([1 << 20] * 4)}, "makes a tensor of"),
        ("PAD", "x p", {}, {"p": const([[0, 1 << 30]] * 4)}, "makes a tensor of"),
        ("DEPTH_TO_SPACE", "x", {"kind": "DepthToSpaceOptions", "blockSize": 0}, {}, "blocksize 0"),
    ],
)  # fmt: skip
def test_operator_that_does_not_fit_is_a_bad_file(small, op, operands, options, constants, message):
    file = read_tflite(file_of(small, op, operands, options, constants))
    if message is None:
        assert file.graph()
        return
    with pytest.raises(BadFile, match=message) as raised:
        file.graph()
    assert "model.tflite" in str(raised.value)

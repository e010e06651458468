"""The operators against ONNX's own test cases, which come with the onnx package: inputs and expected outputs."""

import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from underone.errors import BadFile, Unsupported
from underone.graph import OPS, read_onnx, run_reference, to_onnx
from underone.graph.onnx_file import OLDEST_OPSET
from underone.graph.onnx_forms import OPERANDS, VANISHING
from underone.graph.onnx_tensor import DTYPE_NAMES

# Refused on purpose: pattern of the case's name, and what the message must say
REFUSED = {
    "test_batchnorm_.*training_mode": "training_mode",
    "test_convtranspose_autopad_same": "auto_pad",
    "test_convtranspose_(kernel|output)_shape": "output_shape",
    "test_(de)?quantizelinear_blocked.*": "block_size",
    "test_reduce_sum_empty_axes_input_noop.*": "noop_with_empty_axes",
    "test_reshape_allowzero_reordered": "empty",
    "test_resize_.*antialias": "antialias",
    "test_resize_.*exclude_outside": "exclude_outside",
    "test_resize_.*not_(larger|smaller)": "keep_aspect_ratio_policy",
    "test_resize_tf_crop_.*": "tf_crop_and_resize",
    "test_spacetodepth_crd_.*": "mode",
    "test_split_zero_size_.*": "split",  # a size that the file states as 0 is read as an open one
    "test_training_dropout.*": "training mode",
}

# The specification takes the unrounded output size here. onnxruntime leaves both cases out of its own tests and takes
# the rounded size, as torch does with align_corners.
DIFFERENT = {"test_resize_downsample_scales_cubic_align_corners", "test_resize_downsample_scales_linear_align_corners"}


def collect() -> dict[str, Any]:
    """Cases of one node whose operator and dtypes are ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some generators overflow on purpose
        from onnx.backend.test.case.node import collect_testcases

        return {c.name: c for c in collect_testcases(None) if is_ours(c.model.graph) and c.name not in DIFFERENT}


def is_ours(graph: onnx.GraphProto) -> bool:
    node, *rest = graph.node
    if rest or node.domain or node.op_type not in {*OPS, *VANISHING, "Constant", "Upsample"}:
        return False
    stored = [v.type.tensor_type.elem_type for v in (*graph.input, *graph.output) if v.type.HasField("tensor_type")]
    stored += [a.i for a in node.attribute if node.op_type == "Cast" and a.name == "to"]
    stored += [a.t.data_type for a in node.attribute if a.HasField("t")]
    return len(stored) >= len(graph.input) + len(graph.output) and all(s in DTYPE_NAMES for s in stored)


CASES = collect()
PATTERNS = {name: message for name in CASES for pattern, message in REFUSED.items() if re.fullmatch(pattern, name)}
ACCEPTED = sorted(set(CASES) - set(PATTERNS))


def array(value: Any) -> Any:
    """Some cases give protobuf tensors."""
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def bound(case: Any) -> Iterator[tuple[bytes, dict[str, Any], list[Any]]]:
    """Give (file, inputs, expected) with every operand that the Graph wants fixed as an initializer."""
    for data in case.data_sets:
        inputs, expected = ([array(a) for a in side] for side in data)
        model = onnx.ModelProto.FromString(case.model.SerializeToString())
        model.opset_import[0].version = max(model.opset_import[0].version, OLDEST_OPSET)  # Not has never changed
        node = model.graph.node[0]
        if node.op_type != "Split":
            del node.output[1:], model.graph.output[1:]  # indices, masks and statistics are not read
        free = dict(zip([v.name for v in model.graph.input], inputs, strict=True))
        fixed = OPERANDS.get(node.op_type)
        for name in node.input[fixed.position :] if fixed else ():
            if name:
                model.graph.initializer.append(numpy_helper.from_array(np.asarray(free.pop(name)), name))
        yield model.SerializeToString(), free, expected


def test_cases_cover_every_operator() -> None:
    assert len(ACCEPTED) > 550  # 596 with onnx 1.23
    assert set(OPS) <= {CASES[name].model.graph.node[0].op_type for name in ACCEPTED}


@pytest.mark.parametrize("name", ACCEPTED)
def test_operator_gives_the_outputs_of_the_onnx_case(name: str) -> None:
    for data, inputs, expected in bound(CASES[name]):
        graph = read_onnx(data)
        again = read_onnx(to_onnx(graph))
        for network in (graph, again):
            got = run_reference(network, inputs)
            for value, want in zip(network.outputs, expected, strict=False):
                assert got[value.name].dtype == np.asarray(want).dtype
                assert got[value.name].shape == np.asarray(want).shape
                np.testing.assert_allclose(got[value.name], want, rtol=CASES[name].rtol, atol=1e-6)


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_what_is_not_implemented_is_refused_by_name(name: str) -> None:
    for data, _, _ in bound(CASES[name]):
        with pytest.raises((Unsupported, BadFile), match=PATTERNS[name]):
            read_onnx(data)

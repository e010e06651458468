"""The operators against ONNX's own test cases, which come with the onnx package: inputs and expected outputs."""

from typing import Any

import numpy as np
import pytest

from underone.errors import BadFile, Unsupported
from underone.graph import OPS, read_onnx, run_reference, to_onnx


def test_cases_cover_every_operator(onnx_cases: dict[str, Any]) -> None:
    accepted = [case for case in onnx_cases.values() if not case.refusal]
    assert len(accepted) > 550  # 596 with onnx 1.23
    assert set(OPS) <= {case.op for case in accepted}


def test_operator_gives_the_outputs_of_the_onnx_case(onnx_case: Any) -> None:
    for data, inputs, expected in onnx_case.files():
        graph = read_onnx(data)
        again = read_onnx(to_onnx(graph))
        for network in (graph, again):
            got = run_reference(network, inputs)
            for value, want in zip(network.outputs, expected, strict=False):
                assert got[value.name].dtype == np.asarray(want).dtype
                assert got[value.name].shape == np.asarray(want).shape
                np.testing.assert_allclose(got[value.name], want, rtol=onnx_case.rtol, atol=1e-6)


def test_what_is_not_implemented_is_refused_by_name(refused_onnx_case: Any) -> None:
    for data, _, _ in refused_onnx_case.files():
        with pytest.raises((Unsupported, BadFile), match=refused_onnx_case.refusal):
            read_onnx(data)

"""What several test files share: the cases that come with the onnx package, and fixtures."""

import functools
import importlib.util
import os
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def _load(path: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _native_from(folder: Path) -> Any:
    """Load another build of the native module: with sanitizers (`make sanitize`), or for arm64 (`make arm64`)."""
    if (program := folder / "underone" / "underone_runner").is_file():
        return _load(Path(__file__).with_name("kernels") / "remote.py", "remote").module(program)
    (built,) = folder.glob("underone/_native*.so")
    return _load(built, "underone._native")


if folder := os.environ.get("UNDERONE_TEST_NATIVE"):
    import underone

    sys.modules["underone._native"] = underone._native = _native_from(Path(folder))

# Refused on purpose: pattern of the case's name, and what the message must say
REFUSED = {
    "test_batchnorm_.*training_mode": "training_mode",
    "test_convtranspose_autopad_same": "auto_pad",
    "test_convtranspose_(kernel|output)_shape": "output_shape",
    "test_(de)?quantizelinear_blocked.*": "block_size",
    "test_reduce_sum_empty_axes_input_noop.*": "noop_with_empty_axes",
    "test_reshape_allowzero_reordered": "reshape to an empty tensor",
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


@dataclass(frozen=True)
class OnnxCase:
    """A case of one node whose operator and dtypes are ours; `refusal` is what a message must say, or nothing."""

    case: Any
    refusal: str

    @property
    def op(self) -> str:
        return str(self.case.model.graph.node[0].op_type)

    @property
    def rtol(self) -> float:
        return float(self.case.rtol)

    def files(self) -> Iterator[tuple[bytes, dict[str, Any], list[Any]]]:
        """Give (file, inputs, expected) with every operand that the Graph wants fixed as an initializer."""
        import onnx
        from onnx import numpy_helper

        from underone.graph.onnx_file import OLDEST_OPSET
        from underone.graph.onnx_forms import OPERANDS

        for data in self.case.data_sets:
            inputs, expected = ([_array(a) for a in side] for side in data)
            model = onnx.ModelProto.FromString(self.case.model.SerializeToString())
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


def _array(value: Any) -> Any:
    import onnx

    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _is_ours(graph: Any) -> bool:
    from underone.graph import OPS
    from underone.graph.onnx_forms import VANISHING
    from underone.graph.onnx_tensor import DTYPE_NAMES

    node, *rest = graph.node
    if rest or node.domain or node.op_type not in {*OPS, *VANISHING, "Constant", "Upsample"}:
        return False
    stored = [v.type.tensor_type.elem_type for v in (*graph.input, *graph.output) if v.type.HasField("tensor_type")]
    stored += [a.i for a in node.attribute if node.op_type == "Cast" and a.name == "to"]
    stored += [a.t.data_type for a in node.attribute if a.HasField("t")]
    return len(stored) >= len(graph.input) + len(graph.output) and all(s in DTYPE_NAMES for s in stored)


@functools.cache
def _onnx_cases() -> dict[str, OnnxCase]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some generators overflow on purpose
        from onnx.backend.test.case.node import collect_testcases

        found = {c.name: c for c in collect_testcases(None) if _is_ours(c.model.graph) and c.name not in DIFFERENT}
    refusals = {name: next((m for p, m in REFUSED.items() if re.fullmatch(p, name)), "") for name in sorted(found)}
    return {name: OnnxCase(found[name], refusal) for name, refusal in refusals.items()}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `onnx_case` once per case that we implement, `refused_onnx_case` per case we refuse."""
    for argument, refused in (("onnx_case", False), ("refused_onnx_case", True)):
        if argument in metafunc.fixturenames:
            cases = {name: case for name, case in _onnx_cases().items() if bool(case.refusal) == refused}
            metafunc.parametrize(argument, cases.values(), ids=list(cases))


@pytest.fixture(scope="session")
def onnx_cases() -> dict[str, OnnxCase]:
    """All cases by name."""
    return _onnx_cases()


@pytest.fixture(scope="session")
def fetched():
    """Return a function (what, make) -> make(), which needs a pinned file.

    A file that cannot be had skips the test, but fails it under CI=true, unless UNDERONE_OFFLINE forbids the network.
    """
    from underone import settings
    from underone.errors import FetchFailed

    def get(what, make):
        try:
            return make()
        except FetchFailed as error:
            if os.environ.get("CI") == "true" and not settings.offline():
                raise
            pytest.skip(f"{what} cannot be fetched: {error}")

    return get


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Return a folder with the test's own cache (not made yet) and assets (empty); the network is allowed."""
    monkeypatch.setenv("UNDERONE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UNDERONE_ASSETS", str(tmp_path / "assets"))
    monkeypatch.delenv("UNDERONE_OFFLINE", raising=False)
    (tmp_path / "assets").mkdir()
    return tmp_path


@pytest.fixture(autouse=True)
def _seed_torch():
    """Start every test from one seed, whatever ran before it."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def randomize_statistics():
    """Return a function (model, seed=0, size=96) -> model that gives an untrained network batch-norm statistics.

    They are settled on a photograph and noise, so that activations stay near 1 and depend on the image.
    """
    import torch

    from underone.fold.trial import trial_inputs
    from underone.nn.statistics import randomize_statistics

    def randomize(model, seed=0, size=96):
        channels = next(m.in_channels for m in model.modules() if isinstance(m, torch.nn.Conv2d))
        images = torch.cat(list(trial_inputs(model, (channels, size, size)).values()))
        randomize_statistics(model, images, seed)
        return model

    return randomize


@pytest.fixture
def run(capsys):
    """Return a function (*words) -> (exit code, what was printed) that runs a command."""
    from underone.cli import main

    def call(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        return ended.value.code, capsys.readouterr()

    return call

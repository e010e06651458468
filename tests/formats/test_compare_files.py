"""verify: files and torch modules against each other."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from underone.errors import BadValue, ShapeError
from underone.formats import export, verify
from underone.graph import Graph, Node, Value, to_onnx
from underone.runtime import load
from underone.trace import trace


class Net(nn.Module):
    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        torch.manual_seed(classes)
        self.conv = nn.Conv2d(3, 8, 3, stride=2)
        self.head = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(x).relu().mean((2, 3)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    export(Net(), folder / "a.onnx")
    export(Net(), folder / "half.onnx", dtype="float16")
    changed = Net()
    with torch.no_grad():
        changed.conv.weight[0, 0, 0, 0] += 0.01
    export(changed, folder / "changed.onnx")
    export(Net(6), folder / "six.onnx")
    return folder


@pytest.mark.parametrize(("backend", "other"), [("onnxruntime", "openvino"), ("reference", "torch")])
def test_one_file_on_two_engines_is_the_same(folder: Path, backend: str, other: str) -> None:
    verdict = verify(folder / "a.onnx", folder / "a.onnx", backend=backend, against_backend=other)
    assert verdict.passed
    assert (verdict.subject, verdict.reference) == (f"a.onnx by {backend}", f"a.onnx by {other}")


def test_file_and_its_model_are_the_same(folder: Path) -> None:
    verdict = verify(folder / "a.onnx", Net())
    assert verdict.passed
    assert verdict.reference == "Net by torch"


def test_one_changed_weight_fails_without_raising(folder: Path) -> None:
    assert not verify(folder / "changed.onnx", folder / "a.onnx").passed
    assert not verify(folder / "changed.onnx", Net()).passed


def test_float16_file_is_held_to_the_limits_of_float16(folder: Path) -> None:
    verdict = verify(folder / "half.onnx", folder / "a.onnx")
    assert verdict.passed
    assert verdict.worst.limits.nmse == 2e-4
    assert verdict.worst.nmse > 1e-9


def test_other_number_of_classes_is_an_error(folder: Path) -> None:
    with pytest.raises(ShapeError, match=r"the output has shape \(1, 6\), the reference \(1, 5\)"):
        verify(folder / "six.onnx", folder / "a.onnx")


def scale_file(path: Path, shape: tuple[int | None, ...], outputs: tuple[str, ...] = ("y",)) -> Path:
    nodes = tuple(Node("Mul", ("x", "factor"), (name,)) for name in outputs)
    constants = {"factor": np.array(3, np.float32)}
    path.write_bytes(to_onnx(Graph(nodes, (Value("x", shape),), tuple(Value(n, shape) for n in outputs), constants)))
    return path


@pytest.mark.parametrize("other", [(2, 5), (2, 4, 4)])
def test_other_sizes_name_both_files(tmp_path: Path, other: tuple[int, ...]) -> None:
    a, b = scale_file(tmp_path / "a.onnx", (2, 4)), scale_file(tmp_path / "b.onnx", other)
    with pytest.raises(ShapeError, match=rf"a.onnx takes \(2, 4\) of float32, b.onnx {re.escape(str(other))} of"):
        verify(a, b)


def test_engines_and_modules_are_compared_as_they_are(folder: Path) -> None:
    with load(folder / "a.onnx", "reference") as net:
        assert verify(net, folder / "a.onnx").subject == "Net by reference"
        assert verify(folder / "a.onnx", net).passed
        assert not verify(folder / "changed.onnx", net).passed
        assert verify(Net(), net).subject == "Net by torch"
        net.run(np.ones((1, 3, 224, 224), np.float32))  # it is still the caller's


def test_module_is_asked_for_the_size_of_the_file(tmp_path: Path) -> None:
    path = export(Net(), tmp_path / "small.onnx", size=(32, 48))
    assert verify(path, Net()).passed


@pytest.mark.parametrize("given", [3, {}])
def test_something_else_is_not_compared(folder: Path, given: object) -> None:
    with pytest.raises(
        BadValue, match=r"a \w+ cannot be compared; the path of a file \(\.onnx, .*\.pte, or .*Engine or"
    ):
        verify(folder / "a.onnx", given)  # type: ignore[arg-type]


def test_open_batch_and_fixed_batch_meet_at_the_fixed_one(tmp_path: Path) -> None:
    fixed = scale_file(tmp_path / "fixed.onnx", (2, 4))
    free = scale_file(tmp_path / "free.onnx", (None, 4), outputs=("other_name",))
    assert verify(fixed, free).passed
    assert verify(free, fixed).passed


def test_other_rank_is_an_error(tmp_path: Path) -> None:
    a, b = scale_file(tmp_path / "a.onnx", (None, 4)), scale_file(tmp_path / "b.onnx", (None, 4, 4))
    with pytest.raises(
        ShapeError, match=r"a.onnx takes \(any, 4\) of float32, b.onnx \(any, 4, 4\) of float32; networks with the same"
    ):
        verify(a, b)


def test_other_number_of_outputs_is_an_error(tmp_path: Path) -> None:
    a, b = scale_file(tmp_path / "a.onnx", (None, 4)), scale_file(tmp_path / "b.onnx", (None, 4), ("y", "z"))
    with pytest.raises(ShapeError, match=r"outputs \['y'\] are compared with \['y', 'z'\]; equally many are"):
        verify(a, b)


def test_model_without_spec_is_named_by_its_class() -> None:
    assert trace(Net()).spec.name == "Net"

"""export: what is written, what is proven, and what is left alone when something goes wrong."""

import copy
import errno
import hashlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import timm
import torch
from torch import nn

from underone.compare import Verdict
from underone.errors import BadFile, BadValue, ParityFailed, UnknownName, Unsupported
from underone.fold import reparameterize
from underone.formats import export, write
from underone.graph import Graph, Node, Value, read_onnx, read_verdict, to_onnx
from underone.image import photograph, prepare
from underone.models.build import build_model
from underone.nn.conv import Conv2dSame
from underone.spec import IMAGENET_PREPARATION
from underone.trace import trace
from underone.zoo import create_model


def trained(model: nn.Module, seed: int = 0) -> nn.Module:
    """Weights and statistics that keep a signal alive through the layers, as trained ones do."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator)
    return model


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return trained(build_model("mobilenet_v2_035", form="folded", num_classes=10))


@pytest.fixture(scope="module")
def written(model: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(model, tmp_path_factory.mktemp("export") / "net.onnx")


def run_onnxruntime(path: Path, image: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image}), strict=True))


def test_file_is_standard_onnx_with_an_open_batch(written: Path, model: nn.Module) -> None:
    onnx.checker.check_model(onnx.load(written), full_check=True)
    model = copy.deepcopy(model).eval()
    for batch in (1, 2, 5):
        image = np.random.default_rng(batch).standard_normal((batch, 3, 224, 224), np.float32)
        with torch.no_grad():
            want = model.eval()(torch.from_numpy(image)).numpy()
        np.testing.assert_allclose(
            run_onnxruntime(written, image)["logits"], want, rtol=1e-3, atol=1e-5 * np.abs(want).max()
        )


def test_verdict_is_in_the_file_and_beside_it(written: Path) -> None:
    inside = read_verdict(written)
    beside = Verdict.from_json(written.with_name("net.onnx.verdict.json").read_text())
    assert inside == beside
    assert inside is not None
    assert inside.passed
    assert inside.kind == "export"
    assert {row.on.split(",")[0] for row in inside.comparisons} == {"photo", "noise", "zeros", "extremes"}
    assert {row.on.split(", ")[1] for row in inside.comparisons} == {"reference", "onnxruntime", "native"}
    assert inside.facts["bytes"] <= written.stat().st_size
    assert {"torch", "onnx", "onnxruntime", "numpy", "underone"} <= set(inside.versions)
    assert inside.notes == ()


def test_spec_travels_in_the_file(written: Path, model: nn.Module) -> None:
    spec = read_onnx(written).spec
    assert (spec.name, spec.form, spec.task) == ("mobilenet_v2_035", "folded", "classify")
    assert spec.input.preparation == model.spec.input.preparation
    assert spec.outputs[0].shape == (None, 10)


def test_same_network_gives_the_same_bytes(written: Path, model: nn.Module, tmp_path: Path) -> None:
    again = export(model, tmp_path / "net.onnx")
    assert again.read_bytes() == written.read_bytes()


def test_given_model_is_left_as_it_is(tmp_path: Path) -> None:
    model = trained(build_model("mobilenet_v2_035", num_classes=3)).train()
    model.head.requires_grad_(False)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.warns(UserWarning, match="in training form"):
        export(model, tmp_path / "net.onnx")
    assert all(module.training for module in model.modules())
    assert [p.requires_grad for p in model.head.parameters()] == [False, False]
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_training_form_is_written_and_said(tmp_path: Path) -> None:
    model = trained(build_model("mobilenet_v2_035", num_classes=3))
    message = r"mobilenet_v2_035 is exported in training form: 52 of its blocks can be folded; reparameterize\(model\)"
    with pytest.warns(UserWarning, match=message) as caught:
        path = export(model, tmp_path / "net.onnx")
    assert caught[0].filename == __file__
    verdict = read_verdict(path)
    assert read_onnx(path).spec.form == "training"
    assert verdict is not None
    assert verdict.facts["form"] == "training"


def test_float16_file_is_half_the_size_and_keeps_float32_borders(
    written: Path, model: nn.Module, tmp_path: Path
) -> None:
    path = export(model, tmp_path / "half.onnx", dtype="float16")
    verdict = read_verdict(path)
    assert verdict is not None
    assert path.stat().st_size < 0.52 * written.stat().st_size
    assert {i.data_type for i in onnx.load(path).graph.initializer} == {onnx.TensorProto.FLOAT16}
    assert 1e-9 < verdict.worst.nmse < 2e-4  # not float32 by mistake
    image = np.random.default_rng(0).standard_normal((2, 3, 224, 224), np.float32)
    assert run_onnxruntime(path, image)["logits"].dtype == np.float32


def test_file_is_exported_again_without_torch(written: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from underone.formats import export, verify\n"
        "export(sys.argv[1], sys.argv[2], dtype='float16')\n"
        "assert verify(sys.argv[2], sys.argv[1]).passed\n"
        "assert not any(name.startswith('torch') for name, module in sys.modules.items() if module)"
    )
    target = tmp_path / "half.onnx"
    done = subprocess.run([sys.executable, "-c", code, written, target], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    verdict = read_verdict(target)
    assert verdict is not None
    assert verdict.reference == "mobilenet_v2_035 by reference"


@pytest.mark.parametrize("dtype", [torch.float16, np.float16, np.dtype("float16")])
def test_dtypes_of_torch_and_numpy_are_taken(tmp_path: Path, dtype: object) -> None:
    path = export(scaled(3), tmp_path / "half.onnx", dtype=dtype)  # type: ignore[arg-type]
    assert {i.data_type for i in onnx.load(path).graph.initializer} == {onnx.TensorProto.FLOAT16}


def test_verdict_is_bound_to_the_bytes_that_were_judged(written: Path, tmp_path: Path) -> None:
    verdict = read_verdict(written)
    assert verdict is not None
    judged = written.read_bytes()[: int(verdict.facts["bytes"])]
    assert verdict.facts["sha256"] == hashlib.sha256(judged).hexdigest()
    changed = onnx.load(written)
    weight = next(i for i in changed.graph.initializer if i.name == "head.weight")
    weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * 1.01, weight.name))
    onnx.save(changed, tmp_path / "changed.onnx")
    assert read_verdict(tmp_path / "changed.onnx") is None


def test_export_says_nothing_of_unchecked_files(
    written: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "underone"):
        export(written, tmp_path / "net.onnx")
    assert not caplog.messages


def test_file_takes_pictures_of_the_asked_size(model: nn.Module, tmp_path: Path) -> None:
    path = export(model, tmp_path / "small.onnx", size=(96, 128))
    spec = read_onnx(path).spec
    assert spec.input.shape == (None, 3, 96, 128)
    assert spec.input.preparation == model.spec.input.preparation
    assert run_onnxruntime(path, np.ones((1, 3, 96, 128), np.float32))["logits"].shape == (1, 10)
    assert model.spec.input.shape == (None, 3, 224, 224)


@pytest.mark.parametrize("name", ["mobilenet_v2_035", "mobileone_s0"])
def test_file_takes_pictures_of_any_size(tmp_path: Path, name: str) -> None:
    model = trained(build_model(name, form="folded", num_classes=10)).eval()
    path = export(model, tmp_path / "open.onnx", size=(None, None))
    spec = read_onnx(path).spec
    assert spec.input.shape == (None, 3, None, None)
    assert prepare(photograph(), spec.input).shape == (1, 3, 224, 224)  # as the model's spec had it
    verdict = read_verdict(path)
    assert verdict is not None
    assert "noise of another size, onnxruntime" in {row.on for row in verdict.comparisons}
    image = np.random.default_rng(0).standard_normal((2, 3, 75, 130), np.float32)
    with torch.no_grad():
        want = model(torch.from_numpy(image)).numpy()
    got = run_onnxruntime(path, image)["logits"]
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5 * np.abs(want).max())


def test_network_that_takes_no_other_size_is_refused(tmp_path: Path) -> None:
    model = trained(build_model("mobilenet_v2_035", padding="tf_same", num_classes=3, form="folded"))
    with pytest.raises(
        Unsupported, match=r"does not take pictures of any size: its padding, 'tf_same', .* give a height and a wid"
    ):
        export(model, tmp_path / "open.onnx", size=(None, None))


def test_module_without_a_spec_that_takes_no_other_size_is_refused(tmp_path: Path) -> None:
    model = torch.nn.Sequential(Conv2dSame(3, 4, 3, stride=2)).eval()
    with pytest.raises(Unsupported, match=r"pictures of any size: .* is another operation for another size; give a h"):
        export(model, tmp_path / "open.onnx", input_shape=(3, None, None))


@pytest.mark.parametrize(("arguments", "message"), [
    ({"size": 192}, r"size=192; \(height, width\) in pixels, None for any is required"),
    ({"size": (192, 0)}, r"size=\(192, 0\); \(height, width\)"),
    ({"input_shape": (3, 32)}, r"input_shape=\(3, 32\); \(channels, height, width\) is required"),
    ({"size": (8, 8), "input_shape": (3, 8, 8)}, r"size=\(8, 8\) and input_shape=\(3, 8, 8\) were given; give one"),
])  # fmt: skip
def test_sizes_that_are_none_are_refused(model: nn.Module, tmp_path: Path, arguments: dict, message: str) -> None:
    with pytest.raises(BadValue, match=message):
        export(model, tmp_path / "net.onnx", **arguments)


def test_size_of_a_file_is_its_own(written: Path, tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="only a height and a width that a network leaves open can be chosen"):
        export(written, tmp_path / "net.onnx", size=(96, 96))
    with pytest.raises(BadValue, match="input_shape is for torch modules; the channels of a PosixPath are its own"):
        export(written, tmp_path / "net.onnx", input_shape=(3, 96, 96))


def test_size_that_a_file_leaves_open_is_chosen(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    nodes = (
        Node("Conv", ("image", "w"), ("a",), {"strides": (2, 2), "pads": (1, 1, 1, 1)}, "a"),
        Node("Relu", ("a",), ("map",), {}, "map"),
    )
    values = (Value("image", (None, 3, None, None)),), (Value("map", (None, 4, None, None)),)
    graph = Graph(nodes, *values, {"w": rng.standard_normal((4, 3, 3, 3)).astype(np.float32)})
    opened = export(graph, tmp_path / "open.onnx")
    made = read_onnx(export(opened, tmp_path / "fixed.onnx", size=(64, 33)))
    assert made.inputs[0].shape == (None, 3, 64, 33)
    assert made.outputs[0].shape == (None, 4, 32, 17)
    assert made.spec.outputs[0].shape == (None, 4, 32, 17)
    with pytest.raises(BadValue, match=r"size=\(64, None\): .* only a height and a width that a network leaves open"):
        export(opened, tmp_path / "half.onnx", size=(64, None))


class FourPlanes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).mean((2, 3))


def test_module_without_spec_is_written_for_a_given_shape(tmp_path: Path) -> None:
    path = export(FourPlanes(), tmp_path / "net.onnx", input_shape=(4, 20, 30))
    assert read_onnx(path).spec.input.shape == (None, 4, 20, 30)
    with pytest.raises(Unsupported, match=r"torch.export cannot follow FourPlanes on input \(None, 3, 224, 224\)"):
        export(FourPlanes(), tmp_path / "net.onnx")


def test_network_of_timm_keeps_what_timm_says_of_it(tmp_path: Path) -> None:
    theirs = trained(timm.create_model("mobileone_s1"))
    with pytest.warns(UserWarning, match=r"mobileone_s1\.apple_in1k is exported in training form: \d+ of its blocks"):
        spec = read_onnx(export(theirs, tmp_path / "net.onnx", size=(64, 64))).spec
    assert (spec.name, spec.task, spec.source, spec.weights) == ("mobileone_s1.apple_in1k", "classify", "timm", None)
    assert spec.input.shape == (None, 3, 64, 64)
    assert spec.labels is not None
    assert spec.labels[0] == "tench, Tinca tinca"
    assert spec.input.preparation == IMAGENET_PREPARATION.model_copy(update={"crop_ratio": 0.9})


def test_folded_network_of_timm_is_written_without_a_warning(tmp_path: Path) -> None:
    export(reparameterize(trained(timm.create_model("mobileone_s0"))), tmp_path / "net.onnx", size=(64, 64))


def test_labels_that_do_not_fit_the_outputs_are_refused(tmp_path: Path) -> None:
    model = build_model("mobilenet_v2_035", form="folded", num_classes=3)
    model.spec = model.spec.model_copy(update={"labels": ("a", "b", "c")})
    model.head = nn.Linear(1280, 2)
    with pytest.raises(
        BadValue, match=r"has 3 labels for 2 classes; name them by model\.spec = model\.spec\.model_copy"
    ):
        export(model, tmp_path / "net.onnx")


def test_feature_maps_are_written_by_name(tmp_path: Path) -> None:
    model = trained(build_model("mobileone_s0", form="folded", features=("stage2", "stage4")))
    path = export(model, tmp_path / "features.onnx")
    outputs = run_onnxruntime(path, np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32))
    assert {name: array.shape for name, array in outputs.items()} == {
        "stage2": (1, 128, 28, 28),
        "stage4": (1, 1024, 7, 7),
    }
    assert read_onnx(path).spec.task == "features"


@pytest.mark.parametrize("size", [224, 257, 300, 513])
@pytest.mark.parametrize(("dtype", "limit"), [("float32", 1e-10), ("float16", 1e-5)])
def test_tensorflows_padding_is_kept_at_every_size(tmp_path: Path, two_heads, size, dtype, limit) -> None:
    verdict = read_verdict(export(two_heads(size), tmp_path / "same.onnx", dtype))
    assert verdict is not None
    assert max(row.nmse for row in verdict.comparisons) < limit


def test_network_with_run_time_padding_is_written(tmp_path: Path) -> None:
    model = trained(build_model("mobilenet_v2_035", padding="tf_same", num_classes=3, form="folded"))
    verdict = read_verdict(export(model, tmp_path / "net.onnx"))
    assert verdict is not None
    assert verdict.passed


def one_percent_more(graph: Graph) -> bytes:
    """The planted fault: one weight of the last layer is off."""
    constants = dict(graph.constants)
    constants["head.weight"] = constants["head.weight"] * np.float32(1.01)
    return to_onnx(Graph(graph.nodes, graph.inputs, graph.outputs, constants, graph.spec))


def test_bytes_that_compute_something_else_are_not_written(
    model: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.onnx"
    path.write_text("the old file")
    monkeypatch.setattr(write, "to_onnx", one_percent_more)
    with pytest.raises(
        ParityFailed, match=r"net.onnx was not written: export FAILED: .* worst on .* nmse (9\.\de-05|1\.\de-04)"
    ):
        export(model, path)
    assert path.read_text() == "the old file"
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def full_disk(handle: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_keeps_the_old_file(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.onnx"
    path.write_text("the old file")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(BadFile, match="was not written, the old file is untouched: No space left on device"):
        export(written, path)
    assert path.read_text() == "the old file"
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_interrupt_keeps_the_old_file(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.onnx"
    path.write_text("the old file")

    def half_then_interrupt(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", half_then_interrupt)
    with pytest.raises(KeyboardInterrupt):
        export(written, path)
    assert path.read_text() == "the old file"
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_missing_folder_is_said(written: Path, tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"the folder .*none does not exist; create it first"):
        export(written, tmp_path / "none" / "net.onnx")


def test_unknown_format_names_the_known_ones(model: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"unknown format '.onxx'. Did you mean '.onnx'\? The suffix of"):
        export(model, tmp_path / "net.onxx")
    with pytest.raises(
        UnknownName, match=r"unknown format 'net'\. Known: \.mlpackage, \.onnx, \.param, \.pte, \.tflite, \.xml\."
    ):
        export(model, tmp_path / "net")


def test_unknown_dtype_names_the_known_ones(model: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"unknown dtype 'float61'. Did you mean 'float16'\?"):
        export(model, tmp_path / "net.onnx", dtype="float61")  # type: ignore[arg-type]


@pytest.mark.parametrize(("given", "message"), [
    ("mobileone_s0", r"'mobileone_s0' is no ONNX file; .* export\(create_model\('mobileone_s0'\), path\)"),
    ("own.pth", r"'own.pth' is no ONNX file; .* export\(create_model\(name, weights='own.pth'\), path\)"),
    (None, "a NoneType cannot be exported"),
])  # fmt: skip
def test_names_and_weights_are_built_first(tmp_path: Path, given: object, message: str) -> None:
    with pytest.raises(BadValue, match=message):
        export(given, tmp_path / "net.onnx")  # type: ignore[arg-type]


def test_something_else_than_a_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BadValue, match="a dict cannot be exported; a torch module, a Graph or the path of an ONNX file is"
    ):
        export({}, tmp_path / "net.onnx")  # type: ignore[arg-type]


def scaled(factor: float) -> Graph:
    """x (N, 4) times a number."""
    node = Node("Mul", ("x", "factor"), ("y",), {}, "scale")
    factor_array = {"factor": np.array(factor, np.float32)}
    return Graph((node,), (Value("x", (None, 4)),), (Value("y", (None, 4)),), factor_array)


def test_graph_built_by_hand_is_written(tmp_path: Path) -> None:
    path = export(scaled(3), tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(path)
    np.testing.assert_array_equal(session.run(None, {"x": np.full((2, 4), 2, np.float32)})[0], np.full((2, 4), 6))


def test_overflow_in_float16_names_the_input_and_the_cure(tmp_path: Path) -> None:
    with pytest.raises(
        ParityFailed,
        match=r"reference against reference on 'noise': .* NaN or infinite; on 'noise' 2 tensors overflow in float16: "
        r"y/float16, y; .* 65504: write float32",
    ):
        export(scaled(6e4), tmp_path / "net.onnx", dtype="float16")


def test_network_that_gives_only_zeros_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParityFailed, match="every output is all zeros on every input: nothing could be compared"):
        export(scaled(0), tmp_path / "net.onnx")


class Deaf(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        nn.init.zeros_(self.layer.weight)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"deaf": self.layer(x), "zero": 0 * x, "alive": x + 1}


def test_outputs_about_which_little_is_shown_are_noted(tmp_path: Path) -> None:
    verdict = read_verdict(export(trace(Deaf(), input_shape=(None, 4)), tmp_path / "net.onnx"))
    assert verdict is not None
    assert verdict.notes == (
        "on 'noise' output 'zero' is all zeros in both forms: nothing could be compared",
        "on 'zeros' output 'zero' is all zeros in both forms: nothing could be compared",
        "on 'extremes' output 'zero' is all zeros in both forms: nothing could be compared",
        "output 'deaf' is nearly the same on every input, so little was shown about it",
    )


def test_integer_input_is_refused(tmp_path: Path) -> None:
    node = Node("Add", ("x", "x"), ("y",))
    graph = Graph((node,), (Value("x", (None, 4), "int64"),), (Value("y", (None, 4), "int64"),), {})
    with pytest.raises(Unsupported, match="input 'x' takes int64; only networks with float inputs are compared"):
        export(graph, tmp_path / "net.onnx")


def test_two_inputs_are_refused(tmp_path: Path) -> None:
    node = Node("Add", ("x", "y"), ("z",))
    inputs = (Value("x", (None, 4)), Value("y", (None, 4)))
    graph = Graph((node,), inputs, (Value("z", (None, 4)),), {})
    with pytest.raises(Unsupported, match="'unnamed' has 2 inputs; only networks with one are compared"):
        export(graph, tmp_path / "net.onnx")


def test_verdict_beside_the_file_is_readable_json(written: Path) -> None:
    raw = json.loads(written.with_name("net.onnx.verdict.json").read_text())
    assert raw["passed"] is True
    assert raw["facts"]["macs"] > 5e7


def test_fresh_detector_is_written_though_it_amplifies_rounding(tmp_path) -> None:
    torch.manual_seed(0)  # one that the usual limits refuse on the photograph, nmse 2.5e-9
    fresh = reparameterize(create_model("ssdlite320_mobileone_s0", num_classes=3, size=160))
    verdict = read_verdict(export(fresh, tmp_path / "fresh.onnx"))
    assert verdict.passed
    assert any(note.startswith("on 'photo, reference' the network is nmse") for note in verdict.notes)

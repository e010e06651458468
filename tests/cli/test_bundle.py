"""export --to, verify-bundle and doctor on the command line."""

import json

import numpy as np
import pytest

from underone.graph import Graph, Node, Value, to_onnx


@pytest.fixture
def file(tmp_path):
    weight = np.random.default_rng(0).normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
    graph = Graph(
        (Node("Conv", ("x", "w"), ("y",), {}, "y"),), (Value("x", (1, 3, 8, 8)),), (Value("y", (1, 4, 6, 6)),),
        {"w": weight},
    )  # fmt: skip
    path = tmp_path / "net.onnx"
    path.write_bytes(to_onnx(graph))
    return path


def test_bundle_is_written_and_verified(run, file, tmp_path):
    folder = tmp_path / "bundle"
    code, said = run("export", file, "--to", "onnx", "-o", folder)
    assert code == 0, said.err
    assert "passed" in said.out
    code, said = run("verify-bundle", folder, "--json")
    assert code == 0
    assert [form["passed"] for form in json.loads(said.out)["forms"]] == [True]
    (folder / "labels.txt").write_text("another\n")
    code, said = run("verify-bundle", folder)
    assert code == 1
    assert "missing or changed since it was written: labels.txt" in said.err


def test_options_of_one_file_are_refused_for_a_bundle(run, file, tmp_path):
    code, said = run("export", file, "--to", "onnx", "--nms", "-o", tmp_path / "bundle")
    assert code == 1
    assert "--nms, --weights and --target are for one file" in said.err
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_failed_form_ends_with_1(run, file, tmp_path, monkeypatch):
    from underone.formats.bundle import check

    folder = tmp_path / "bundle"
    run("export", file, "--to", "onnx", "-o", folder)
    monkeypatch.setattr(check, "judged", lambda folder, form, source: form.model_copy(update={"passed": False}))
    code, said = run("verify-bundle", folder)
    assert code == 1
    assert "FAILED" in said.out


def test_doctor_says_what_works_and_how_the_rest_is_installed(run, monkeypatch):
    from underone.cli import doctor
    from underone.formats.executorch import environment

    monkeypatch.delenv("UNDERONE_EXECUTORCH", raising=False)
    for module in (doctor, environment):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    code, said = run("doctor", "--json")
    found = json.loads(said.out)
    assert code == 0
    assert found["runs on reference"] == "ready"
    assert found["runs on mlx"] == "pip install 'underone[mlx]'"
    assert found["runs on native"] == "not built: install underone where a C++ compiler is"
    assert found["writes ncnn (.param)"] == "pip install 'underone[ncnn]'"
    assert "python3 -m venv executorch && executorch/bin/pip install" in found["writes ExecuTorch (.pte)"]
    monkeypatch.undo()
    monkeypatch.setenv("UNDERONE_EXECUTORCH", "/bin/false")
    assert "writes ExecuTorch (.pte): /bin/false cannot make ExecuTorch programs: " in run("doctor")[1].out
    assert "runs on reference: ready" in run("doctor")[1].out

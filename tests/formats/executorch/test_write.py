"""ExecuTorch programs, made and run by the Python that has executorch."""

import subprocess
import sys

import pytest

import underone as uo
from underone.compare import Verdict
from underone.errors import BadValue, MissingExtra, Unsupported
from underone.formats.executorch import environment, executorch_python, executorch_version, of_pte, write_pte
from underone.formats.executorch.process import worker
from underone.formats.parity import versions_of
from underone.graph import Graph, Value, to_onnx


@pytest.fixture(scope="session")
def executorch():
    """Skip where no Python has executorch and this project."""
    try:
        python = executorch_python()
    except MissingExtra as error:
        pytest.skip(str(error))
    asked = subprocess.run([python, "-c", "import executorch, underone.graph"], capture_output=True, text=True)
    if asked.returncode:
        pytest.skip(f"{python}: {asked.stderr.strip().splitlines()[-1]}")


@pytest.mark.slow
@pytest.mark.parametrize("size", [224, 257, 300, 513])
def test_network_is_proven_by_executorch(tmp_path, two_heads, executorch, size):
    source = tmp_path / "source.onnx"
    source.write_bytes(to_onnx(two_heads(size)))
    (tmp_path / "target").mkdir()
    path = uo.export(source, tmp_path / "target" / "both.pte")
    verdict = Verdict.from_json(path.with_name("both.pte.verdict.json").read_text())
    assert {row.on.split(", ")[1] for row in verdict.comparisons} == {"executorch"}
    assert {row.output for row in verdict.comparisons} == {"codes_out", "logits"}
    assert max(row.nmse for row in verdict.comparisons) < 1e-10
    assert sorted(p.name for p in path.parent.iterdir()) == ["both.pte", "both.pte.verdict.json"]
    assert uo.verify(path).passed
    assert uo.verify(path, source).passed


@pytest.mark.slow
def test_fault_is_found_and_a_damaged_program_is_one_line(tmp_path, two_heads, executorch):
    from underone.formats.forms import of_graph
    from underone.formats.read_back import FORMATS, judge

    path = tmp_path / "both.pte"
    write_pte(two_heads(64, padding="SAME_LOWER"), path)
    verdict = judge(path, "both.pte", of_graph(two_heads(64)), "float32", FORMATS[".pte"])
    assert not verdict.passed
    path.write_bytes(b"no program")
    spec = two_heads(64).spec
    with of_pte(path, spec) as form, pytest.raises(Unsupported, match=r"^ExecuTorch cannot run both\.pte: .+$"):
        form.run({"image": two_heads(64).constants["stem"]})


def test_worker_that_fails_is_one_line(tmp_path, two_heads, monkeypatch):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho first >&2\necho no such thing >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setenv("UNDERONE_EXECUTORCH", str(python))
    with pytest.raises(Unsupported, match=r"^both cannot be written for ExecuTorch: no such thing$"):
        uo.export(two_heads(33), tmp_path / "a.pte")
    python.write_text("#!/bin/sh\nexit 1\n")
    with (
        of_pte(tmp_path / "a.pte", two_heads(33).spec) as form,
        pytest.raises(Unsupported, match=r"^ExecuTorch cannot run a\.pte: the worker ended without a word$"),
    ):
        form.run({"image": two_heads(33).constants["stem"]})
    assert [p.name for p in tmp_path.iterdir()] == ["python"]


def test_worker_that_is_dead_before_it_is_asked_is_one_line(tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@" >&2\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setenv("UNDERONE_EXECUTORCH", str(python))
    with worker("run", "a.pte") as process:
        process.process.wait()
        with pytest.raises(Unsupported, match=r"^it: -P -m underone\.formats\.executorch\.worker run a\.pte$"):
            process.ask("input.npy", "it")


def test_program_that_cannot_be_started_is_one_line(tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text("no program at all")
    python.chmod(0o755)
    monkeypatch.setenv("UNDERONE_EXECUTORCH", str(python))
    with pytest.raises(Unsupported, match=r"/python cannot be started: Exec format error$"), worker("run", "a.pte"):
        pass


def test_python_is_the_named_one_or_none(tmp_path, two_heads, monkeypatch):
    monkeypatch.setenv("UNDERONE_EXECUTORCH", str(tmp_path / "none"))
    with pytest.raises(BadValue, match=r"UNDERONE_EXECUTORCH='.*none' is no program; the path of a Python"):
        executorch_python()
    monkeypatch.delenv("UNDERONE_EXECUTORCH")
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'underone\[executorch\]'; or, beside .*: python3 -m venv"):
        uo.export(two_heads(33), tmp_path / "a.pte")
    monkeypatch.setattr(environment, "find_spec", lambda name: object())
    assert executorch_python() == sys.executable
    assert not list(tmp_path.iterdir())


def test_version_is_that_of_the_other_python_or_a_reason(tmp_path, monkeypatch):
    python = tmp_path / "python"
    monkeypatch.setenv("UNDERONE_EXECUTORCH", str(python))
    for body, said in (
        ("echo No module named executorch >&2", "No module named executorch"),
        ("", "it ended without a"),
    ):
        python.write_text(f"#!/bin/sh\n{body}\nexit 1\n")
        python.chmod(0o755)
        with pytest.raises(Unsupported, match=rf"/python cannot make ExecuTorch programs: {said}"):
            executorch_version()
    assert "executorch" not in versions_of("executorch")
    python.write_text("#!/bin/sh\necho 1.2.3\n")
    assert versions_of("executorch")["executorch"] == executorch_version() == "1.2.3"
    python.chmod(0o644)
    with pytest.raises(BadValue, match="is no program"):
        executorch_version()


def test_what_has_no_form_is_refused_in_one_line(tmp_path, two_heads):
    with pytest.raises(Unsupported, match=r"a \.pte is written in float32, not in float16"):
        uo.export(two_heads(33), tmp_path / "a.pte", "float16")
    with pytest.raises(Unsupported, match=r"input 'image' .* is open; ExecuTorch .* give size=\(H, W\)"):
        write_pte(Graph((), (Value("image", (None, 3, None, None)),), (), {}), tmp_path / "a.pte")
    with pytest.raises(Unsupported, match=r"nms=True: a \.pte"):
        uo.export(two_heads(33), tmp_path / "a.pte", nms=True)

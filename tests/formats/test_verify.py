"""verify: a file alone, by the proof that it brings, and files that their own engines run."""

import json
import shutil
from importlib.util import find_spec

import numpy as np
import pytest

import underone as uo
from underone.errors import BadFile, BadValue, MissingExtra
from underone.formats import read_back
from underone.formats.read_back import FORMATS
from underone.graph import to_onnx

WRITTEN = [suffix for suffix, row in FORMATS.items() if row.package and find_spec(row.package)]


@pytest.fixture
def source(tmp_path, two_heads):
    """The network as ONNX, as it stands in a folder of its own."""
    (tmp_path / "source").mkdir()
    path = tmp_path / "source" / "both.onnx"
    path.write_bytes(to_onnx(two_heads(64)))
    return path


def changed(path):
    """Change a byte of the weights of a file."""
    file = max(FORMATS[path.suffix].files(path) if path.suffix in FORMATS else [path], key=lambda f: f.stat().st_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("suffix", [".onnx", *WRITTEN])
def test_file_alone_is_verified_by_the_proof_that_it_brings(run, tmp_path, source, suffix):
    path = uo.export(source, tmp_path / f"both{suffix}")
    verdict = uo.verify(path)
    assert verdict.kind == "export"
    assert verdict.passed
    code, said = run("verify", path, "--json")
    assert code == 0
    assert json.loads(said.out)["passed"]
    changed(path)
    with pytest.raises(BadFile, match=r"both\..* (holds no verdict on its own bytes; say what|.*damaged)"):
        uo.verify(path)
    code, said = run("verify", path)
    assert code == 1
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("suffix", WRITTEN)
def test_file_alone_needs_all_its_parts(tmp_path, source, suffix):
    path = uo.export(source, tmp_path / f"both{suffix}")
    beside = tmp_path / f"both{suffix}.verdict.json"
    beside.write_text("{")
    with pytest.raises(BadFile, match=r"both\..*\.verdict\.json: .*"):
        uo.verify(path)
    beside.unlink()
    with pytest.raises(BadFile, match="holds no verdict on its own bytes"):
        uo.verify(path)
    file = FORMATS[suffix].files(path)[-1]
    shutil.rmtree(path) if path.is_dir() else file.unlink()
    with pytest.raises(BadFile, match=r"cannot be read: there is no .*/both"):
        uo.verify(path)


@pytest.mark.parametrize("suffix", [s for s in WRITTEN if s in (".xml", ".param")])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_file_is_run_by_its_own_engine(run, tmp_path, source, two_heads, suffix, dtype):
    path = uo.export(source, tmp_path / f"both{suffix}", dtype)
    verdict = uo.verify(path, source)
    assert verdict.passed
    assert verdict.subject == f"both{suffix} by {FORMATS[suffix].title.lower()}"
    assert verdict.worst.limits.nmse == (1e-9 if dtype == "float32" else 2e-4)
    assert uo.verify(source, path).passed
    with uo.load(source) as engine:
        assert uo.verify(path, engine).passed
    path.with_name(f"{path.name}.verdict.json").write_text("{")  # what it is held to, the file itself says
    assert uo.verify(path, source).worst.limits == verdict.worst.limits
    other = tmp_path / "other.onnx"
    other.write_bytes(to_onnx(two_heads(64, padding="SAME_LOWER")))
    assert not uo.verify(path, other).passed
    code, said = run("verify", path, "--against", other)
    assert code == 1
    assert "FAILED" in said.out


@pytest.mark.parametrize("suffix", [s for s in WRITTEN if s in (".xml", ".param")])
def test_file_that_names_nothing_needs_one_that_does(run, tmp_path, source, suffix, monkeypatch):
    path = uo.export(source, tmp_path / f"both{suffix}")
    with pytest.raises(BadValue, match=r"does not say what its inputs and outputs are; one side must be an ONNX file"):
        uo.verify(path, path)
    for file in FORMATS[suffix].files(path):
        file.rename(file.with_name(f"{file.name}.bak"))
    with pytest.raises(BadFile, match="cannot be read: there is no"):
        uo.verify(path, source)
    for file in FORMATS[suffix].files(path):
        file.with_name(f"{file.name}.bak").rename(file)
    monkeypatch.setattr(read_back, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"^running .* needs the package"):
        uo.verify(path, source)


def test_backend_that_would_run_nothing_is_refused(run, tmp_path, source):
    with pytest.raises(BadValue, match="backend 'native' runs nothing while a file is verified alone; give against="):
        uo.verify(source, backend="native")
    for suffix in [s for s in WRITTEN if s in (".mlpackage", ".param", ".xml")]:
        path = uo.export(source, tmp_path / f"both{suffix}")
        message = rf"backend 'native' was named for both\{suffix}; only ONNX files take one"
        with pytest.raises(BadValue, match=message):
            uo.verify(path, source, backend="native")
        with pytest.raises(BadValue, match=message):
            uo.verify(source, path, against_backend="native")
    with uo.load(source) as engine, pytest.raises(BadValue, match="was named for a Engine; only ONNX files"):
        uo.verify(engine, source, backend="native")
    code, said = run("verify", source, "--backend", "native")
    assert (code, len(said.err.splitlines())) == (1, 1)


def test_what_brings_no_verdict_needs_a_reference(source):
    with uo.load(source) as engine, pytest.raises(BadValue, match=r"a Engine brings no verdict; say what .*: against="):
        uo.verify(engine)


def test_two_files_of_other_sizes_are_no_crash(tmp_path, source, two_heads):
    other = tmp_path / "other.onnx"
    other.write_bytes(to_onnx(two_heads(65)))
    for suffix in [s for s in WRITTEN if s in (".xml", ".param")]:
        path = uo.export(source, tmp_path / f"both{suffix}")
        with pytest.raises(uo.errors.UnderOneError):
            print(uo.verify(path, other))
    assert np.isfinite(uo.verify(source, source).worst.nmse)

"""What cannot be exported, from the command line: one line, exit 1, and nothing half-written, in every format."""

from dataclasses import replace
from importlib.util import find_spec

import onnx
import pytest

from underone.formats import read_back
from underone.formats.read_back import FORMATS
from underone.graph import Graph, Node, Value, to_onnx

WRITTEN = [".onnx", *(suffix for suffix, row in FORMATS.items() if row.package and find_spec(row.package))]


@pytest.fixture
def source(tmp_path, two_heads):
    """The network as ONNX, in a folder of its own, and an empty folder beside."""
    for name in ("source", "target"):
        (tmp_path / name).mkdir()
    path = tmp_path / "source" / "both.onnx"
    path.write_bytes(to_onnx(two_heads(33)))
    return path


def refused(run, source, target, *options):
    """Export on the command line, be refused, and give the one line that is said."""
    before = sorted(target.parent.rglob("*")) if target.parent.is_dir() else []
    code, said = run("export", source, "-o", target, *options)
    assert code == 1
    assert (sorted(target.parent.rglob("*")) if target.parent.is_dir() else []) == before
    (line,) = [line for line in said.err.splitlines() if not line.startswith("warning")]
    return line


@pytest.mark.parametrize("suffix", WRITTEN)
def test_operator_that_nobody_knows_is_named(run, tmp_path, source, suffix):
    model = onnx.load(source)
    model.graph.node[1].op_type = "Fizz"
    onnx.save(model, source)
    assert "Fizz" in refused(run, source, tmp_path / "target" / f"net{suffix}")


@pytest.mark.parametrize("suffix", [suffix for suffix in WRITTEN if suffix in (".tflite", ".param")])
def test_sizes_that_are_open_are_refused_where_a_format_has_none(run, tmp_path, source, suffix):
    shape = (1, 3, None, None)
    graph = Graph((Node("Relu", ("x",), ("y",)),), (Value("x", shape),), (Value("y", shape),), {})
    source.write_bytes(to_onnx(graph))
    assert "size=(H, W)" in refused(run, source, tmp_path / "target" / f"net{suffix}")


@pytest.mark.parametrize("suffix", FORMATS)
def test_missing_package_is_named_with_what_installs_it(run, tmp_path, source, suffix, monkeypatch):
    from underone.formats.executorch import environment

    monkeypatch.delenv("UNDERONE_EXECUTORCH", raising=False)
    for module in (read_back, environment):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    line = refused(run, source, tmp_path / "target" / f"net{suffix}")
    assert f"pip install 'underone[{FORMATS[suffix].extra}]'" in line


@pytest.mark.parametrize("suffix", WRITTEN)
def test_folder_that_takes_no_files_is_named(run, tmp_path, source, suffix):
    assert "does not exist; create it first" in refused(run, source, tmp_path / "none" / f"net{suffix}")
    (tmp_path / "target" / "file").write_text("no folder")
    line = refused(run, source, tmp_path / "target" / "file" / f"net{suffix}")
    assert "the folder" in line
    assert (tmp_path / "target" / "file").read_text() == "no folder"


@pytest.mark.parametrize("suffix", WRITTEN)
def test_folder_without_the_right_to_write_is_named(run, tmp_path, source, suffix, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    for name in ("mkstemp", "mkdtemp"):
        monkeypatch.setattr(f"tempfile.{name}", denied)
    assert "cannot be written: Permission denied" in refused(run, source, tmp_path / "target" / f"net{suffix}")


@pytest.mark.parametrize("suffix", WRITTEN)
def test_disk_that_is_full_leaves_nothing(run, tmp_path, source, suffix, monkeypatch):
    def full(path):
        raise OSError(28, "No space left on device")

    if FORMATS.get(suffix) and FORMATS[suffix].folder:

        def write(graph, path, *_):
            path.mkdir()
            (path / "half").write_text("half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(read_back, "FORMATS", {suffix: replace(FORMATS[suffix], write=write)})
    else:
        monkeypatch.setattr("underone.files._flush", full)
    assert "No space left on device" in refused(run, source, tmp_path / "target" / f"net{suffix}")


@pytest.mark.parametrize("suffix", [suffix for suffix in WRITTEN if suffix != ".mlpackage"])
def test_folder_of_that_name_is_left_alone(run, tmp_path, source, suffix):
    target = tmp_path / "target" / f"net{suffix}"
    target.mkdir()
    (target / "kept").write_text("mine")
    assert "cannot be written: it is a folder; name a file" in refused(run, source, target)
    assert (target / "kept").read_text() == "mine"

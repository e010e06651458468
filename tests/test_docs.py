"""The README is true: its Python runs as it stands, its commands exist, its paths exist."""

import re
import shlex
from pathlib import Path

import pytest

from underone.cli.app import app
from underone.image import photographs
from underone.weights import fetch_weights, find_weights

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language):
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [text for name, text in fenced if name == language]


@pytest.fixture
def trained_weights(fetched):
    return fetched("the trained weights", lambda: fetch_weights(find_weights("mobilenet_v2_100", "DEFAULT")))


def test_python_of_the_readme_runs(tmp_path, monkeypatch, capsys, trained_weights):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(photographs()[0].content)
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    out = capsys.readouterr().out
    assert "fold passed: mobilenet_v2_100" in out
    assert "giant panda" in out
    assert "median" in out


def test_commands_of_the_readme_are_understood():
    lines = [line for block in blocks("") for line in block.splitlines() if line.startswith("underone ")]
    assert len(lines) >= 8
    for line in lines:
        app.parse_args(shlex.split(line, comments=True)[1:], exit_on_error=False, print_error=False)


def test_paths_of_the_readme_exist():
    for path in re.findall(r"\]\(([^)h][^)]*)\)", README) + re.findall(r"`(tests/[^`]*)`", README):
        assert (ROOT / path).exists(), path


def test_architecture_names_every_folder_and_file_of_the_package():
    picture = (ROOT / "docs/architecture.md").read_text("utf-8")
    for item in (ROOT / "src/underone").iterdir():
        name = f"{item.name}/" if item.is_dir() else item.name
        if not name.startswith("_") and not name.endswith(".typed"):
            assert f"`{name}`" in picture, name

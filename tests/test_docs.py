"""The pages are true: the README's Python runs as it stands, commands, names and paths exist."""

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest

import underone as uo
from underone.cli.app import app
from underone.image import photographs
from underone.weights import fetch_weights, find_weights

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page_are_understood(page):
    lines = re.findall(r"^(?:    )?(underone .*)$", page.read_text("utf-8"), re.MULTILINE)
    assert len(lines) >= (10 if page.name == "README.md" else 0)
    for line in lines:
        app.parse_args(shlex.split(line, comments=True)[1:], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_of_a_page_names_what_there_is(page):
    for code in re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module)
                assert not [name.name for name in node.names if not hasattr(module, name.name)]
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "uo":
                assert hasattr(uo, node.attr), node.attr


def test_paths_of_the_readme_exist():
    for path in re.findall(r"\]\(([^)h][^)]*)\)", README) + re.findall(r"`(tests/[^`]*)`", README):
        assert (ROOT / path).exists(), path


def test_architecture_names_every_folder_and_file_of_the_package():
    picture = (ROOT / "docs/architecture.md").read_text("utf-8")
    for item in (ROOT / "src/underone").iterdir():
        name = f"{item.name}/" if item.is_dir() else item.name
        if not name.startswith("_") and not name.endswith(".typed"):
            assert f"`{name}`" in picture, name

"""Every `raise` of ours has a test that reads its text: the sources are searched, not run."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHORTEST = 14  # characters of a text that a test must repeat

# file and beginning of the text of raises that no test can reach, with the reason
UNREACHED: dict[str, str] = {}


def texts(node: ast.AST) -> Iterator[str]:
    """Give the literal pieces of a message."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def raises(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Give line and literal pieces of every error with a text of its own; what is raised again has none."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            pieces = [text for argument in node.exc.args for text in texts(argument)]
            if any(len(piece.strip()) >= 4 for piece in pieces):
                yield node.lineno, pieces


def read_by_tests() -> str:
    """Give every string of the tests, without the backslashes of patterns."""
    found = []
    for path in (ROOT / "tests").rglob("*.py"):
        if path != Path(__file__):
            found += texts(ast.parse(path.read_text("utf-8")))
    return "\n".join(found).replace("\\", "")


def is_read(pieces: list[str], tests: str) -> bool:
    """Whether a test repeats a stretch of one of the pieces."""
    for piece in pieces:
        length = min(SHORTEST, len(piece))
        if length >= 4 and any(piece[i : i + length] in tests for i in range(len(piece) - length + 1)):
            return True
    return False


def test_every_text_of_an_error_is_read_by_a_test():
    tests, missing = read_by_tests(), []
    for path in sorted((ROOT / "src/underone").rglob("*.py")):
        for line, pieces in raises(path):
            name = f"{path.relative_to(ROOT / 'src/underone')}: {max(pieces, key=len)[:40]}"
            if not is_read(pieces, tests) and name not in UNREACHED:
                missing.append(f"{name}  (line {line})")
    assert not missing, "no test reads:\n" + "\n".join(missing)


def test_what_is_not_reached_exists():
    names = {
        f"{path.relative_to(ROOT / 'src/underone')}: {max(pieces, key=len)[:40]}"
        for path in (ROOT / "src/underone").rglob("*.py")
        for _, pieces in raises(path)
    }
    assert set(UNREACHED) <= names

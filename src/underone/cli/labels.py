"""The class names of `--labels`."""

from pathlib import Path

from ..errors import BadFile


def read_labels(path: Path) -> list[str]:
    """Read a text file with the name of one class a line.

    Raises:
        BadFile: the file cannot be read, or is no text.
    """
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"{path} cannot be read as labels: {getattr(error, 'strerror', None) or error}") from error

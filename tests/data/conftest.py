"""Small data sets on disk."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def class_folder(tmp_path: Path) -> Path:
    """Two classes with three and two pictures, a hidden file and a text file."""
    root = tmp_path / "set"
    for name, count in (("b", 3), ("a", 2)):
        (root / name / "deep").mkdir(parents=True)
        for number in range(count):
            pixels = np.full((8, 9, 3), 20 * number + len(name), np.uint8)
            Image.fromarray(pixels).save(root / name / ("deep" if number == 1 else "") / f"{number}.png")
    (root / "a" / ".hidden.png").write_bytes(b"no picture")
    (root / "a" / "notes.txt").write_text("no picture")
    return root

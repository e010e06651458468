"""What tests of the commands share: a call, and a picture."""

import numpy as np
import pytest
from PIL import Image

from underone.cli import main


@pytest.fixture
def run(capsys):
    """Return a function (*words) -> (exit code, what was printed) that runs a command."""

    def call(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        return ended.value.code, capsys.readouterr()

    return call


@pytest.fixture
def picture(tmp_path):
    """Noise of 50 x 40 pixels as a file."""
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(path)
    return path

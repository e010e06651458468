"""A set of pictures that a small network can learn in seconds: the class is the colour."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

COUNTS = {"train": 24, "validation": 6, "test": 6}  # of each class


@pytest.fixture(scope="session")
def colours(tmp_path_factory) -> Path:
    root, generator = tmp_path_factory.mktemp("colours"), np.random.default_rng(0)
    for part, count in COUNTS.items():
        for index, name in enumerate(("blue", "green", "red")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 120, (40, 48, 3), np.uint8)
                pixels[..., 2 - index] += 100
                Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return root


@pytest.fixture
def tiny() -> dict[str, object]:
    """Changes that make a recipe a matter of seconds."""
    return {
        "model": "mobilenet_v2_035", "weights": None, "epochs": 3, "batch": 12, "size": 32, "lr": 0.02,
        "head_lr": 1.0, "ema": 0.8, "warmup_epochs": 0.5, "dropout": 0.2,
    }  # fmt: skip

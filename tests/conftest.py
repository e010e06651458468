"""Fixtures that several test files share."""

import sys

import pytest


@pytest.fixture(autouse=True)
def _seed_torch():
    """Start every test from one seed, whatever ran before it."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def randomize_statistics():
    """Return a function (model, seed=0, size=96) -> model that gives an untrained network batch-norm statistics.

    They are settled on a photograph and noise, so that activations stay near 1 and depend on the image.
    """
    import torch

    from underone.fold.trial import trial_inputs
    from underone.nn.statistics import randomize_statistics

    def randomize(model, seed=0, size=96):
        channels = next(m.in_channels for m in model.modules() if isinstance(m, torch.nn.Conv2d))
        images = torch.cat(list(trial_inputs(model, (channels, size, size)).values()))
        randomize_statistics(model, images, seed)
        return model

    return randomize

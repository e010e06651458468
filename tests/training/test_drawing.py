"""Plots of a run."""

import pytest

from underone.training import drawing


@pytest.mark.parametrize(("first", "top"), [(300.0, 4.6), (2.5, 2.51)])
def test_one_large_loss_does_not_flatten_the_curves(tmp_path, monkeypatch, first, top):
    figures = []
    monkeypatch.setattr(drawing, "_save", lambda figure, path: figures.append(figure))
    rows = [
        {"epoch": epoch, "train_loss": 2.3 / epoch, "val_loss": 2.0 / epoch, "train_top1": 1.0, "val_top1": 2.0}
        for epoch in (1, 2, 3)
    ]
    drawing.results(tmp_path / "results.png", [rows[0] | {"val_loss": first}, *rows[1:]], "top1")
    assert figures[0].axes[0].get_ylim()[1] == pytest.approx(top, rel=0.05)

"""Pictures side by side on one page."""

import numpy as np
import pytest

from underone.image.sheet import sheet


@pytest.mark.parametrize("shape", [(16, 32), (39, 78), (400, 800)])
def test_pictures_of_any_size_fill_their_place(shape):
    page = np.asarray(sheet([np.zeros((*shape, 3), np.uint8)], [""]))
    rows, columns = np.nonzero(page[:160].max(axis=2) < 128)
    assert page.shape == (182, 160, 3)
    assert (columns.min(), columns.max()) == (2, 157)
    assert (rows.min(), rows.max()) == (41, 118)

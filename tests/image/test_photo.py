"""The packaged photographs."""

import pytest

from underone.errors import UnknownName
from underone.image import photograph, photographs, read_image


def test_every_photograph_is_there_with_its_credit():
    found = photographs()
    assert len(found) == 6
    for photo in found:
        assert read_image(photo.content).shape[2] == 3
        assert photo.credit.endswith(("public domain", "CC0-1.0"))
        assert photo.source.startswith("https://")
        assert 0 <= photo.imagenet_index < 1000


def test_the_panda_comes_first():
    assert photograph().shape == (532, 800, 3)
    assert photographs()[0].imagenet_name == "giant panda"


def test_unknown_photographs_are_refused():
    with pytest.raises(UnknownName, match=r"unknown photograph 'panda\.jpg'. Did you mean 'giant_panda\.jpg'"):
        photograph("panda.jpg")

"""The error tree: one base class, natural built-ins, texts that help."""

import pytest

from underone import errors


def test_every_error_is_an_underone_error_and_a_builtin():
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.UnderOneError)]
    assert len(classes) == 11
    for kind in classes:
        assert kind.__doc__
        assert kind is errors.UnderOneError or len(kind.__mro__) > len(errors.UnderOneError.__mro__)


def test_unknown_name_offers_the_closest():
    error = errors.UnknownName("model", "mobileone_s5", ["mobileone_s4", "resnet"], "`underone list` shows all.")
    assert str(error) == "unknown model 'mobileone_s5'. Did you mean 'mobileone_s4'? `underone list` shows all."
    assert isinstance(error, KeyError)


def test_unknown_name_without_a_close_one_lists_the_known():
    assert str(errors.UnknownName("backend", "zzz", ["b", "a"])) == "unknown backend 'zzz'. Known: a, b."


def test_unknown_name_takes_what_is_no_text():
    assert str(errors.UnknownName("backend", None, ["b", "a"])) == "unknown backend None. Known: a, b."


def test_missing_extra_is_the_command():
    error = errors.MissingExtra("backend 'openvino'", "openvino", "openvino")
    assert str(error) == (
        "backend 'openvino' needs the package openvino; install it with: pip install 'underone[openvino]'"
    )
    with pytest.raises(ImportError):
        raise error

"""The measured ceiling is a possible one."""

import pytest

native = pytest.importorskip("underone._native", reason="the native part is not built")


@pytest.mark.parametrize("name", [name for name in native.isas() if name != "amx"])
def test_peak_is_that_of_registers(name):
    best = max(native.peak(name, 0.01) for _ in range(5))
    assert 1e9 < best < 1e12  # one core: from a phone's to 8 GHz with two multiply-adds of 16 lanes


def test_peak_refuses_what_it_cannot_measure():
    with pytest.raises(ValueError, match="no instruction set 'sse9' is built in"):
        native.peak("sse9", 0.01)
    with pytest.raises(ValueError, match="0 < seconds <= 60 is required"):
        native.peak(native.isas()[-1], 0.0)

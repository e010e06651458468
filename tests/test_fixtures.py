"""The fixtures that decide whether a test is skipped."""

import pytest

from underone.errors import FetchFailed


def gone():
    raise FetchFailed("no such host")


def test_what_cannot_be_fetched_is_skipped_at_home_and_fails_where_the_network_is_promised(fetched, monkeypatch):
    assert fetched("a number", lambda: 7) == 7
    monkeypatch.setenv("CI", "true")
    monkeypatch.delenv("UNDERONE_OFFLINE", raising=False)
    with pytest.raises(FetchFailed):
        fetched("it", gone)
    monkeypatch.setenv("UNDERONE_OFFLINE", "1")
    with pytest.raises(pytest.skip.Exception, match="it cannot be fetched: no such host"):
        fetched("it", gone)
    monkeypatch.delenv("UNDERONE_OFFLINE")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="it cannot be fetched: no such host"):
        fetched("it", gone)

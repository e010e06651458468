"""The Python that has executorch: it wants a torch of its own, so it may be another than this one."""

import shutil
import subprocess
import sys
from importlib.util import find_spec

from ... import settings
from ...errors import BadValue, MissingExtra, Unsupported

HOW = (
    "python3 -m venv executorch && executorch/bin/pip install 'underone[executorch]' && "
    "export UNDERONE_EXECUTORCH=$PWD/executorch/bin/python"
)


def executorch_python() -> str:
    """Give the path of the Python that UNDERONE_EXECUTORCH names, or of this one, where it has executorch.

    Raises:
        MissingExtra: it has none, and none is named.
        BadValue: there is no such program.
    """
    given = settings.executorch_python()
    if given is None:
        if find_spec("executorch") is None:
            hint = f"; or, beside this environment and its torch: {HOW}"
            raise MissingExtra("ExecuTorch (.pte)", "executorch", "executorch", hint)
        return sys.executable
    if shutil.which(given) is None:
        raise BadValue(
            f"UNDERONE_EXECUTORCH={str(given)!r} is no program; the path of a Python with executorch is required"
        )
    return str(given)


def executorch_version() -> str:
    """Give the version of executorch in that Python.

    Raises:
        Unsupported: it lacks executorch or this project; its last words are told.
        MissingExtra, BadValue: as `executorch_python`.
    """
    python = executorch_python()
    code = "import underone.graph; from importlib.metadata import version; print(version('executorch'))"
    try:
        asked = subprocess.run(
            [python, "-P", "-c", code], capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise Unsupported(f"{python} cannot make ExecuTorch programs: {error}") from error
    if asked.returncode:
        said = asked.stderr.split("\n")
        last = next((line for line in reversed(said) if line.strip()), "it ended without a word")
        raise Unsupported(f"{python} cannot make ExecuTorch programs: {last}")
    return asked.stdout.strip()

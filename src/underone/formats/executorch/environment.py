"""The Python that has executorch: it wants a torch of its own, so it may be another than this one."""

import sys
from importlib.util import find_spec

from ... import settings
from ...errors import BadValue, MissingExtra

HOW = (
    "python3 -m venv executorch && executorch/bin/pip install 'underone[executorch]' && "
    "export UNDERONE_EXECUTORCH=$PWD/executorch/bin/python"
)


def executorch_python() -> str:
    """Give the path of the Python that UNDERONE_EXECUTORCH names, or of this one, where it has executorch.

    Raises:
        MissingExtra: it has none, and none is named.
        BadValue: there is no such file.
    """
    given = settings.executorch_python()
    if given is None:
        if find_spec("executorch") is None:
            hint = f"; or, beside this environment and its torch: {HOW}"
            raise MissingExtra("ExecuTorch (.pte)", "executorch", "executorch", hint)
        return sys.executable
    if not given.is_file():
        raise BadValue(
            f"UNDERONE_EXECUTORCH={str(given)!r} is no file; the path of a Python with executorch is required"
        )
    return str(given)

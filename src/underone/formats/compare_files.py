"""verify: two files, or a file and a torch module, compared on the same inputs."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..compare import Verdict
from ..runtime import load
from .forms import Form, of_engine, of_module
from .parity import compare_forms, versions
from .probes import common_input, probes

if TYPE_CHECKING:
    from torch import nn


def verify(
    path: str | PathLike[str],
    against: "nn.Module | str | PathLike[str]",
    backend: str = "auto",
    against_backend: str = "auto",
) -> Verdict:
    """Compare a file with another, or with a torch module, on a photograph, noise, zeros and extremes.

    Args:
        path: file under test.
        against: the reference: a file or a torch module.
        backend: engine for `path`; see `load`.
        against_backend: engine for `against`, if that is a file.

    Returns:
        The verdict. A difference does not raise: ask `.passed`, or call `.require()`. Its limits are those of float16
        if one of the two calculates in float16.

    Raises:
        BadFile, UnknownName, MissingExtra, Unsupported: as `load`.
        ParityFailed: an output is NaN or infinite, or all zeros on one side only.
        ShapeError: the two have other numbers or shapes of inputs or outputs.
    """
    with load(path, backend=backend) as engine:
        if isinstance(against, str | PathLike):
            with load(against, backend=against_backend) as other:
                half = engine.precision != "float32" or other.precision != "float32"
                return _verdict(Path(path).name, of_engine(engine), Path(against).name, of_engine(other), half)
        from ..trace import trace  # torch is needed for torch models only

        reference = of_module(against, trace(against).spec)
        return _verdict(
            Path(path).name, of_engine(engine), reference.spec.name, reference, engine.precision != "float32"
        )


def _verdict(subject: str, form: Form, name: str, reference: Form, half: bool) -> Verdict:
    inputs = probes(common_input(reference.spec.input, form.spec.input))
    rows, notes = compare_forms(form, reference, inputs, "float16" if half else "float32")
    return Verdict(
        kind="verify",
        subject=f"{subject} by {form.by}",
        reference=f"{name} by {reference.by}",
        comparisons=tuple(rows),
        notes=tuple(notes),
        versions=versions([form, reference]),
    )

"""One network in the form that ships, with what was proven on the way."""

from dataclasses import dataclass
from pathlib import Path

from ..compare import Verdict
from ..spec import ModelSpec


@dataclass(frozen=True)
class Form:
    """A network folded and exported, with its proofs."""

    spec: ModelSpec
    path: Path
    certificate: Verdict
    export: Verdict

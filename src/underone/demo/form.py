"""One network in the form that ships, with what was proven on the way."""

from dataclasses import dataclass
from pathlib import Path

from ..compare import Verdict
from ..spec import ModelSpec


@dataclass(frozen=True)
class Form:
    """A network exported, with the proof."""

    spec: ModelSpec
    path: Path
    export: Verdict


@dataclass(frozen=True)
class FoldedForm(Form):
    """A network folded here, with the proof of that too."""

    certificate: Verdict

"""What a conversion gave."""

from typing import Literal

from ..compare import Verdict
from ..spec import Frozen, ModelSpec
from ..weights import Row


class Conversion(Frozen):
    """What was read and what was written.

    Attributes:
        source: the given file.
        format: of that file.
        road: ``zoo``: its weights went into a network of ours; ``graph``: its own network was taken over.
        layout: whose tensor names it had; None for a graph.
        form: ``training`` or ``folded``, as found; None for a graph.
        output: the written file.
        spec: what the network is, preparation and origin included.
        rows: every tensor that was read, in our order: its name in the file, ours, the change of its axes, its shape.
        notes: sentences about what was left out, completed or assumed, and why.
        parity: the network of ours against the file's own network, on the same pictures; None where there is one road.
        verdict: the proof of the written network; None when only weights were written.
    """

    source: str
    format: str
    road: Literal["zoo", "graph"]
    layout: str | None = None
    form: Literal["training", "folded"] | None = None
    output: str
    spec: ModelSpec
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    parity: Verdict | None = None
    verdict: Verdict | None = None

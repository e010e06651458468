"""A network quantised with these or those remedies."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np

from ..errors import BadValue, UnknownName
from ..graph import Graph
from .calibrate import Observed, observe
from .equalization import equalize
from .layers import Layer, gate_nodes, layers_of, quantized_tensors
from .pictures import Calibration
from .ranges import METHODS
from .scheme import Scheme
from .walk import Walk, plain_weights

REMEDIES = ("equalization", "bias", "rounding", "clipping")  # in the order in which they are applied
USUAL_REMEDIES = REMEDIES[:2]  # seconds; the others take minutes
_WALKED = 48  # pictures of 224 × 224 that go through the network layer by layer; of larger ones fewer, for the memory
_FEWEST = 8

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Stage:
    """What came of some remedies.

    Attributes:
        graph: the float32 network that the scheme is for; equalised, where that is among the remedies.
        scheme: its quantisation.
        layers: that are quantised.
        owners: by quantised tensor, the tensor whose range it has.
        seen: what the float32 network showed on the calibration pictures.
    """

    graph: Graph
    scheme: Scheme
    layers: tuple[Layer, ...]
    owners: dict[str, str]
    seen: dict[str, Observed]


@dataclass
class Quantizer:
    """One network with its calibration pictures.

    Attributes:
        graph: in its float form.
        pictures: to learn from.
        calibration: how ranges are found, a name of `METHODS`.
        threads: of the engine.
        progress: told (what, done, total).
    """

    graph: Graph
    pictures: Calibration
    calibration: str
    threads: int
    progress: Progress
    equalized: Graph | None = None
    seen: dict[str, dict[str, Observed]] = field(default_factory=dict)
    stages: dict[tuple[tuple[str, ...], tuple[str, ...]], Stage] = field(default_factory=dict)

    def stage(self, remedies: Collection[str], keep: Collection[str] = ()) -> Stage:
        """Quantise, once for each choice.

        Args:
            remedies: names of `REMEDIES`.
            keep: names of layers that stay in float32.

        Raises:
            UnknownName: no such remedy, layer or calibration.
            BadValue: an activation is NaN or infinite.
        """
        chosen = tuple(remedies), tuple(keep)
        if chosen not in self.stages:
            self.stages[chosen] = self._stage(*chosen)
        return self.stages[chosen]

    def _stage(self, remedies: Collection[str], keep: Collection[str]) -> Stage:
        for name in remedies:
            if name not in REMEDIES:
                raise UnknownName("remedy", name, REMEDIES)
        if self.calibration not in METHODS:
            raise UnknownName("calibration", self.calibration, METHODS)
        chosen_layers(self.graph, keep)  # says what is wrong before any picture is looked at
        even = "equalization" in remedies
        graph = self.even_graph() if even else self.graph
        layers = chosen_layers(graph, keep)
        owners = quantized_tensors(graph, layers)
        seen = self.observed("equalised" if even else "as it is", graph)
        spans = {owner: METHODS[self.calibration](seen[owner]) for owner in set(owners.values())}
        ranges = {name: spans[owner] for name, owner in owners.items()}
        scheme = Scheme(ranges, {layer.output: plain_weights(graph, layer) for layer in layers})
        if set(remedies) - {"equalization"}:
            walk = Walk(graph, scheme, owners, remedies, self.threads)
            pictures = self.pictures.batch(self.walked)
            scheme = walk.scheme(pictures, lambda n, of: self.progress("layers", n, of))
        return Stage(graph, scheme, tuple(layers), owners, seen)

    @property
    def walked(self) -> int:
        """How many pictures go through the network layer by layer."""
        height, width = self.pictures.size
        return int(np.clip(_WALKED * 224 * 224 // (height * width), _FEWEST, _WALKED))

    def even_graph(self) -> Graph:
        """Equalise the network, once."""
        if self.equalized is None:
            self.equalized = equalize(self.graph, self.observed("as it is", self.graph))
        return self.equalized

    def observed(self, form: str, graph: Graph) -> dict[str, Observed]:
        """Look at every tensor that may be quantised, once for each form of the network."""
        if form not in self.seen:
            names = set(quantized_tensors(graph, layers_of(graph)))
            self.seen[form] = observe(
                graph, names, self.pictures, self.threads, lambda n, of: self.progress(f"network {form}", n, of)
            )
        return self.seen[form]


def chosen_layers(graph: Graph, keep: Collection[str]) -> list[Layer]:
    """List the layers that are quantised.

    Raises:
        UnknownName: a layer that is to stay in float32 does not exist.
        BadValue: no layer is left.
    """
    gates = gate_nodes(graph)
    layers = [layer for layer in layers_of(graph) if layer.output not in gates]
    for name in keep:
        if name not in {layer.name for layer in layers}:
            raise UnknownName("layer", name, [layer.name for layer in layers])
    left = [layer for layer in layers if layer.name not in keep]
    if not left:
        raise BadValue(f"{graph.spec.name!r}: none of {len(layers)} layers is left to quantise; keep fewer in float32")
    return left

"""Profile: where the time of one network goes, layer by layer."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Layer:
    """One step of an engine.

    Attributes:
        name: of its first node.
        op: what it does; ``chain``: convolutions that are computed together.
        nodes: names of the nodes of the network that it computes.
        ms: the least time of all rounds.
        macs: multiply-accumulates.
        bytes_moved: weights and tensors that it reads and writes, as the network has them.
    """

    name: str
    op: str
    nodes: tuple[str, ...]
    ms: float
    macs: int
    bytes_moved: int

    @property
    def gflops(self) -> float:
        """Give 10^9 operations a second, two for each multiply-accumulate."""
        return 2e-6 * self.macs / self.ms if self.ms else 0.0


@dataclass(frozen=True)
class Profile:
    """The layers of a network, in order.

    Attributes:
        layers: one for each step.
        ceiling: float32 operations a second of the threads together, measured with multiply-adds in registers.
            bfloat16 on matrix tiles may go beyond it.
        title: network, engine, threads and precision.
    """

    layers: tuple[Layer, ...]
    ceiling: float
    title: str = ""

    @property
    def ms(self) -> float:
        """Give the sum of all layers."""
        return sum(layer.ms for layer in self.layers)

    @property
    def gflops(self) -> float:
        """Give 10^9 operations a second of the whole network."""
        return 2e-6 * sum(layer.macs for layer in self.layers) / self.ms if self.ms else 0.0

    def share(self, layer: Layer) -> float:
        """Give the part of the network's time that a layer takes."""
        return layer.ms / (self.ms or 1)

    def of_ceiling(self, part: "Layer | Profile") -> float:
        """Give the rate of a layer, or of all, by the ceiling."""
        return 1e9 * part.gflops / (self.ceiling or 1)

    def to_json(self) -> str:
        """Write everything, and what follows from it."""
        layers = [
            _row(layer) | {"share": self.share(layer), "of_ceiling": self.of_ceiling(layer)} for layer in self.layers
        ]
        whole = {"ms": self.ms, "gflops": self.gflops, "ceiling_gflops": self.ceiling / 1e9}
        return json.dumps({"title": self.title} | whole | {"of_ceiling": self.of_ceiling(self), "layers": layers})

    def __str__(self) -> str:
        head = f"{'layer':<40} {'op':<10} {'ms':>8} {'share':>6} {'MMAC':>8} {'MB':>7} {'GFLOP/s':>8} {'of peak':>8}"
        return "\n".join([head, *map(self._line, self.layers), f"{'sum':<51} {self.ms:8.3f}"])

    def _line(self, layer: Layer) -> str:
        return (
            f"{layer.name[:40]:<40} {layer.op[:10]:<10} {layer.ms:8.3f} {self.share(layer):6.1%} "
            f"{layer.macs / 1e6:8.1f} {layer.bytes_moved / 1e6:7.2f} {layer.gflops:8.1f} {self.of_ceiling(layer):8.0%}"
        )


def _row(layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "op": layer.op,
        "nodes": layer.nodes,
        "ms": layer.ms,
        "macs": layer.macs,
        "bytes_moved": layer.bytes_moved,
        "gflops": layer.gflops,
    }

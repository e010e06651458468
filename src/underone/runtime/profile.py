"""Profile: where the time of one network goes, layer by layer."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """One step of an engine.

    Attributes:
        name: of its first node.
        op: what it does; ``chain``: convolutions that are computed together.
        nodes: names of the nodes of the network that it computes.
        ms: the least time of all rounds.
        macs: multiply-accumulates.
        bytes_moved: weights and tensors that it reads and writes, counted as float32.
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
    """

    layers: tuple[Layer, ...]
    ceiling: float

    @property
    def ms(self) -> float:
        """Give the sum of all layers."""
        return sum(layer.ms for layer in self.layers)

    def __str__(self) -> str:
        head = f"{'layer':<40} {'op':<10} {'ms':>8} {'share':>6} {'MMAC':>8} {'MB':>7} {'GFLOP/s':>8} {'of peak':>8}"
        return "\n".join([head, *map(self._line, self.layers), f"{'sum':<51} {self.ms:8.3f}"])

    def _line(self, layer: Layer) -> str:
        share, peak = layer.ms / (self.ms or 1), 1e9 * layer.gflops / (self.ceiling or 1)
        return (
            f"{layer.name[:40]:<40} {layer.op[:10]:<10} {layer.ms:8.3f} {share:6.1%} {layer.macs / 1e6:8.1f} "
            f"{layer.bytes_moved / 1e6:7.2f} {layer.gflops:8.1f} {peak:8.0%}"
        )

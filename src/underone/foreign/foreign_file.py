"""ForeignFile: what every reader of another framework's file gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ..errors import Unsupported
from ..graph import Array, Graph
from ..spec import Preparation

Quantised = Literal["dequantised", "kept"]


@dataclass(frozen=True)
class Cut:
    """Which network of a file is wanted.

    Attributes:
        inputs: names of the tensors that are given; () for the file's own.
        outputs: names of the tensors that are wanted; () for the file's own.
        quantised: what becomes of a quantised network: ``dequantised``: float weights, no rounding, the clamps of the
            quantised ranges kept; ``kept``: every tensor is rounded where the file rounds it, convolutions in whole
            numbers. Float networks are the same in both.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    quantised: Quantised = "dequantised"


class Network(NamedTuple):
    """A network that was read.

    Attributes:
        graph: runnable. A picture input, rank 4 with 1, 3 or 4 channels, is (N, C, H, W); every other input and every
            output has the source's name, shape and layout.
        notes: sentences about what was left out or assumed, and why.
    """

    graph: Graph
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ForeignFile:
    """A file of another framework, as far as it is read without that framework.

    Attributes:
        where: its name, for messages.
        format: "TFLite", "TensorFlow frozen graph", "TensorFlow checkpoint", "Keras", "Caffe", …
        tensors: arrays by the source's names, in the source's layout and dtype.
        labels: class names by index of the output, where the file holds them.
        preparation: of the picture input, where the file says it.
        notes: sentences about what was left out of `tensors`, and why.
        build: makes the network; None in a file of weights only.
    """

    where: str
    format: str
    tensors: Mapping[str, Array]
    labels: tuple[str, ...] | None = None
    preparation: Preparation | None = None
    notes: tuple[str, ...] = ()
    build: Callable[[Cut], Network] | None = field(default=None, repr=False)

    def network(
        self,
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = (),
        quantised: Quantised = "dequantised",
    ) -> Network:
        """Give the file's network, or the part of it between named tensors.

        Args:
            inputs: as in `Cut`.
            outputs: as in `Cut`.
            quantised: as in `Cut`.

        Raises:
            Unsupported: the file holds weights only, or an operator is not implemented.
            BadFile: the network is damaged.
            UnknownName: no tensor has that name.
        """
        if self.build is None:
            raise Unsupported(
                f"{self.where} ({self.format}) holds weights and no network; "
                "name the network they belong to (convert --to NAME)"
            )
        return self.build(Cut(tuple(inputs), tuple(outputs), quantised))

    def graph(
        self,
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = (),
        quantised: Quantised = "dequantised",
    ) -> Graph:
        """Give the graph of `network`."""
        return self.network(inputs, outputs, quantised).graph

"""An ncnn model while it is written: layers, each with its settings and weights.

ncnn runs one picture at a time, so its blobs have no first axis: (C, H, W), (H, W) or (W,).

Source: docs/developer-guide/param-and-model-file-structure.md and operators.md of ncnn 20261020.
"""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...graph import Array, TensorType

Setting = int | float | tuple[int | float, ...]
_MAGIC = 7767517
IN_HALF = 0x01306B47
_FLOAT32, _FLOAT16 = b"\0\0\0\0", IN_HALF.to_bytes(4, "little")  # tags in front of weights
_ARRAY = -23300  # minus the number of a setting: its value is a list


@dataclass(frozen=True)
class Layer:
    """One line of a .param file, and what it has in the .bin file."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: Mapping[int, Setting]
    weights: tuple[bytes, ...] = ()

    def __str__(self) -> str:
        words = [self.kind, self.name, str(len(self.inputs)), str(len(self.outputs)), *self.inputs, *self.outputs]
        return " ".join([*words, *(_setting(number, value) for number, value in self.settings.items())])


class Model:
    """Collects the layers.

    Attributes:
        types: of all tensors of the graph, with their first axis.
        constants: of the graph.
        half: weights of products are stored in float16.
        alone: names of tensors that one node reads.
        outputs: names of tensors that the caller reads.
        layers: so far.
    """

    def __init__(
        self,
        types: Mapping[str, TensorType],
        constants: Mapping[str, Array],
        half: bool,
        alone: Container[str],
        outputs: Container[str],
    ) -> None:
        self.types, self.constants, self.half, self.alone, self.outputs = types, constants, half, alone, outputs
        self.layers: list[Layer] = []
        self.makers: dict[str, int] = {}

    def add(
        self,
        kind: str,
        inputs: Sequence[str],
        output: str,
        settings: Mapping[int, Setting],
        weights: Sequence[bytes] = (),
    ) -> str:
        """Add a layer; give the name of its result."""
        self.makers[output] = len(self.layers)
        self.layers.append(Layer(kind, output, tuple(inputs), (output,), settings, tuple(weights)))
        return output

    def maker(self, blob: str) -> Layer | None:
        """Give the layer that makes a blob; None: no layer does, it is a constant."""
        number = self.makers.get(blob)
        return None if number is None else self.layers[number]

    def change(self, blob: str, output: str, settings: Mapping[int, Setting]) -> None:
        """Give the layer that makes a blob further settings, and its result another name."""
        number = self.makers[output] = self.makers.pop(blob)
        layer = self.layers[number]
        self.layers[number] = replace(layer, name=output, outputs=(output,), settings={**layer.settings, **settings})

    def product(self, weight: Array) -> bytes:
        """Give the weights of a convolution or a matrix product as they are stored."""
        if not self.half:
            return _FLOAT32 + raw(weight)
        content = weight.astype("<f2").tobytes()
        return _FLOAT16 + content + bytes(-len(content) % 4)

    def text(self) -> str:
        """Write the .param file."""
        layers = with_splits(self.layers, self.outputs)
        blobs = sum(len(layer.outputs) for layer in layers)
        return "\n".join([str(_MAGIC), f"{len(layers)} {blobs}", *map(str, layers), ""])

    def content(self) -> bytes:
        """Write the .bin file."""
        return b"".join(part for layer in self.layers for part in layer.weights)


def raw(values: Array) -> bytes:
    """Give numbers as biases and constants are stored: float32, without a tag."""
    return values.astype("<f4").tobytes()


def with_splits(layers: Sequence[Layer], outputs: Container[str]) -> list[Layer]:
    """Let a Split stand behind every blob that is read more than once: ncnn frees a blob after its only reader.

    Args:
        layers: in execution order.
        outputs: names of blobs that the caller reads.
    """
    counts = Counter(name for layer in layers for name in layer.inputs)
    shared = {name for name, count in counts.items() if count > 1 or name in outputs}
    used, found = Counter[str](), list[Layer]()
    for layer in layers:
        inputs = []
        for name in layer.inputs:
            inputs.append(f"{name}_split{used[name]}" if name in shared else name)
            used[name] += 1
        (made,) = layer.outputs
        whole = f"{made}_split" if made in shared and made in outputs else made
        found.append(replace(layer, inputs=tuple(inputs), outputs=(whole,)))
        if made in shared:
            ends = (made,) if made in outputs else ()
            copies = tuple(f"{made}_split{i}" for i in range(counts[made]))
            found.append(Layer("Split", f"{made}_split", (whole,), (*ends, *copies), {}))
    return found


def _setting(number: int, value: Setting) -> str:
    if isinstance(value, tuple):
        return f"{_ARRAY - number}={','.join(map(_number, (len(value), *value)))}"
    return f"{number}={_number(value)}"


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    limit = float(np.finfo(np.float32).max)
    return f"{min(max(value, -limit), limit):.8e}"  # a point or an e tells ncnn that it is no whole number

"""Layout: one way to name and to store the tensors of one family of networks."""

from dataclasses import dataclass
from typing import Literal

from ..spec import Preparation
from .rename import Rule

Form = Literal["training", "folded"]
Family = Literal["mobileone", "mobilenet_v1", "mobilenet_v2", "efficientnet_lite"]


@dataclass(frozen=True)
class Layout:
    """One way to name and to store the tensors of one family of networks.

    Attributes:
        source: who writes it.
        family: the networks it is for.
        form: what the names are of.
        marker: names that no other layout has together.
        rules: from its names to ours; none: they are ours.
        prefix: regular expression of what may stand before every name.
        arrays: the order of the axes, a key of `AXES`.
        padding: rule of its strided convolutions.
        bn_eps: epsilon of its batch norms.
        classes: logits of its ImageNet classifiers; 1001 with a background class in front.
        preparation: of pictures for its ImageNet weights; None where the file says.
        picture: tensors in the source's own network that hold the prepared picture, where the network prepares it.
        logits: tensors in the source's own network that hold the logits, where the network goes on behind them.
        others: what becomes of names that fit no rule: they are a fault, or left out and listed.
        name: of the network in our table, with {} for that of its backbone: a detector's or segmenter's.
        output_stride: of a segmenter whose file does not say it.
        note: a sentence about what is assumed of such a network, because weights alone do not say it.
    """

    source: str
    family: Family
    form: Form
    marker: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    prefix: str = ""
    arrays: Literal["torch", "tensorflow"] = "torch"
    padding: Literal["symmetric", "tf_same", "keras"] = "symmetric"
    bn_eps: float = 1e-5
    classes: int = 1000
    preparation: Preparation | None = None
    picture: tuple[str, ...] = ()
    logits: tuple[str, ...] = ()
    others: Literal["fault", "left out"] = "fault"
    name: str = "{}"
    output_stride: Literal[8, 16] = 16
    note: str = ""

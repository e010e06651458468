"""What the MobileNets have in common: their two forms, the check of what is asked for, and fresh weights."""

from collections.abc import Callable, Sequence

from torch import nn

from ..errors import BadValue
from ..nn.conv_norm_act import ConvNormAct, folded_conv_act

FORMS: dict[str, Callable[..., nn.Module]] = {"training": ConvNormAct, "folded": folded_conv_act}


def check_form(width: float, form: str, channels: Sequence[int] | None, count: int) -> None:
    """Do nothing when the width is above 0, the form exists, and there are `count` channels, or none.

    Raises:
        BadValue: otherwise.
    """
    if not width > 0:
        raise BadValue(f"width={width}; a number above 0 is required")
    if form not in FORMS:
        raise BadValue(f"form={form!r}; one of {', '.join(map(repr, FORMS))} is required")
    if channels is not None and (len(channels) != count or min(channels) < 1):
        raise BadValue(f"channels={tuple(channels)}; {count} whole numbers, each 1 or more, are required")


def initialize(backbone: nn.Module) -> None:
    """Give every convolution fresh weights, as torchvision does."""
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            if module.bias is not None:
                nn.init.zeros_(module.bias)

"""The images that a certificate is made on: a real photograph and noise, in the shape that the network takes."""

from typing import Any

import torch
from torch import Tensor, nn

from ..errors import BadValue
from ..image import photograph, prepare
from ..spec import IMAGENET_PREPARATION, InputSpec
from ..trace import spec_of

SIZE = 224  # pixels, where the network takes any
SEED = 0


def trial_inputs(model: nn.Module, input_shape: tuple[int, int, int] | None = None) -> dict[str, Tensor]:
    """Return a photograph and noise, each (1, C, H, W), in the dtype and on the device of the model.

    Args:
        model: a network of ours with a spec, one of timm, or any other whose first layers hold a convolution.
        input_shape: (C, H, W), where the network does not tell.

    Raises:
        BadValue: the shape cannot be told.
    """
    like = next(model.parameters())
    channels, height, width = input_shape or _shape(model)
    photo = torch.from_numpy(_photo(model, channels, height, width))
    noise = torch.randn((1, channels, height, width), generator=torch.Generator().manual_seed(SEED))
    return {"photo": photo.to(like), "noise": noise.to(like)}


def _shape(model: nn.Module) -> tuple[int, int, int]:
    spec = spec_of(model)
    if spec.inputs:
        _, channels, *_ = spec.input.shape
        return channels or 3, spec.input.size[0] or SIZE, spec.input.size[1] or SIZE
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            return layer.in_channels, SIZE, SIZE
    raise BadValue("the model has no spec and no convolution; pass input_shape=(channels, height, width) of its image")


def _photo(model: nn.Module, channels: int, height: int, width: int) -> Any:
    spec = spec_of(model)
    how = spec.input.preparation if spec.inputs else None
    if how is None or channels not in (1, 3):
        how = IMAGENET_PREPARATION
    planes = 1 if how.color == "GRAY" else 3
    image = prepare(photograph(), InputSpec(shape=(None, planes, height, width), preparation=how))
    return image[:, [c % planes for c in range(channels)]]  # (1, channels, H, W): colours in turn

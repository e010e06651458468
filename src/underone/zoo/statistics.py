"""Batch-norm statistics of the packaged photographs, for networks of the zoo with random weights."""

from typing import cast

import torch
from torch import nn

from ..image import photographs, prepare
from ..nn.statistics import randomize_statistics
from ..spec import ModelSpec


def settle_statistics(model: nn.Module, size: tuple[int, int] | None = None) -> None:
    """Give the batch norms of a network with random weights the statistics of the packaged photographs.

    Of two pictures, a batch norm on the mean of a map, as segmenters have, sees two values: it amplifies rounding.

    Args:
        model: of the zoo, with its spec; changed in place.
        size: (height, width), for a network that takes any; None: what its preparation says.
    """
    spec = cast(ModelSpec, model.spec)
    batch = [torch.from_numpy(prepare(photo.content, spec.input, size)) for photo in photographs()]
    randomize_statistics(model, torch.cat(batch))

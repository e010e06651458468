"""The classifier: a backbone, the mean of its last map, a linear layer."""

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import BadValue


class Classifier(nn.Module):
    """Class scores from a backbone's last feature.

    Args:
        backbone: gives feature maps by name and lists them as `features`.
        num_classes: 1 or more.
        dropout: share of the means that training leaves out.

    Raises:
        BadValue: num_classes is no whole number, or below 1.
    """

    def __init__(self, backbone: nn.Module, num_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        if not isinstance(num_classes, int) or num_classes < 1:
            raise BadValue(
                f"num_classes={num_classes!r}; a whole number, 1 or more, is required; "
                "for a network without classifier pass features_only=True"
            )
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(backbone.features[-1].channels, num_classes)  # type: ignore[union-attr,index]

    def forward(self, image: Tensor) -> Tensor:
        """Map an image (N, C, H, W) to logits (N, num_classes)."""
        *_, last = self.backbone(image).values()
        means = F.adaptive_avg_pool2d(last, 1).flatten(1)  # (N, channels)
        logits: Tensor = self.head(self.dropout(means))
        return logits

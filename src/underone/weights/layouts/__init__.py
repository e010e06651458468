"""The key maps: how each source names the tensors of our networks, one file for each source."""

from ..layout import Layout
from . import (
    apple,
    efficientnet_pytorch,
    hugging_face,
    keras,
    mmpretrain,
    object_detection,
    own,
    tensorflow,
    tensorflow_deeplab,
    timm,
    torchvision,
)

__all__ = ["LAYOUTS"]

# The first whose marker fits is taken
LAYOUTS: tuple[Layout, ...] = (
    *own.LAYOUTS,
    *apple.LAYOUTS,
    *timm.LAYOUTS,
    *mmpretrain.LAYOUTS,
    *torchvision.LAYOUTS,
    *hugging_face.LAYOUTS,
    *efficientnet_pytorch.LAYOUTS,
    *object_detection.LAYOUTS,
    *tensorflow_deeplab.LAYOUTS,
    *tensorflow.LAYOUTS,
    *keras.LAYOUTS,
)

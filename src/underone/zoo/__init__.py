"""The zoo: models by name, with random weights, trained ones by tag, or those of a file. Listing needs no torch."""

from ..weights import save_weights
from .create import create_model
from .from_weights import coco_labels, imagenet_labels
from .listing import ModelInfo, WeightsInfo, list_models, model_info

__all__ = [
    "ModelInfo",
    "WeightsInfo",
    "coco_labels",
    "create_model",
    "imagenet_labels",
    "list_models",
    "model_info",
    "save_weights",
]

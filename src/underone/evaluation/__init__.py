"""How right a network is: any callable on arrays, on pictures with known answers."""

from .classification import ClassScore, score_classes
from .evaluate import evaluate

__all__ = ["ClassScore", "evaluate", "score_classes"]

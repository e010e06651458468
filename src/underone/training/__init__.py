"""Recipes, and the one loop that runs them."""

from .recipe import Recipe
from .recipes import RECIPES, recipe_of
from .result import TrainingResult
from .run import train

__all__ = ["RECIPES", "Recipe", "TrainingResult", "recipe_of", "train"]

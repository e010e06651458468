"""Recipes, and the one loop that runs them."""

from .recipe import Recipe
from .recipes import RECIPES, recipe_of
from .run import TrainingResult, train

__all__ = ["RECIPES", "Recipe", "TrainingResult", "recipe_of", "train"]

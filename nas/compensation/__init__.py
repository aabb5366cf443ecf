"""Closed-form compensation: the rest of a sub-network makes up for what it lacks."""

from nas.compensation.biases import add_output_biases
from nas.compensation.compensator import Compensator, compensate
from nas.compensation.options import Compensation
from nas.compensation.recipe import Recipe, recipe_of, weights_of

__all__ = [
    "Compensation",
    "Compensator",
    "Recipe",
    "add_output_biases",
    "compensate",
    "recipe_of",
    "weights_of",
]

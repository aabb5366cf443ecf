"""The one error of this package."""

from __future__ import annotations


class SpaceError(ValueError):
    """A dimension, configuration or space is not legal for the model."""

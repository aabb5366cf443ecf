"""Importance methods by name."""

from __future__ import annotations

from typing import Final

from nas.importance.activations import BlockInfluence, Minitron
from nas.importance.base import Importance
from nas.importance.gradients import FisherMask
from nas.importance.weights import Magnitude, RandomImportance
from nas.names import entry

_METHODS: Final = {
    method.name: method
    for method in (Magnitude(), Minitron(), FisherMask(), BlockInfluence(), RandomImportance())
}


def importance_of(name: str) -> Importance:
    """The method of a name.

    Raises:
        ConfigError: there is none.
    """
    return entry(_METHODS, name, "importance")


def known_importances() -> tuple[str, ...]:
    """Names of all methods."""
    return tuple(_METHODS)

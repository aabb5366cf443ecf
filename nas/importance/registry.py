"""Importance methods by name."""

from __future__ import annotations

import difflib
from typing import Final

from nas.errors import ConfigError
from nas.importance.activations import BlockInfluence, Minitron
from nas.importance.base import Importance
from nas.importance.gradients import FisherMask
from nas.importance.weights import Magnitude, RandomImportance

_METHODS: Final = {
    method.name: method
    for method in (Magnitude(), Minitron(), FisherMask(), BlockInfluence(), RandomImportance())
}


def importance_of(name: str) -> Importance:
    """The method of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in _METHODS:
        near = difflib.get_close_matches(name, _METHODS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"unknown importance {name!r}; allowed are {', '.join(known_importances())}{hint}")
    return _METHODS[name]


def known_importances() -> tuple[str, ...]:
    """Names of all methods."""
    return tuple(_METHODS)

"""Importance methods by name."""

from __future__ import annotations

from typing import Final

from nas.importance.activations import BlockInfluence, Contribution, Minitron
from nas.importance.base import Importance
from nas.importance.fluctuations import Flap, Gblm, WandaSp
from nas.importance.masks import FisherDiagonal, FisherMask, TaylorMask
from nas.importance.policies import AlternatePolicy, BottomPolicy, SymmetricPolicy, TopPolicy
from nas.importance.removal import FinerCut, PerplexityDrop
from nas.importance.taylor import TaylorFirst, TaylorVector
from nas.importance.weights import Lamp, MagnitudeL1, MagnitudeL2, RandomImportance
from nas.importance.windows import AngularWindow, CosineWindow
from nas.names import entry

_METHODS: Final[dict[str, Importance]] = {
    method.name: method
    for method in (
        MagnitudeL1(),
        MagnitudeL2(),
        Lamp(),
        Minitron(),
        Flap(),
        WandaSp(),
        Gblm(),
        TaylorFirst(),
        TaylorVector(),
        TaylorMask(),
        FisherDiagonal(),
        FisherMask(),
        BlockInfluence(),
        Contribution(),
        AngularWindow(),
        CosineWindow(),
        PerplexityDrop(),
        FinerCut(),
        TopPolicy(),
        BottomPolicy(),
        AlternatePolicy(),
        SymmetricPolicy(),
        RandomImportance(),
    )
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

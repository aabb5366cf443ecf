"""Pareto dominance, fronts, hypervolume, ties, attainment and knee; every value is minimised.

A point dominates another if it is nowhere worse and somewhere better. Equal points do not dominate
each other: all copies of a non-dominated point are kept. See docs/pareto.md.
"""

from __future__ import annotations

from nas.pareto.attainment import attained_by, attainment_surface
from nas.pareto.dominance import dominates, non_dominated
from nas.pareto.front import Front, GrowingHypervolume
from nas.pareto.knees import knee
from nas.pareto.points import Array, Points
from nas.pareto.ties import TieFront, dominates_up_to_ties, non_dominated_up_to_ties
from nas.pareto.volume import contribution, contributions, hypervolume

__all__ = [
    "Array",
    "Front",
    "GrowingHypervolume",
    "Points",
    "TieFront",
    "attained_by",
    "attainment_surface",
    "contribution",
    "contributions",
    "dominates",
    "dominates_up_to_ties",
    "hypervolume",
    "knee",
    "non_dominated",
    "non_dominated_up_to_ties",
]

"""Which units matter: one small object a method, and the permutation that sorts by them."""

from nas.importance.base import CalibrationBatch, Cost, Importance, Scores
from nas.importance.ranking import Ranking, methods_by_axis, rank_units, score_units, scoring_cost
from nas.importance.registry import importance_of, known_importances

__all__ = [
    "CalibrationBatch",
    "Cost",
    "Importance",
    "Ranking",
    "Scores",
    "importance_of",
    "known_importances",
    "methods_by_axis",
    "rank_units",
    "score_units",
    "scoring_cost",
]

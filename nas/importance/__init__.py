"""Which units matter: one small object a method, and the permutation that sorts by them."""

from nas.importance.base import CalibrationBatch, Importance, Scores
from nas.importance.ranking import Ranking, rank_units
from nas.importance.registry import importance_of, known_importances

__all__ = [
    "CalibrationBatch",
    "Importance",
    "Ranking",
    "Scores",
    "importance_of",
    "known_importances",
    "rank_units",
]

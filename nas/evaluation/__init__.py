"""Evaluating a sub-network: its quality on data, its latency on a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas._lazy import lazy

if TYPE_CHECKING:
    from nas.evaluation.dataset import DatasetEvaluator
    from nas.evaluation.evaluator import Evaluator, Quality
    from nas.evaluation.latency import LatencyEvaluation, LatencyResult, shape_key
    from nas.evaluation.latency_worker import LatencyWorker
    from nas.evaluation.lm_eval import LmEvalEvaluator, evaluate_folder, evaluate_model
    from nas.evaluation.outcome import Outcome
    from nas.evaluation.score import ScoreEvaluator, checked_metrics
    from nas.evaluation.skeleton import Skeleton, arrays_of, assemble, shared_weights, skeleton_of
    from nas.evaluation.target import Target

# What reads studies needs `Target` alone, and no torch.
_MODULES = {
    "nas.evaluation.dataset": ("DatasetEvaluator",),
    "nas.evaluation.evaluator": ("Evaluator", "Quality"),
    "nas.evaluation.latency": ("LatencyEvaluation", "LatencyResult", "shape_key"),
    "nas.evaluation.latency_worker": ("LatencyWorker",),
    "nas.evaluation.lm_eval": ("LmEvalEvaluator", "evaluate_folder", "evaluate_model"),
    "nas.evaluation.outcome": ("Outcome",),
    "nas.evaluation.score": ("ScoreEvaluator", "checked_metrics"),
    "nas.evaluation.skeleton": ("Skeleton", "arrays_of", "assemble", "shared_weights", "skeleton_of"),
    "nas.evaluation.target": ("Target",),
}

__all__ = [
    "DatasetEvaluator",
    "Evaluator",
    "LatencyEvaluation",
    "LatencyResult",
    "LatencyWorker",
    "LmEvalEvaluator",
    "Outcome",
    "Quality",
    "ScoreEvaluator",
    "Skeleton",
    "Target",
    "arrays_of",
    "assemble",
    "checked_metrics",
    "evaluate_folder",
    "evaluate_model",
    "shape_key",
    "shared_weights",
    "skeleton_of",
]

if not TYPE_CHECKING:
    __getattr__ = lazy(__name__, _MODULES)

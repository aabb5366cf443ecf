"""Evaluating a sub-network: its quality on data, its latency on a target."""

from nas.evaluation.dataset import DatasetEvaluator
from nas.evaluation.evaluator import Evaluator, Quality
from nas.evaluation.latency import LatencyEvaluation, LatencyResult, shape_key
from nas.evaluation.lm_eval import LmEvalEvaluator, evaluate_folder, evaluate_model
from nas.evaluation.score import ScoreEvaluator, checked_metrics
from nas.evaluation.skeleton import Skeleton, arrays_of, assemble, shared_weights, skeleton_of
from nas.evaluation.target import Target

__all__ = [
    "DatasetEvaluator",
    "Evaluator",
    "LatencyEvaluation",
    "LatencyResult",
    "LmEvalEvaluator",
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

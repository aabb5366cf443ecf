"""Training the supernet, so that its sub-networks are good without retraining."""

from nas.training.budget import Budget
from nas.training.options import TrainOptions
from nas.training.strategies import Strategy, known_strategies, strategy_of
from nas.training.trainer import TrainingReport, train_supernet

__all__ = [
    "Budget",
    "Strategy",
    "TrainOptions",
    "TrainingReport",
    "known_strategies",
    "strategy_of",
    "train_supernet",
]

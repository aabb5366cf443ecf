"""Training the supernet, so that its sub-networks are good without retraining."""

from nas.training.budget import Budget
from nas.training.distillation import Distillation
from nas.training.nested import LayerDrop, Progressive, Sorted
from nas.training.options import Lora, TrainOptions
from nas.training.ranks import Ranks
from nas.training.registry import known_strategies, strategy_of
from nas.training.strategies import (
    Alternating,
    FixedStrategy,
    InPlaceDistillation,
    RandomLinear,
    RandomStrategy,
    Sandwich,
    SandwichDistillation,
    Standard,
)
from nas.training.strategy import Pass, Step, Strategy
from nas.training.teacher import Teacher
from nas.training.trainer import TrainingReport, train_supernet

__all__ = [
    "Alternating",
    "Budget",
    "Distillation",
    "FixedStrategy",
    "InPlaceDistillation",
    "LayerDrop",
    "Lora",
    "Pass",
    "Progressive",
    "RandomLinear",
    "RandomStrategy",
    "Ranks",
    "Sandwich",
    "SandwichDistillation",
    "Sorted",
    "Standard",
    "Step",
    "Strategy",
    "Teacher",
    "TrainOptions",
    "TrainingReport",
    "known_strategies",
    "strategy_of",
    "train_supernet",
]

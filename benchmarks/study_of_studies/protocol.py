"""What is compared, and what all cells have in common."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import nas
from benchmarks.study_of_studies.tasks import Limits
from nas.importance import importance_of, known_importances
from nas.training import known_strategies

#: Shares of the full model's parameters that a sub-network is chosen within.
THRESHOLDS: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
#: Of the hypervolume: validation error and share of the full model's parameters.
REFERENCE: Final = (1.0, 1.0)
#: Ranks an axis that the compared importance does not score.
OTHERWISE: Final = {"hidden": "minitron", "layers": "block_influence"}
LADDER_STEPS: Final = 4
#: Importance and strategy that the others are crossed with where not all combinations are computed.
CROSS: Final = ("fisher_mask", "random")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One supernet: ranked and trained in one way."""

    task: str
    importance: str
    strategy: str
    seed: int

    @property
    def name(self) -> str:
        """Of its study."""
        return f"{self.task}/{self.importance}/{self.strategy}/{self.seed}"

    @property
    def is_in_cross(self) -> bool:
        """Whether it differs from `CROSS` in one axis at most."""
        return CROSS[0] == self.importance or CROSS[1] == self.strategy


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """Settings that all cells share.

    Attributes:
        passes: forward/backward passes of each supernet's training, on top of fine-tuning.
        calibration: examples that units are ranked on.
        sampled: sub-networks evaluated besides full, smallest and the ladder; the same sizes in all cells.
        epochs_scale: of fine-tuning, times the task's own epochs.
        learning_rate: of fine-tuning and of supernet training.
        limits: of the examples.
    """

    passes: int
    calibration: int
    sampled: int
    epochs_scale: float = 1.0
    learning_rate: float = 5e-5
    limits: Limits = field(default_factory=Limits)

    def options(self, seed: int) -> nas.TrainOptions:
        """Of every training."""
        return nas.TrainOptions(learning_rate=self.learning_rate, precision="bfloat16", seed=seed)

    def finetune_passes(self, epochs: float, examples: int) -> int:
        """Of the full model, for a task's epochs."""
        batches = -(-examples // self.options(0).batch_size)
        return max(1, round(self.epochs_scale * epochs * batches))

    def with_passes(self, passes: int | None) -> Protocol:
        """The same with other passes, if given."""
        return self if passes is None else replace(self, passes=passes)

    def to_json(self) -> dict[str, Any]:
        """What results are comparable within."""
        return asdict(self)


#: By the kind of run; the tiny one shows that it runs.
PROTOCOLS: Final = {
    "full": Protocol(passes=480, calibration=256, sampled=40),
    "short": Protocol(
        passes=200,
        calibration=256,
        sampled=20,
        limits=Limits(train=16_000, validation=1_024),
    ),
    "tiny": Protocol(
        passes=8,
        calibration=32,
        sampled=2,
        epochs_scale=0.1,
        limits=Limits(train=320, validation=64, test=64),
    ),
}


def compared_importances() -> tuple[str, ...]:
    """Every method that scores heads and neurons."""
    return tuple(name for name in known_importances() if {"heads", "ffn"} <= set(importance_of(name).axes))


def compared_strategies() -> tuple[str, ...]:
    """Every strategy."""
    return known_strategies()


def by_axis(importance: str) -> dict[str, str]:
    """The method of each axis: the compared one where it scores it."""
    axes = importance_of(importance).axes
    return {**OTHERWISE, **{str(axis): importance for axis in axes}}


def cells(
    tasks: Sequence[str], importances: Sequence[str], strategies: Sequence[str], seeds: Sequence[int]
) -> Iterator[Cell]:
    """All combinations, seed by seed, so that a run that is cut short has seeds that are whole."""
    for seed, task, importance, strategy in itertools.product(seeds, tasks, importances, strategies):
        yield Cell(task=task, importance=importance, strategy=strategy, seed=seed)

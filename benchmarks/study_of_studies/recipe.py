"""How a sub-network within a budget of parameters is found and recovered; the same for all tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import nas
from nas.recovery import RecoveryOptions
from nas.training import Distillation


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Settings of search and recovery.

    Attributes:
        strategy: of the supernet's training.
        supernet_passes: of it.
        trials: sub-networks evaluated within each budget.
        finalists: sub-networks recovered within each budget; the best on validation data is kept.
        recovery_passes: of each of them.
        learning_rate: of supernet and recovery.
        labels: weight of the labels in recovery.
        logits: weight of the fine-tuned model's logits.
        temperature: of both logits.
    """

    supernet_passes: int
    trials: int
    recovery_passes: int
    finalists: int = 2
    strategy: str = "random"
    learning_rate: float = 1e-4
    labels: float = 1.0
    logits: float = 1.0
    temperature: float = 1.0

    def supernet_options(self, seed: int) -> nas.TrainOptions:
        """Of the supernet's training."""
        return nas.TrainOptions(learning_rate=self.learning_rate, precision="bfloat16", seed=seed)

    def recovery_options(self, seed: int) -> RecoveryOptions:
        """Of the chosen sub-network's."""
        return RecoveryOptions(
            distillation=Distillation(labels=self.labels, logits=self.logits, temperature=self.temperature),
            training=self.supernet_options(seed),
        )


#: By the kind of run.
RECIPES: Final = {
    "full": Recipe(supernet_passes=600, trials=60, recovery_passes=600),
    "short": Recipe(supernet_passes=200, trials=30, recovery_passes=300, finalists=1),
    "tiny": Recipe(supernet_passes=8, trials=10, recovery_passes=8),
}

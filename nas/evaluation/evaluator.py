"""What the driver knows of an evaluation, and what a worker answers."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from nas.compensation import Recipe
from nas.evaluation.skeleton import Skeleton
from nas.supernet import Supernet
from workers import EvaluatorFactory


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Quality of one sub-network.

    Attributes:
        metrics: finite values by name.
        examples: number of examples it was measured on.
        seconds: wall time.
        logits: the outputs, float16 `(examples, num_labels)` in the data's order, or None; tasks with a label
            a token never keep them.
        losses: mean loss of each example, float32 `(examples,)` in the data's order, or None.
    """

    metrics: Mapping[str, float]
    examples: int
    seconds: float
    logits: np.ndarray | None = field(default=None, repr=False, compare=False)
    losses: np.ndarray | None = field(default=None, repr=False, compare=False)


class Evaluator(ABC):
    """Measures quality: prepared by the driver, run by workers.

    Attributes:
        recipe: how its workers compensate sub-networks for what they lack, settled by `prepare`; None where
            they evaluate slices.
    """

    recipe: Recipe | None = None

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that it reports; empty where they are known only afterwards."""

    @property
    @abstractmethod
    def sha256(self) -> str:
        """Hash of everything but the weights that decides its results: data, metrics, precision."""

    @property
    @abstractmethod
    def num_examples(self) -> int:
        """Examples of a full evaluation, at least 1."""

    @property
    def weights_dtype(self) -> torch.dtype | None:
        """Precision that its workers want the weights in; None for that of the supernet."""
        return None

    @abstractmethod
    def prepare(self, supernet: Supernet, earlier: Mapping[str, Any] | None = None) -> Evaluator:
        """Settle what depends on the supernet, e.g. the precision; called once by the driver.

        `earlier` is what `describe` gave in an earlier run of the same study.

        Raises:
            ConfigError: the evaluator does not fit the supernet.
        """

    @abstractmethod
    def factory(self, skeleton: Skeleton) -> EvaluatorFactory:
        """What a worker builds its evaluator with; its payload is a configuration's JSON."""

    def describe(self) -> dict[str, Any]:
        """What a study records of it."""
        facts = {"kind": type(self).__name__, "metrics": list(self.metrics), "examples": self.num_examples}
        return facts if self.recipe is None else {**facts, "compensation": self.recipe.describe()}

    def hashed(self, *record: Any) -> str:
        """Hash of what decides the results, compensation included."""
        own = () if self.recipe is None else (self.recipe.sha256,)
        return hashlib.sha256(json.dumps([*record, *own]).encode()).hexdigest()

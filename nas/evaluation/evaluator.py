"""What the driver knows of an evaluation, and what a worker answers."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nas.compensation import Recipe
from nas.errors import ConfigError
from nas.evaluation.outcome import Outcome
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
        outcome: what each example gave, in the evaluator's order; None where the evaluator does not know it.
    """

    metrics: Mapping[str, float]
    examples: int
    seconds: float
    outcome: Outcome | None = field(default=None, repr=False, compare=False)


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
    def is_staged(self) -> bool:
        """Whether a payload may ask by its key `examples`, `[start, stop]`, for a part of `order`."""
        return False

    @property
    def order(self) -> npt.NDArray[np.int64]:
        """Positions of the examples in the order in which parts take them, `(examples,)`."""
        return np.arange(self.num_examples)

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
        """What a worker builds its evaluator with; its payload is a configuration's JSON.

        Of a staged evaluator the payload may have a key `examples` besides, see `is_staged`; without it all
        examples are evaluated.
        """

    def merged(self, parts: Sequence[Quality]) -> Quality:
        """Consecutive parts as one: exactly what one evaluation of their union gives for the same outputs.

        Raises:
            ConfigError: there is no part, or the evaluator is not staged and there are several.
            EvaluationFailedError: a metric of the union is not finite (reason `nan`).
        """
        if len(parts) == 1:
            return parts[0]
        raise ConfigError(
            f"{len(parts)} parts were given to be merged, but {type(self).__name__} evaluates all at once; "
            "give one part, or use an evaluator whose is_staged is True"
        )

    def describe(self) -> dict[str, Any]:
        """What a study records of it."""
        facts = {"kind": type(self).__name__, "metrics": list(self.metrics), "examples": self.num_examples}
        return facts if self.recipe is None else {**facts, "compensation": self.recipe.describe()}

    def hashed(self, *record: Any) -> str:
        """Hash of what decides the results, compensation included."""
        own = () if self.recipe is None else (self.recipe.sha256,)
        return hashlib.sha256(json.dumps([*record, *own]).encode()).hexdigest()

"""Quality by the user's own function."""

from __future__ import annotations

import hashlib
import inspect
import math
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from nas.compensation import Compensation, Recipe, recipe_of, weights_of
from nas.errors import ConfigError, EvaluationFailedError
from nas.evaluation.evaluator import Evaluator, Quality
from nas.evaluation.skeleton import Skeleton, assemble
from nas.objectives import EXACT_METRICS
from nas.supernet import Supernet
from search_spaces import SubnetConfig
from workers import EvaluatorFactory

Score = Callable[[nn.Module], "float | Mapping[str, float]"]


@dataclass(frozen=True, kw_only=True)
class ScoreEvaluator(Evaluator):
    """Calls `score(model)` on each sub-network, in evaluation mode and without gradients.

    The model is the supernet with the sub-network active: it must not be changed or kept.

    Attributes:
        score: returns one number, or several by name.
        metrics: names that it must return; one number takes the first, `score` where none is named.
        version: state it when the function's result changes though its source does not, or when it has no
            source of its own; results are shared between studies by source and version.
        compensation: what makes up for removed units and dropped blocks; None evaluates slices.
    """

    score: Score
    metrics: tuple[str, ...] = ()
    version: str = ""
    compensation: Compensation | None = None
    identity: str = field(default="", repr=False)
    recipe: Recipe | None = field(default=None, repr=False)

    @property
    def sha256(self) -> str:
        """See `Evaluator.sha256`."""
        own = "" if self.recipe is None else f":{self.recipe.sha256}"
        return hashlib.sha256(f"{self.identity}:{self.version}:{self.metrics}{own}".encode()).hexdigest()

    @property
    def num_examples(self) -> int:
        """See `Evaluator.num_examples`."""
        return 1  # one call of the function

    def prepare(self, supernet: Supernet, earlier: Mapping[str, Any] | None = None) -> ScoreEvaluator:
        """See `Evaluator.prepare`."""
        del earlier
        if not callable(self.score):
            raise ConfigError(f"score is {self.score!r}; give a function score(model) -> float or dict")
        return ScoreEvaluator(
            score=self.score,
            metrics=tuple(self.metrics),
            version=self.version,
            compensation=self.compensation,
            recipe=recipe_of(supernet, self.compensation),
            identity=_source_of(self.score, self.version),
        )

    def factory(self, skeleton: Skeleton) -> EvaluatorFactory:
        """See `Evaluator.factory`."""
        return _ScoreFactory(self, skeleton)


@dataclass(frozen=True)
class _ScoreFactory:
    evaluator: ScoreEvaluator
    skeleton: Skeleton

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> _ScoreWorker:
        return _ScoreWorker(assemble(self.skeleton, arrays), self.evaluator)


class _ScoreWorker:
    def __init__(self, supernet: Supernet, evaluator: ScoreEvaluator) -> None:
        self._supernet = supernet
        self._evaluator = evaluator
        self._weights = weights_of(evaluator.recipe, supernet)

    def __call__(self, payload: Mapping[str, Any]) -> Quality:
        start = time.monotonic()
        config = SubnetConfig.from_json(payload)
        with self._supernet.active(config, self._weights(config)) as model, torch.no_grad():
            answer = self._evaluator.score(model)
        metrics = checked_metrics(answer, self._evaluator.metrics)
        return Quality(metrics=metrics, examples=1, seconds=time.monotonic() - start)


def checked_metrics(answer: Any, names: Sequence[str] = ()) -> dict[str, float]:
    """What a user's function returned, as finite floats by name.

    Raises:
        EvaluationFailedError: anything else (reason `nan` for numbers that are not finite, else `bug`).
    """
    values = dict(answer) if isinstance(answer, Mapping) else {names[0] if names else "score": answer}
    checked = {name: _checked_value(name, value) for name, value in values.items()}
    missing = sorted(set(names) - set(checked))
    if missing:
        raise EvaluationFailedError(f"score returned no {missing[0]}; it returned {sorted(checked)}", "bug")
    return checked


def _checked_value(name: Any, value: Any) -> float:
    if not isinstance(name, str) or not name:
        raise EvaluationFailedError(f"score returned a value named {name!r}; names are texts", "bug")
    if name in EXACT_METRICS:
        raise EvaluationFailedError(f"score returned {name}, which is counted exactly; rename it", "bug")
    if isinstance(value, (str, bytes, bool, np.bool_)) or value is None:
        raise EvaluationFailedError(f"score returned {name} = {value!r}; return a number", "bug")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise EvaluationFailedError(f"score returned {name} = {_shown(value)}: {error}", "bug") from error
    if not math.isfinite(number):
        raise EvaluationFailedError(f"score returned {name} = {number}, which is not finite", "nan")
    return number


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _source_of(function: Score, version: str) -> str:
    """Source text of a function.

    Where there is none: its type if a version is stated, else a fresh name, so that nothing is shared
    wrongly.
    """
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return type(function).__qualname__ if version else uuid.uuid4().hex

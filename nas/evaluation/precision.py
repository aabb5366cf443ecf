"""Which precision to evaluate in: measured, not assumed."""

from __future__ import annotations

import math
import time
from typing import Any, Final, Literal

import numpy as np
import torch

from nas.data import BatchedDataset
from nas.errors import ConfigError, EvaluationFailedError
from nas.evaluation.outcome import Outcome
from nas.evaluation.scoring import run
from nas.metrics import metric
from nas.supernet import Supernet
from nas.tasks import task_of

_TRIAL_EXAMPLES: Final = 512
#: Language models have long examples: no more of them than make up so many tokens.
_TRIAL_TOKENS: Final = 65_536


def choose_precision(
    supernet: Supernet, data: BatchedDataset, batch_size: int, name: str
) -> Literal["float32", "bfloat16"]:
    """The faster of float32 and bfloat16 on this device for the full model, if both score alike.

    Alike means within the 95 % interval of the float32 score of metric `name`, on at most 512 examples.
    Metrics between 0 and 1 are taken as a mean of outcomes; losses have their own standard error, and a
    perplexity is compared as the loss that it is the exponential of.

    Raises:
        ConfigError: the full model is broken in float32.
    """
    task = task_of(supernet.task)
    some = data.take(np.arange(_trial_examples(data)))
    batches = list(some.batches(batch_size, order="length"))
    seconds, scores, outcomes = {}, {}, {}
    compared = "loss" if _has_own_error(name) else name
    for precision in ("float32", "bfloat16"):
        model = supernet.model if precision == "float32" else _as_bfloat16(supernet)
        with torch.inference_mode():
            task.forward(model, batches[-1].inputs)  # the first forward allocates
        start = time.perf_counter()
        outcomes[precision] = run(task, model, batches, len(some), metrics=(name,))
        seconds[precision] = time.perf_counter() - start
        try:
            scores[precision] = outcomes[precision].values([compared])[compared]
        except EvaluationFailedError as error:
            if precision == "float32":
                raise ConfigError("the full model's outputs are not finite; check its weights") from error
            return "float32"
    width = _half_width(compared, scores["float32"], outcomes["float32"])
    is_alike = abs(scores["float32"] - scores["bfloat16"]) <= width
    return "bfloat16" if is_alike and seconds["bfloat16"] < seconds["float32"] else "float32"


def _trial_examples(data: BatchedDataset) -> int:
    affordable = int(np.searchsorted(np.cumsum(data.lengths), _TRIAL_TOKENS, side="right"))
    return max(1, min(_TRIAL_EXAMPLES, len(data), affordable))


def _has_own_error(name: str) -> bool:
    """Whether a metric is unbounded, and so a function of losses."""
    return math.isinf(metric(name).upper)


def _half_width(name: str, score: float, outcome: Outcome) -> float:
    """Half the 95 % interval of a score."""
    if name == "loss":
        return 1.96 * loss_error(outcome)
    share = min(max(abs(score), 0.05), 0.95)
    return 1.96 * math.sqrt(share * (1 - share) / len(outcome.sums))


def loss_error(outcome: Outcome) -> float:
    """Standard error of the mean loss, a ratio of sums over examples; 0 for a single example.

    Source: Cochran 1977, Sampling Techniques, 3rd ed., Sec. 2.11 (ratio estimate, linearised).
    """
    examples = len(outcome.sums)
    if examples < 2:
        return 0.0
    items = outcome.counts.sum()
    residuals = outcome.sums - outcome.counts * (outcome.sums.sum() / items)
    return float(np.sqrt(np.square(residuals).sum() * examples / (examples - 1)) / items)


def _as_bfloat16(supernet: Supernet) -> Any:
    copy: Any = supernet.extract(supernet.full)
    return copy.to(torch.bfloat16).eval()

"""What workers answer, checked before the driver believes it: form, finite numbers, possible ranges."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from nas.errors import EvaluationFailedError
from nas.evaluation import DatasetEvaluator, Evaluator, LatencyResult, Outcome, Quality, checked_metrics
from nas.metrics import METRICS
from workers import PairedSamples

_FLAGS: Final = ("ok", "noisy", "contended")
_CALIBRATION: Final = ("reference_low_ms", "reference_ms", "reference_high_ms")
_RATIO: Final = ("ratio_low", "ratio", "ratio_high")


def checked_quality(reply: object, evaluator: Evaluator) -> Quality:
    """A worker's answer of the quality lane.

    Raises:
        EvaluationFailedError: it is none, a number is not finite (reason `nan`) or not possible.
    """
    if not isinstance(reply, Quality):
        raise EvaluationFailedError(f"the evaluator returned {type(reply).__name__}, not a Quality", "bug")
    if not isinstance(reply.metrics, Mapping):
        raise _bad("metrics", reply.metrics)
    for name, value in checked_metrics(reply.metrics, evaluator.metrics).items():
        if isinstance(evaluator, DatasetEvaluator) and name in METRICS:
            known = METRICS[name]
            if not known.lower <= value <= known.upper:
                raise _bad(f"{name}, which is {known.lower:g} to {known.upper:g},", value)
    most = evaluator.num_examples if evaluator.is_staged else math.inf
    if not isinstance(reply.examples, int) or not 0 < reply.examples <= most:
        raise _bad("examples", reply.examples)
    if not _is_number(reply.seconds) or reply.seconds < 0:
        raise _bad("seconds", reply.seconds)
    _check_outcome(reply.outcome, reply.examples)
    return reply


def checked_latency(reply: object, *, is_full_model: bool) -> LatencyResult:
    """A worker's answer of the latency lane.

    Raises:
        EvaluationFailedError: it is none, or its figures or samples cannot be.
    """
    if not isinstance(reply, LatencyResult):
        raise EvaluationFailedError(
            f"the latency worker returned {type(reply).__name__}, not a LatencyResult", "bug"
        )
    figures = reply.statistics
    if not isinstance(figures, Mapping) or not all(map(_is_number, figures.values())):
        raise _bad("statistics", figures)
    names = _CALIBRATION if is_full_model else _RATIO
    low, middle, high = (figures.get(name, math.nan) for name in names)
    if not 0 < low <= middle <= high:
        raise _bad(names[1], {name: figures.get(name) for name in names})
    if reply.flag not in _FLAGS:
        raise _bad("flag", reply.flag)
    try:
        json.dumps(dict(reply.device), allow_nan=False)
        PairedSamples.from_bytes(reply.samples)
    except (TypeError, ValueError, RecursionError) as error:
        raise _bad("device or samples", str(error)) from error
    return reply


def _check_outcome(outcome: object, examples: int) -> None:
    if outcome is None:
        return
    if not isinstance(outcome, Outcome):
        raise _bad("outcome", outcome)
    for name, array, kinds in (("sums", outcome.sums, "f"), ("counts", outcome.counts, "iu")):
        is_column = isinstance(array, np.ndarray) and array.shape == (examples,) and array.dtype.kind in kinds
        if not is_column or not np.isfinite(array).all():
            raise _bad(f"outcome.{name}", array)
    if (outcome.counts < 0).any():
        raise _bad("outcome.counts", outcome.counts)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)


def _bad(what: str, value: object) -> EvaluationFailedError:
    shown = repr(value)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    return EvaluationFailedError(f"a worker returned {what} = {shown}, which cannot be", "bug")

"""From scores to the order that puts the best units first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from nas.elastic import AxisOrders
from nas.errors import ConfigError
from nas.importance.base import AxisName, CalibrationBatch, Cost, Importance, Scores, Subject
from nas.importance.calibration import Observing, observe, shared_cost
from nas.importance.registry import importance_of
from nas.progress import Progress, no_progress
from search_spaces import ModelShape

AXES: Final[tuple[AxisName, ...]] = ("hidden", "heads", "ffn", "layers")
#: Best of methods.md: Fisher information for heads and neurons, activation norms for channels.
DEFAULT: Final[Mapping[AxisName, str]] = {
    "hidden": "minitron",
    "heads": "fisher_mask",
    "ffn": "fisher_mask",
    "layers": "block_influence",
}


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """A new order of units, best first.

    Attributes:
        orders: how weights are permuted.
        layer_order: layers from the most to the least important; they are dropped from its end, never moved.
        methods: the importance method of each axis that was ranked.
        cost: passes that were made.
    """

    orders: AxisOrders
    layer_order: tuple[int, ...]
    methods: Mapping[AxisName, str]
    cost: Cost = field(default_factory=Cost)


def rank_units(
    subject: Subject,
    importance: str | Mapping[str, str],
    batches: Sequence[CalibrationBatch],
    *,
    layer_order: tuple[int, ...],
    seed: int = 0,
    progress: Progress = no_progress,
) -> Ranking:
    """Score a full model and order its units.

    Args:
        subject: the full model.
        importance: `default`, one method for every axis that it scores, or a method by axis.
        batches: calibration data, for the methods that need it.
        layer_order: kept where no method scores layers.
        seed: for random scores.
        progress: told as batches pass and blocks are removed.

    Raises:
        ConfigError: unknown method or axis, a method that does not score its axis, data missing, or scores
            that are not finite.
    """
    methods = methods_by_axis(importance)
    names = sorted(set(methods.values()))
    scores = score_units(subject, names, batches, seed=seed, progress=progress)
    of_axis = {axis: getattr(scores[name], axis) for axis, name in methods.items()}
    heads, queries = order_heads(of_axis["heads"], subject.shape) if "heads" in of_axis else ({}, {})
    layers = of_axis.get("layers")
    return Ranking(
        orders=AxisOrders(
            hidden=best_first(of_axis["hidden"]) if "hidden" in of_axis else None,
            heads=heads,
            queries=queries,
            ffn={index: best_first(row) for index, row in enumerate(of_axis.get("ffn", ()))},
        ),
        layer_order=layer_order if layers is None else tuple(int(i) for i in best_first(layers)),
        methods=methods,
        cost=scoring_cost(names, len(batches), subject.shape),
    )


def score_units(
    subject: Subject,
    names: Sequence[str],
    batches: Sequence[CalibrationBatch],
    *,
    seed: int = 0,
    progress: Progress = no_progress,
) -> dict[str, Scores]:
    """Scores of several methods by name; those that only watch the model share one pass over the batches.

    Raises:
        ConfigError: unknown method, data missing, or scores that are not finite.
    """
    methods = [importance_of(name) for name in dict.fromkeys(names)]
    for method in methods:
        _check_batches(method, batches)
    observing = [method for method in methods if isinstance(method, Observing)]
    scores = observe(subject, observing, batches, progress=progress) if observing else {}
    for method in methods:
        if method.name not in scores:
            scores[method.name] = method.score(subject, batches, seed=seed, progress=progress)
        _check_finite(method.name, scores[method.name])
    return scores


def scoring_cost(names: Sequence[str], num_batches: int, shape: ModelShape) -> Cost:
    """Passes of `score_units`.

    Raises:
        ConfigError: unknown method.
    """
    methods = [importance_of(name) for name in dict.fromkeys(names)]
    observing = [method for method in methods if isinstance(method, Observing)]
    alone = [method.cost(num_batches, shape) for method in methods if not isinstance(method, Observing)]
    return sum(alone, start=shared_cost(observing, num_batches))


def best_first(scores: np.ndarray) -> np.ndarray:
    """Indices by falling score; equal scores keep their order."""
    return np.argsort(-scores, kind="stable")


def order_heads(
    scores: Sequence[np.ndarray], shape: ModelShape
) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
    """Orders of key-value heads, and of query heads inside each, from query-head scores.

    A query head never leaves its key-value head, which would change the function. A key-value head counts
    as much as its query heads together. Blocks that share their heads are ordered alike.
    """
    heads, queries = {}, {}
    if shape.has_shared_heads:
        together = np.sum(scores, axis=0)
        scores = [together for _ in shape.layers]
    for index, full in enumerate(shape.layers):
        grouped = scores[index].reshape(full.num_key_value_heads, full.queries_per_head)
        heads[index] = best_first(grouped.sum(axis=1))
        queries[index] = np.argsort(-grouped, axis=1, kind="stable")
    return heads, queries


def methods_by_axis(importance: str | Mapping[str, str]) -> dict[AxisName, str]:
    """The method of each axis that shall be ranked.

    Raises:
        ConfigError: unknown method or axis, or a method that does not score its axis.
    """
    if isinstance(importance, str):
        if importance == "default":
            return dict(DEFAULT)
        return {axis: importance for axis in AXES if axis in importance_of(importance).axes}
    unknown = sorted(set(importance) - set(AXES))
    if unknown:
        raise ConfigError(f"unknown axis {unknown[0]!r} in importance; allowed are {', '.join(AXES)}")
    methods: dict[AxisName, str] = {}
    for axis in AXES:
        if axis in importance:
            method = importance_of(importance[axis])
            if axis not in method.axes:
                raise ConfigError(
                    f"{method.name} does not score {axis}; it scores {', '.join(sorted(method.axes))}"
                )
            methods[axis] = method.name
    return methods


def _check_batches(method: Importance, batches: Sequence[CalibrationBatch]) -> None:
    if method.needs_batches and not batches:
        raise ConfigError(
            f"importance {method.name} needs calibration data; give batches, or choose magnitude_l2"
        )
    if method.needs_labels and any(batch.labels is None for batch in batches):
        raise ConfigError(f"importance {method.name} needs labelled calibration data")


def _check_finite(name: str, scores: Scores) -> None:
    for axis in AXES:
        values = getattr(scores, axis)
        if values is not None and not all(np.isfinite(row).all() for row in values):
            raise ConfigError(
                f"importance {name} of {axis} is not finite; look for broken weights, and for calibration "
                "examples without a single token"
            )

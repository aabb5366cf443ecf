"""Which shapes to measure first, so that the predictor knows all others best."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from nas.targets.block_features import Array, BlockFeatures
from nas.targets.ridge import NOISE, prior_scales
from search_spaces import ModelShape, SearchSpace, SubnetConfig, Workload, build_space, cost

_RANDOM_SHAPES: Final = 600
_LADDER_STEPS: Final = 9
#: The middle of what the predictor chooses from.
_TABLE_SCALE: Final = 0.1
_RESIDUAL_SCALE: Final = 0.03
#: Of the full model's latency, thought to be there whatever is kept.
_CONSTANT: Final = 0.05


def calibration_shapes(space: SearchSpace | ModelShape, count: int = 40, seed: int = 0) -> list[SubnetConfig]:
    """Up to `count` sub-networks whose measured latencies tell most of all others in the space.

    The largest and the smallest first; then, one by one, that of many random, evenly scaled and one-sided
    candidates which lowers the mean variance of the relative predictions of the random ones most: a greedy
    V-optimal design (Atkinson, Donev and Tobias 2007, Optimum Experimental Designs, Sec. 10.6) for the
    predictor's own model, so that the first `n` are good for every `n`. Equal shapes come once; fewer than
    `count` are given where the space has no more.

    Args:
        space: of a model shape the per-layer space is taken.

    Raises:
        ValueError: `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"count is {count}; at least 1 shape must be measured")
    if isinstance(space, ModelShape):
        space = build_space("medium", space)
    features, generator = BlockFeatures(space.shape), np.random.default_rng(seed)
    drawn = [space.sample(generator) for _ in range(_RANDOM_SHAPES)]
    shapes = {features.row(config).tobytes(): config for config in (*_extremes(space), *drawn)}
    configs = list(shapes.values())
    rows = np.stack([features.row(config) / _rough_ratio(space.shape, config) for config in configs]) / NOISE
    asked = [features.row(config).tobytes() for config in drawn]
    places = {key: place for place, key in enumerate(shapes)}
    weights = np.bincount([places[key] for key in asked], minlength=len(configs)) / len(asked)
    scales = prior_scales(features.widths, _TABLE_SCALE, _RESIDUAL_SCALE)
    return [configs[place] for place in _design(rows, weights, np.diag(scales**2), count)]


def _extremes(space: SearchSpace) -> Iterator[SubnetConfig]:
    """The largest and the smallest, and what changes one kind of dimension only."""
    yield space.largest()
    yield space.smallest()
    yield from space.uniform_ladder(_LADDER_STEPS)
    kinds = sorted({dimension.name.rpartition(".")[2] for dimension in space.dimensions})
    for kind in kinds:
        for rest in (1.0, 0.5):
            for step in range(_LADDER_STEPS + 1):
                yield _mixed(space, kind, share=step / _LADDER_STEPS, rest=rest)


def _mixed(space: SearchSpace, kind: str, *, share: float, rest: float) -> SubnetConfig:
    """All dimensions of a kind at one share of their range, the others at another."""
    values = {
        axis.name: axis.to_parameter(
            axis.values[round((share if axis.name.endswith(kind) else rest) * (len(axis.values) - 1))]
        )
        for axis in space.dimensions
    }
    return space.decode(space.repaired(values))


def _rough_ratio(shape: ModelShape, config: SubnetConfig) -> float:
    """The ratio that operations suggest; it only weighs errors."""
    full = cost(shape, SubnetConfig.full(shape), Workload()).macs
    return _CONSTANT + (1 - _CONSTANT) * cost(shape, config, Workload()).macs / full


def _design(rows: Array, weights: Array, covariance: Array, count: int) -> list[int]:
    """Places of rows, in the order in which they lower the weighted variance of all predictions most.

    Args:
        rows: features by the expected error of a measurement, `(candidates, features)`.
        weights: how much the prediction of each candidate matters, `(candidates,)`.
        covariance: of the model's weights before any measurement.
    """
    moment = rows.T @ (rows * weights[:, None])
    chosen: list[int] = []
    free = np.ones(len(rows), dtype=bool)
    while len(chosen) < min(count, len(rows)):
        along = rows @ covariance
        gain = np.einsum("ij,jk,ik->i", along, moment, along, optimize=True)
        gain /= 1 + np.einsum("ij,ij->i", along, rows)
        best = len(chosen) if len(chosen) < 2 else int(np.argmax(np.where(free, gain, -np.inf)))
        chosen.append(best)
        free[best] = False
        covariance = covariance - np.outer(along[best], along[best]) / (1 + along[best] @ rows[best])
    return chosen

"""How much the loss changes with the size of each sub-layer, added up over sub-layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.search.design.probes import Block, Probe
from search_spaces import ModelShape, SubnetConfig
from search_spaces.units import count


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A probe's loss less that of the plan's model, on the same examples.

    Attributes:
        increase: mean over examples.
        error: standard error of it.
    """

    probe: Probe
    increase: float
    error: float


@dataclass(frozen=True, kw_only=True)
class BlockScores:
    """Changes of the loss by sub-layer and size, additive over sub-layers.

    Linear between the sizes that were measured; a smaller sub-layer never scores better than a larger one.

    Source: Puzzle (Bercovich et al. 2024, arXiv 2411.19146), "replace one block" scores. There a block is
    replaced in the full model, by one that was distilled. Here the others are half their size, since a full
    model hardly misses any one of its sub-layers, but misses several; and scores are shrunk towards their
    kind's mean.

    Attributes:
        shape: of the full model.
        curves: by block, rising shares of its units, and the change of the loss at each, which falls.
        noise: typical standard error of an increase.
    """

    shape: ModelShape
    curves: Mapping[Block, tuple[np.ndarray, np.ndarray]]
    noise: float

    @staticmethod
    def of(shape: ModelShape, rest: SubnetConfig, measured: Sequence[Measured]) -> BlockScores:
        """Curves through what was measured, and through no change at the size of `rest`."""
        shares = shares_of(rest, shape)
        points: dict[Block, list[tuple[float, float]]] = {}
        for one, increase in zip(measured, shrunk(measured), strict=True):
            block = one.probe.block
            points.setdefault(block, [(shares[block], 0.0)]).append((one.probe.share, increase))
        return BlockScores(
            shape=shape,
            curves={block: _curve(row) for block, row in points.items()},
            noise=float(np.median([one.error for one in measured])),
        )

    def increase(self, config: SubnetConfig) -> float:
        """Change of a canonical sub-network's loss, as if sub-layers did not interact."""
        shares = shares_of(config, self.shape)
        return float(sum(np.interp(shares[block], *curve) for block, curve in self.curves.items()))


def shrunk(measured: Sequence[Measured]) -> list[float]:
    """Each increase moved towards the mean of its kind, the further the less it stands out of the noise.

    The weight of what was measured is `between / (between + error**2)`, with `between` the variance of the
    kind's true increases: that of the measured ones less the mean squared error.

    Source: empirical Bayes for normal means, Efron and Morris 1975.
    """
    kinds: dict[tuple[str, float], list[Measured]] = {}
    for one in measured:
        kinds.setdefault(one.probe.kind, []).append(one)
    found = []
    for one in measured:
        kind = kinds[one.probe.kind]
        if len(kind) == 1:
            found.append(one.increase)
            continue
        increases = np.array([other.increase for other in kind])
        errors = np.array([other.error for other in kind])
        between = max(float(increases.var() - np.mean(errors**2)), 0.0)
        total = between + one.error**2
        weight = between / total if total > 0.0 else 1.0
        found.append(float(weight * one.increase + (1.0 - weight) * increases.mean()))
    return found


def shares_of(config: SubnetConfig, shape: ModelShape) -> dict[Block, float]:
    """Share of its units that a sub-network keeps of each block.

    Where heads are shared, `heads` is their share, and an attention is there or not.
    """
    shares: dict[Block, float] = {"hidden": count(config.hidden) / shape.hidden_size}
    for index, (units, full) in enumerate(zip(config.layers, shape.layers, strict=True)):
        heads = units.num_attention_heads / full.num_attention_heads if units is not None else 0.0
        if shape.has_shared_heads:
            shares.setdefault("heads", heads)  # the first block always has some
            heads = float(heads > 0.0)
        shares[index, "attention"] = heads
        shares[index, "ffn"] = count(units.ffn) / full.intermediate_size if units is not None else 0.0
    return shares


def _curve(points: Sequence[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    shares, increases = np.array(sorted(points)).T
    return shares, np.maximum.accumulate(increases[::-1])[::-1]

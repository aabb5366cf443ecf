"""Importance from weights alone, and the random baseline."""

from __future__ import annotations

import numpy as np

from nas.importance.base import Scores, Static, Subject
from nas.importance.units import UnitSums, own_weights


class MagnitudeL1(Static):
    """Sum of the absolute values of all weights coupled to a unit; layers by their mean absolute weight.

    Over coupled groups as in Ma et al. 2023 (LLM-Pruner).
    """

    name = "magnitude_l1"
    source = "Li et al. 2017, arXiv 1608.08710"
    axes = frozenset({"hidden", "heads", "ffn", "layers"})

    def score_units(self, subject: Subject, seed: int) -> Scores:
        """Seed is ignored."""
        del seed
        sums = UnitSums(subject.shape)
        for layout, weight in own_weights(subject):
            sums.add(layout, weight.abs())
        return Scores(hidden=sums.hidden, heads=sums.heads, ffn=sums.ffn, layers=sums.layers / sums.sizes)


class MagnitudeL2(Static):
    """Root of the sum of squares of all weights coupled to a unit; layers by their mean square.

    Over coupled groups as in Ma et al. 2023 (LLM-Pruner).
    """

    name = "magnitude_l2"
    source = "Li et al. 2017, arXiv 1608.08710"
    axes = frozenset({"hidden", "heads", "ffn", "layers"})

    def score_units(self, subject: Subject, seed: int) -> Scores:
        """Seed is ignored."""
        del seed
        sums = _squares(subject)
        return Scores(
            hidden=np.sqrt(sums.hidden),
            heads=[np.sqrt(row) for row in sums.heads],
            ffn=[np.sqrt(row) for row in sums.ffn],
            layers=sums.layers / sums.sizes,
        )


class Lamp(Static):
    """Squared magnitude of a unit over that of all units of its layer that are not smaller.

    It orders a layer's units as `magnitude_l2` does; what differs is how layers compare.
    """

    name = "lamp"
    source = "Lee et al. 2021, arXiv 2010.07611, for coupled groups in place of single weights"
    axes = frozenset({"heads", "ffn"})

    def score_units(self, subject: Subject, seed: int) -> Scores:
        """Seed is ignored."""
        del seed
        sums = _squares(subject)
        return Scores(heads=[lamp(row) for row in sums.heads], ffn=[lamp(row) for row in sums.ffn])


class RandomImportance(Static):
    """A random order: the baseline that every other method must beat."""

    name = "random"
    source = "baseline"
    axes = frozenset({"hidden", "heads", "ffn", "layers"})

    def score_units(self, subject: Subject, seed: int) -> Scores:
        """The same for the same seed, whatever the weights."""
        generator = np.random.default_rng(seed)
        shape = subject.shape
        return Scores(
            hidden=generator.random(shape.hidden_size),
            heads=[generator.random(full.num_attention_heads) for full in shape.layers],
            ffn=[generator.random(full.intermediate_size) for full in shape.layers],
            layers=generator.random(shape.num_hidden_layers),
        )


def lamp(squares: np.ndarray) -> np.ndarray:
    """Squares over the sum of those that are not smaller; 0 where a square is 0. `(units,)`."""
    ascending = np.sort(squares)
    not_smaller = np.cumsum(ascending[::-1])[::-1][np.searchsorted(ascending, squares)]
    shares: np.ndarray = np.divide(squares, not_smaller, out=np.zeros_like(squares), where=squares > 0)
    return shares


def _squares(subject: Subject) -> UnitSums:
    sums = UnitSums(subject.shape)
    for layout, weight in own_weights(subject):
        sums.add(layout, weight.square())
    return sums

"""A network whose truth is known: which examples each of its sub-networks gets right. Needs numpy only.

Six blocks of twelve heads and 1,536 neurons, like MiniLM's, on two classes. A sub-network's margin on an
example is what the full model has there, shrunk and moved by the damage of what it lacks:

    margin = ability · exp(−damage) − sensitivity · damage + deviation + label · bias

Damage is a sum over sub-layers that rises the faster the less is kept, plus products of pairs. The deviation
is a fixed random function of example and sub-layers, so that neighbouring sub-networks agree on most
examples. Constants are set by 200 sub-networks of a MiniLM trained on SST-2; docs/search-benchmarks.md
compares both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

NUM_LABELS: Final = 2
#: Damage of a model without any unit, and the share of it that comes from pairs of sub-layers.
_TOTAL_DAMAGE: Final = 2.0
_PAIRS: Final = 0.75
#: The full model's margin is this, less a Gamma variable of shape and scale.
_BEST_MARGIN: Final = 4.6
_SHORTFALL: Final = (0.8, 2.3)
_SENSITIVITY: Final = 0.05
_DEVIATION: Final = 5.0
_BIAS: Final = 0.6
#: How sharply the damage of a sub-layer rises with the share removed, from the first to the last unit.
_SHARPNESS: Final = (2.5, 6.0)
#: A margin of a sub-network without any block.
_NOTHING: Final = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """Units that a sub-network keeps, one entry a block.

    Attributes:
        heads: of each block, 0 removes its attention.
        neurons: of each block, 0 removes its feed-forward.
    """

    heads: tuple[int, ...]
    neurons: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """Of the full model; the defaults are MiniLM's, heads of 32 channels."""

    layers: int = 6
    heads: int = 12
    neurons: int = 1536
    hidden: int = 384
    vocabulary: int = 30_522
    positions: int = 512
    neuron_step: int = 96

    def num_parameters(self, kept: Kept) -> int:
        """All weights of a BERT classifier with that much kept."""
        d, width = self.hidden, self.hidden // self.heads
        embeddings = (self.vocabulary + self.positions + 2) * d + 2 * d
        head = d * d + d + NUM_LABELS * d + NUM_LABELS
        total = embeddings + head
        for heads, neurons in zip(kept.heads, kept.neurons, strict=True):
            inner = heads * width
            total += (3 * (d + 1) * inner + inner * d + 3 * d) if heads else 0
            total += ((d + 1) * neurons + neurons * d + 3 * d) if neurons else 0
        return total

    @property
    def full(self) -> Kept:
        """The whole model."""
        return Kept(heads=(self.heads,) * self.layers, neurons=(self.neurons,) * self.layers)


class Oracle:
    """Answers for any sub-network on any examples, and counts both.

    Args:
        seed: of the truth.
        examples: that there are.
        sizes: of the full model.

    Attributes:
        labels: 0 or 1, `(examples,)`.
        asked: examples that were asked for so far, repetitions included.
    """

    def __init__(self, seed: int = 0, *, examples: int = 872, sizes: Sizes | None = None) -> None:
        self.sizes = sizes or Sizes()
        self.asked = 0
        parts = 2 * self.sizes.layers
        generator = np.random.default_rng([seed, 7])
        self.labels: Integers = generator.integers(0, NUM_LABELS, examples)
        shape, scale = _SHORTFALL
        self._ability: Floats = _BEST_MARGIN - generator.gamma(shape, scale, examples)
        self._sensitivity: Floats = generator.lognormal(0.0, 0.6, examples)
        self._weights = _shares(generator, parts)
        self._sharpness: Floats = generator.uniform(*_SHARPNESS, parts)
        self._pairs = _pairs(generator, self._weights)
        self._directions: Floats = generator.standard_normal((examples, parts))
        self._tilt: Floats = generator.standard_normal(parts)

    def __len__(self) -> int:
        return len(self.labels)

    def margins(self, kept: Kept, rows: Integers) -> Floats:
        """Logit of the right class less that of the wrong one, `(len(rows),)`."""
        self.asked += len(rows)
        lost = self._lost(kept)
        additive = self._weights * lost
        damage = _TOTAL_DAMAGE * float(additive.sum() + lost @ self._pairs @ lost)
        strength = np.sqrt(additive)
        deviation = _DEVIATION * self._directions[rows] @ strength
        bias = _BIAS * float(self._tilt @ strength) * (2 * self.labels[rows] - 1)
        if not any(kept.heads) and not any(kept.neurons):
            return np.asarray(_NOTHING * (2 * self.labels[rows] - 1), dtype=np.float64)
        shrunk = self._ability[rows] * math.exp(-damage) + deviation * math.exp(-damage / 2)
        moved = bias - _SENSITIVITY * damage * self._sensitivity[rows]
        return np.asarray(shrunk + moved, dtype=np.float64)

    def logits(self, kept: Kept, rows: Integers) -> Floats:
        """Logits `(len(rows), 2)` with that margin."""
        signed = self.margins(kept, rows) * (2 * self.labels[rows] - 1) / 2
        return np.stack([-signed, signed], axis=1)

    def accuracy(self, kept: Kept, rows: Integers | None = None) -> float:
        """Share of the examples that it gets right, of all unless rows are named."""
        asked = np.arange(len(self)) if rows is None else rows
        return float(np.mean(self.margins(kept, asked) > 0))

    def _lost(self, kept: Kept) -> Floats:
        """By sub-layer, 0 where all is kept, 1 where nothing is: attention of all blocks, then the others."""
        heads = 1 - np.array(kept.heads) / self.sizes.heads
        neurons = 1 - np.array(kept.neurons) / self.sizes.neurons
        removed = np.concatenate([heads, neurons])
        rise: Floats = np.expm1(self._sharpness * removed) / np.expm1(self._sharpness)
        return rise


def _shares(generator: np.random.Generator, parts: int) -> Floats:
    """What each sub-layer adds to the damage; a few matter most."""
    drawn = generator.lognormal(0.0, 0.7, parts)
    shares: Floats = (1 - _PAIRS) * drawn / drawn.sum()
    return shares


def _pairs(generator: np.random.Generator, weights: Floats) -> Floats:
    """What pairs add, above the diagonal: more where both matter, and neighbours' losses add up most."""
    strength = np.sqrt(np.outer(weights, weights)) * generator.lognormal(0.0, 0.8, (len(weights),) * 2)
    distance = np.abs(np.subtract.outer(np.arange(len(weights)), np.arange(len(weights))))
    upper = np.triu(strength / np.maximum(distance, 1), k=1)
    pairs: Floats = _PAIRS * upper / upper.sum()
    return pairs

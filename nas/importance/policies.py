"""Fixed orders in which layers are dropped, whatever the weights: baselines of depth.

Source: Sajjad et al. 2023 (Poor Man's BERT, arXiv 2004.03844), Sec. 3. In an encoder-decoder each stack
follows the policy by itself, and both lose layers in proportion.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

import numpy as np

from nas.importance.base import Scores, Static, Subject
from nas.importance.depth import anchors, positions

_SOURCE: Final = "Sajjad et al. 2023, arXiv 2004.03844"


class LayerPolicy(Static):
    """A rule that says which of a number of layers goes first."""

    source = _SOURCE
    axes = frozenset({"layers"})

    @abstractmethod
    def order(self, depth: int) -> list[int]:
        """Layers of a stack from the first to the last to drop."""

    def score_units(self, subject: Subject, seed: int) -> Scores:
        """Seed is ignored; blocks that must stay are moved to the end."""
        del seed
        scores = np.zeros(subject.shape.num_hidden_layers)
        for stack in subject.shape.stacks:
            scores[stack.start : stack.stop] = (positions(self.order(len(stack))) + 1) / len(stack)
        scores[sorted(anchors(subject.shape))] = 2.0  # the others end at 1
        return Scores(layers=scores)


class TopPolicy(LayerPolicy):
    """The layers next to the output go first."""

    name = "top"

    def order(self, depth: int) -> list[int]:
        """From the last to the first."""
        return list(reversed(range(depth)))


class BottomPolicy(LayerPolicy):
    """The layers next to the input go first."""

    name = "bottom"

    def order(self, depth: int) -> list[int]:
        """From the first to the last."""
        return list(range(depth))


class AlternatePolicy(LayerPolicy):
    """Every second layer goes first, from the output on; then the others likewise."""

    name = "alternate"

    def order(self, depth: int) -> list[int]:
        """Second, fourth, ... layer counted from 1, the uppermost first; the source's even-alternate."""
        return [*reversed(range(1, depth, 2)), *reversed(range(0, depth, 2))]


class SymmetricPolicy(LayerPolicy):
    """The layers in the middle go first; top and bottom stay alike."""

    name = "symmetric"

    def order(self, depth: int) -> list[int]:
        """From the middle outwards, of two at the same distance the upper one first."""
        return sorted(range(depth), key=lambda layer: (abs(2 * layer - depth + 1), -layer))

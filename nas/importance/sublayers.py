"""The units that an allocation gives out: key-value heads and groups of neurons, sub-layer by sub-layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nas.importance.base import Scores
from search_spaces import Costs, LayerUnits, ModelShape, SubnetConfig, Workload, cost

#: Kept key-value heads and neurons of a layer.
Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class SubLayers:
    """Scores of a model's units, best first in each sub-layer.

    Attributes:
        shape: of the full model.
        heads: for each layer the score of each key-value head, that of its query heads together.
        ffn: for each layer the score of each group of neurons, that of its neurons together.
        ffn_step: neurons of a group; the last group of a layer may have fewer.
    """

    shape: ModelShape
    heads: Sequence[np.ndarray]
    ffn: Sequence[np.ndarray]
    ffn_step: int = 1

    @staticmethod
    def of(scores: Scores, shape: ModelShape, ffn_step: int) -> SubLayers:
        """Group and sort scores of query heads and neurons, in any order of the units; zeros where missing.

        Query heads stay with their key-value head. Blocks that must keep the same heads share the means of
        their scores.
        """
        heads = scores.heads or [np.zeros(full.num_attention_heads) for full in shape.layers]
        ffn = scores.ffn or [np.zeros(full.intermediate_size) for full in shape.layers]
        grouped = [
            row.reshape(full.num_key_value_heads, -1).sum(axis=1)
            for row, full in zip(heads, shape.layers, strict=True)
        ]
        if shape.has_shared_heads:
            grouped = [np.mean(grouped, axis=0)] * len(grouped)
        grouped = [np.sort(row)[::-1] for row in grouped]
        groups = [np.add.reduceat(np.sort(row)[::-1], np.arange(0, len(row), ffn_step)) for row in ffn]
        return SubLayers(shape=shape, heads=grouped, ffn=groups, ffn_step=ffn_step)

    @property
    def least_heads(self) -> int:
        """Key-value heads that every block keeps: one where the first makes position biases for all."""
        return int(self.shape.has_shared_heads)

    @property
    def sizes(self) -> list[Size]:
        """All units of each layer."""
        return [(len(heads), len(ffn)) for heads, ffn in zip(self.heads, self.ffn, strict=True)]

    def neurons(self, layer: int, groups: int) -> int:
        """Neurons of the first groups of a layer."""
        return min(groups * self.ffn_step, self.shape.layers[layer].intermediate_size)

    @cached_property
    def full_parameters(self) -> int:
        """Weights of the full model."""
        return self.parameters(SubnetConfig.full(self.shape))

    def config(self, sizes: Sequence[Size]) -> SubnetConfig:
        """The sub-network that keeps so many key-value heads and groups of neurons in each layer."""
        layers = [
            LayerUnits(
                heads=heads,
                queries=full.queries_per_head if heads else 0,
                ffn=self.neurons(index, groups),
            )
            for index, ((heads, groups), full) in enumerate(zip(sizes, self.shape.layers, strict=True))
        ]
        config = SubnetConfig(hidden=self.shape.hidden_size, layers=tuple(layers))
        return config.canonical(self.shape)

    def parameters(self, config: SubnetConfig) -> int:
        """Exact number of weights."""
        costs: Costs = cost(self.shape, config, Workload())
        return costs.num_parameters

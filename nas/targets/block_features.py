"""What a sub-network's latency is a sum of: its blocks by size, and how they act on each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from search_spaces import LayerShape, ModelShape, SubnetConfig
from search_spaces.units import count

Array = npt.NDArray[np.float64]

#: Sizes, as shares of the full one, at which a latency table may bend.
_KNOTS: Final = np.arange(1, 8) / 8
_HIDDEN_KNOTS: Final = np.array([0.25, 0.5, 0.75])


@dataclass(frozen=True, kw_only=True)
class Widths:
    """How many columns of each kind a row has, in this order.

    Attributes:
        linear: a constant, the embedding dimension, and each kind of sub-layer by number and units.
        table: bends of the latency tables by size.
        residual: what sums over blocks cannot say: squares and products of the sums.
    """

    linear: int
    table: int
    residual: int


class BlockFeatures:
    """Turns a sub-network into the numbers that its latency is linear in.

    A table for each stack of blocks and each kind of sub-layer: piecewise linear in the units kept, as a
    truncated-power basis (Ruppert, Wand and Carroll 2003, Semiparametric Regression, Sec. 3.5). Blocks share
    it, whatever their position. Sums over blocks are divided by the model's depth: they lie in 0 to 1.
    """

    def __init__(self, shape: ModelShape) -> None:
        self._shape = shape
        self._largest = tuple(_largest(shape, stack) for stack in shape.stacks)
        row = self._groups(SubnetConfig.full(shape))
        self.widths = Widths(linear=len(row[0]), table=len(row[1]), residual=len(row[2]))

    def row(self, config: SubnetConfig) -> Array:
        """Features of a sub-network, `(linear + table + residual,)`; equal for equal shapes."""
        return np.concatenate(self._groups(config))

    def _groups(self, config: SubnetConfig) -> tuple[Array, Array, Array]:
        hidden = count(config.hidden) / self._shape.hidden_size
        linear, table = [np.array([1.0, hidden])], []
        sums = np.zeros(4)
        for stack, largest in zip(self._shape.stacks, self._largest, strict=True):
            kept = [units for units in config.layers[stack.start : stack.stop] if units is not None]
            heads = _shares([units.num_attention_heads for units in kept], largest[0])
            pairs = _shares([count(units.heads) for units in kept], largest[1])
            neurons = _shares([count(units.ffn) for units in kept], largest[2])
            for shares in (heads, neurons):
                total = np.array([len(shares), shares.sum()])
                linear += [total, total * hidden]
                table.append(np.maximum(0.0, shares[:, None] - _KNOTS).sum(axis=0) * hidden)
            linear.append(np.array([pairs.sum() * hidden]))
            sums += [len(heads), heads.sum() * hidden, len(neurons), neurons.sum() * hidden]
        depth = len(self._shape.layers)
        linear[1:] = [part / depth for part in linear[1:]]
        return np.concatenate(linear), np.concatenate(table) / depth, _residual(sums / depth, hidden)


def _largest(shape: ModelShape, stack: range) -> tuple[int, int, int]:
    """Query heads, key-value heads and neurons of a stack's widest blocks."""
    layers: tuple[LayerShape, ...] = shape.layers[stack.start : stack.stop]
    return (
        max(layer.num_attention_heads for layer in layers),
        max(layer.num_key_value_heads for layer in layers),
        max(layer.intermediate_size for layer in layers),
    )


def _shares(sizes: list[int], largest: int) -> Array:
    """Shares of the largest size, of the sub-layers that are kept, ascending: equal shapes, equal sums."""
    return np.array(sorted(size / largest for size in sizes if size), dtype=np.float64)


def _residual(sums: Array, hidden: float) -> Array:
    """Products of the sums over all blocks, and bends along the embedding dimension."""
    upper = np.triu_indices(len(sums))
    bends = np.maximum(0.0, hidden - _HIDDEN_KNOTS) * (sums[1] + sums[3])
    return np.concatenate([np.outer(sums, sums)[upper], bends])

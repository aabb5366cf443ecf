"""Strategies that make their own sub-networks: a nested list, dropped layers, a space that widens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from nas.errors import ConfigError
from nas.training.strategy import Pass, Step, Strategy
from search_spaces import Dimension, SearchSpace, SubnetConfig
from search_spaces.units import indices

_DEPTHS: Final = ("num_hidden_layers", "num_encoder_layers", "num_decoder_layers")


@dataclass(frozen=True, kw_only=True)
class Sorted(Strategy):
    """Different members of a nested list on different mini-batches, one update for all.

    Source: Valipour et al. 2023 (SortedNet, arXiv 2309.00255): draws from the list are uniform, and the loss
    that of the labels alone, which a frozen teacher changes. Here the draws of one update differ.

    Attributes:
        size: sub-networks of the list, the smallest and the full network included.
        batches: mini-batches of one update.
    """

    size: int = 8
    batches: int = 4
    name: ClassVar[str] = "sorted"

    def __post_init__(self) -> None:
        if not 2 <= self.batches <= self.size:
            raise ConfigError(
                f"batches is {self.batches}, size {self.size}; an update takes at least 2 mini-batches, each "
                "with another of the list's sub-networks"
            )

    @property
    def passes_a_step(self) -> int:
        """See `Strategy.passes_a_step`."""
        return self.batches

    @property
    def batches_a_step(self) -> int:
        """See `Strategy.batches_a_step`."""
        return self.batches

    def passes(self, step: Step) -> Sequence[Pass]:
        """One pass a mini-batch.

        Raises:
            ConfigError: the space's ladder is not nested.
        """
        if step.number == 0:
            self._check(step)
        chosen = step.generator.choice(self.size, size=self.batches, replace=False)
        return [Pass(self.member(int(rank), step), batch=batch) for batch, rank in enumerate(chosen)]

    def member(self, rank: int, step: Step) -> SubnetConfig:
        """A sub-network of the list, 0 the smallest, `size - 1` the full network."""
        return step.full if rank == self.size - 1 else step.space.at_fraction(rank / (self.size - 1))

    def _check(self, step: Step) -> None:
        ladder = [self.member(rank, step) for rank in range(self.size)]
        if not all(_is_within(small, large) for small, large in pairwise(ladder)):
            raise ConfigError(
                f"strategy sorted needs nested sub-networks, but the {step.space.kind} space keeps other "
                "layers at other sizes; choose uniform or medium"
            )


@dataclass(frozen=True, kw_only=True)
class LayerDrop(Strategy):
    """The full network without some of its blocks, each dropped with the same probability.

    At least one block of a stack stays, and the first one where it makes position biases for the others.

    Source: Fan et al. 2020 (arXiv 1909.11556), Sec. 3.2: 0.2 by default.
    """

    probability: float = 0.2
    name: ClassVar[str] = "layerdrop"
    passes_a_step: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not 0 < self.probability < 1:
            raise ConfigError(f"probability is {self.probability}; it must lie between 0 and 1")

    def passes(self, step: Step) -> Sequence[Pass]:
        """One draw; the space does not matter."""
        shape, layers = step.space.shape, list(step.full.layers)
        for stack in shape.stacks:
            is_dropped = step.generator.random(len(stack)) < self.probability
            spared = 0 if shape.has_shared_heads else int(step.generator.integers(len(stack)))
            if is_dropped.all() or shape.has_shared_heads:
                is_dropped[spared] = False
            for index in np.flatnonzero(is_dropped):
                layers[stack.start + int(index)] = None
        return [Pass(replace(step.full, layers=tuple(layers)))]


class Progressive(Strategy):
    """Progressive shrinking: the full network, then also smaller depths, then smaller widths.

    Depths and widths open in two phases each, the upper half of their values first. A step trains one
    sub-network while everything is closed, two while depths open, four while widths do.

    Source: Cai et al. 2020 (Once-for-All, arXiv 1908.09791), Sec. 3.3. Theirs distils from the full network
    trained before, which a frozen teacher gives, and has its phases' lengths in epochs; here they share the
    steps equally. A phase that opens nothing new is left out.
    """

    name = "progressive"
    passes_a_step = 4

    def passes_by_step(self, num_steps: int, space: SearchSpace) -> npt.NDArray[np.int64]:
        """See `Strategy.passes_by_step`."""
        counts = np.array([phase.count for phase in _phases(space.dimensions)])
        return counts[np.arange(num_steps) * len(counts) // num_steps]

    def passes(self, step: Step) -> Sequence[Pass]:
        """Draws from what is open."""
        phases = _phases(step.space.dimensions)
        phase = phases[step.number * len(phases) // step.num_steps]
        return [Pass(_draw(step, phase.values)) for _ in range(phase.count)]


@dataclass(frozen=True, slots=True)
class _Phase:
    """A part of the run: the values that are open in each dimension, and sub-networks a step."""

    values: tuple[tuple[int, ...], ...]
    count: int


def _phases(dimensions: Sequence[Dimension]) -> list[_Phase]:
    phases: list[_Phase] = []
    for number, count in enumerate((1, 2, 2, 4, 4)):
        values = tuple(_open_values(d, number if is_depth(d) else number - 2) for d in dimensions)
        if not phases or values != phases[-1].values:
            phases.append(_Phase(values, count))
    return phases


def _open_values(dimension: Dimension, opened: int) -> tuple[int, ...]:
    """The largest value, from 1 on the upper half of them, from 2 on all."""
    values = dimension.values
    if opened <= 0:
        return values[-1:]
    return values[len(values) // 2 :] if opened == 1 else values


def is_depth(dimension: Dimension) -> bool:
    """Whether a dimension says how many, or which, layers or sub-layers are kept."""
    return dimension.name in _DEPTHS or set(dimension.values) <= {0, 1}


def _draw(step: Step, opened: Sequence[tuple[int, ...]]) -> SubnetConfig:
    pairs = zip(step.space.dimensions, opened, strict=True)
    drawn = {d.name: d.to_parameter(values[int(step.generator.integers(len(values)))]) for d, values in pairs}
    return step.space.decode(step.space.repaired(drawn))


def _is_within(small: SubnetConfig, large: SubnetConfig) -> bool:
    if not set(indices(small.hidden)) <= set(indices(large.hidden)):
        return False
    for ours, theirs in zip(small.layers, large.layers, strict=True):
        if ours is None:
            continue
        if theirs is None:
            return False
        pairs = ((ours.heads, theirs.heads), (ours.queries, theirs.queries), (ours.ffn, theirs.ffn))
        if not all(set(indices(a)) <= set(indices(b)) for a, b in pairs if indices(a)):
            return False
    return True

"""The sub-networks of a space with the least additive loss under budgets of parameters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from nas.search.design.descent import num_parameters
from nas.search.design.slots import Slot, config_of, merged, slots_of, thinned
from search_spaces import SearchSpace, SubnetConfig

#: Ways of filling the slots of one layer, and those that shape all layers, that are looked at.
MOST_OPTIONS: Final = 256
MOST_COMMON: Final = 32
#: The same where no slot belongs to a layer, so that all points are looked at one by one.
MOST_POINTS: Final = 8192
#: Non-dominated partial sums kept after each layer; below it the result is the best there is.
MOST_STATES: Final = 4096

#: What a sub-network loses; additive over layers.
Increase = Callable[[SubnetConfig], float]


@dataclass(frozen=True, kw_only=True)
class Option:
    """A way of filling the slots of one layer, and what it adds to the smallest one."""

    filling: Mapping[str, int]
    cost: int
    loss: float


@dataclass(frozen=True, kw_only=True)
class _State:
    """Choices so far, as costs and losses of the non-dominated ones by rising cost, and who chose what.

    Attributes:
        choices: option of each layer, `(states, layers)`.
    """

    costs: np.ndarray
    losses: np.ndarray
    choices: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A solution: flat parameters, weights and additive loss."""

    parameters: Mapping[str, int]
    cost: int
    loss: float


def best_points(space: SearchSpace, increase: Increase) -> list[Candidate]:
    """Points of a space that none is both cheaper and better than, by rising cost.

    A multiple-choice knapsack, one choice a layer, solved for every budget at once by dynamic programming
    over the sums that no other sum dominates. Slots that shape all layers are tried one by one. Where the
    space has rules, costs and losses hold for points that obey them, and are near for others.

    Source: Puzzle (Bercovich et al. 2024, arXiv 2411.19146) chooses blocks so; the method is Nemhauser and
    Ullmann 1969.

    Args:
        space: whose points they are.
        increase: of the loss of a canonical sub-network; additive over layers.
    """
    slots = slots_of(space)
    found: list[Candidate] = []
    by_layer: dict[int, list[Slot]] = {}
    for slot in slots:
        if slot.layer is not None:
            by_layer.setdefault(slot.layer, []).append(slot)
    common = [slot for slot in slots if slot.layer is None]
    layers = list(by_layer.values())
    for filling in _fillings(common, MOST_COMMON if layers else MOST_POINTS):
        found += _solved(space, increase, filling, layers)
    kept = frontier(np.array([one.cost for one in found]), np.array([one.loss for one in found]))
    return [found[int(index)] for index in kept]


def frontier(costs: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Indices of the entries whose loss no cheaper or equally cheap one reaches, by rising cost."""
    order = np.lexsort((losses, costs))
    if not len(order):
        return order
    before = np.concatenate([[np.inf], np.minimum.accumulate(losses[order])[:-1]])
    kept: np.ndarray = order[losses[order] < before]
    return kept


def _solved(
    space: SearchSpace, increase: Increase, common: Mapping[str, int], layers: Sequence[Sequence[Slot]]
) -> list[Candidate]:
    """The front of all points with the same sizes common to all layers."""
    lowest = {**common, **merged([slot.fillings[0] for slots in layers for slot in slots])}
    base = config_of(space, lowest)
    base_cost, base_loss = num_parameters(base, space), increase(base)
    options = []
    for slots in layers:
        own = []
        for filling in _fillings(slots, MOST_OPTIONS):
            config = config_of(space, {**lowest, **filling})
            extra = num_parameters(config, space) - base_cost
            own.append(Option(filling=filling, cost=extra, loss=increase(config) - base_loss))
        options.append(own)
    state = solve(options)
    return [
        Candidate(
            parameters={**common, **merged([own[i].filling for own, i in zip(options, row, strict=True)])},
            cost=base_cost + int(cost),
            loss=base_loss + float(loss),
        )
        for cost, loss, row in zip(state.costs, state.losses, state.choices, strict=True)
    ]


def solve(layers: Sequence[Sequence[Option]]) -> _State:
    """All non-dominated ways of choosing one option of each layer."""
    state = _State(
        costs=np.zeros(1, dtype=np.int64), losses=np.zeros(1), choices=np.zeros((1, 0), dtype=np.int64)
    )
    for options in layers:
        own_costs = np.array([option.cost for option in options], dtype=np.int64)
        own_losses = np.array([option.loss for option in options])
        useful = frontier(own_costs, own_losses)
        costs = (state.costs[:, None] + own_costs[useful]).reshape(-1)
        losses = (state.losses[:, None] + own_losses[useful]).reshape(-1)
        kept = _spaced(frontier(costs, losses), MOST_STATES)
        before, choice = np.divmod(kept, len(useful))
        choices = np.concatenate([state.choices[before], useful[choice][:, None]], axis=1)
        state = _State(costs=costs[kept], losses=losses[kept], choices=choices)
    return state


def _spaced(indices: np.ndarray, most: int) -> np.ndarray:
    if len(indices) <= most:
        return indices
    chosen: np.ndarray = indices[np.unique(np.linspace(0, len(indices) - 1, most).round().astype(int))]
    return chosen


def _fillings(slots: Sequence[Slot], most: int) -> Iterator[dict[str, int]]:
    """Every way of filling some slots; longer ones are thinned until there are at most so many."""
    sizes = [len(slot.fillings) for slot in slots]
    while math.prod(sizes) > most and max(sizes) > 2:
        sizes[sizes.index(max(sizes))] -= 1
    kept = [thinned(slot, size) for slot, size in zip(slots, sizes, strict=True)]
    return (merged(chosen) for chosen in itertools.product(*(slot.fillings for slot in kept)))

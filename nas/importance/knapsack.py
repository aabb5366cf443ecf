"""The sizes of all layers with the largest sum of scores under a budget of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from nas.importance.sublayers import Size, SubLayers
from search_spaces import LayerUnits, SubnetConfig

#: Non-dominated partial sums kept after each layer, and sizes considered of a layer. Below it the result is
#: the best there is; above it, evenly spaced ones are kept.
MAX_STATES: Final = 4096
_MAX_SIZES: Final = 512
_UNBOUNDED: Final = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, kw_only=True)
class _States:
    """Choices for the layers so far, none of which is cheaper and better than another; by rising cost."""

    costs: np.ndarray
    values: np.ndarray
    nodes: np.ndarray


@dataclass(frozen=True, kw_only=True)
class _Options:
    """Sizes that a layer can have, besides being dropped."""

    costs: np.ndarray
    values: np.ndarray
    heads: np.ndarray
    groups: np.ndarray


@dataclass
class _History:
    """What each state chose for its last kept layer, and the state before it; node 0 has chosen nothing.

    Attributes:
        bound: costs that no state exceeds.
    """

    bound: int
    rows: list[np.ndarray] = field(default_factory=lambda: [np.full((1, 4), -1)])
    count: int = 1

    def add(self, parents: np.ndarray, layer: int, heads: np.ndarray, groups: np.ndarray) -> np.ndarray:
        nodes = np.arange(self.count, self.count + len(parents))
        self.rows.append(np.stack([parents, np.full(len(parents), layer), heads, groups], axis=1))
        self.count += len(parents)
        return nodes

    def sizes(self, node: int, depth: int) -> list[Size]:
        table = np.concatenate(self.rows)
        found = [(0, 0)] * depth
        while node > 0:
            node, layer, heads, groups = (int(value) for value in table[node])
            found[layer] = (heads, groups)
        return found


def best_sizes(units: SubLayers, limit: int) -> tuple[int, list[Size] | None]:
    """Parameters of the smallest sub-network, and the best sizes within a limit if there are any.

    A multiple-choice knapsack, one choice a layer, solved by dynamic programming over the sums that no other
    sum dominates; exact costs are carried along, so the limit holds.

    Source: Puzzle's choice of blocks (Bercovich et al. 2024, arXiv 2411.19146) is this problem; the method
    is Nemhauser and Ullmann 1969. Where blocks share their heads, it is solved for each number of them.
    """
    shared = range(1, len(units.heads[0]) + 1) if units.shape.has_shared_heads else (None,)
    tables = [_tables(units, heads) for heads in shared]
    found = [_solve(units, table, limit) for table in tables]
    feasible = [(value, sizes) for _, value, sizes in found if sizes is not None]
    if feasible:
        return 0, max(feasible, key=lambda pair: pair[0])[1]
    return min(_solve(units, table, None)[0] for table in tables), None


def _solve(
    units: SubLayers, options: Sequence[_Options], limit: int | None
) -> tuple[int, float, list[Size] | None]:
    """Cost of the cheapest states, and value and sizes of the best one."""
    nothing = SubnetConfig(hidden=units.shape.hidden_size, layers=(None,) * len(options))
    history = _History(bound=_UNBOUNDED if limit is None else limit)
    zero = np.zeros(1, dtype=np.int64)
    states = _States(costs=zero + units.parameters(nothing), values=np.zeros(1), nodes=zero)
    for stack in units.shape.stacks:
        empty: _States | None = states
        kept: _States | None = None
        for index in stack:
            sources = [source for source in (empty, kept) if source is not None]
            kept = _extended(options[index], index, sources=sources, kept=kept, history=history)
            if units.least_heads:  # the first block of the stack is not dropped
                empty = None
        assert kept is not None
        states = kept
    if not len(states.costs):
        return 0, 0.0, None
    sizes = history.sizes(int(states.nodes[-1]), len(options))
    return int(states.costs[0]), float(states.values[-1]), sizes


def _extended(
    options: _Options,
    layer: int,
    *,
    sources: Sequence[_States],
    kept: _States | None,
    history: _History,
) -> _States:
    """States after a layer: those that drop it, and those that keep any of its sizes."""
    costs, values, parents, choices = [], [], [], []
    for source in sources:
        grid = np.indices((len(source.costs), len(options.costs))).reshape(2, -1)
        costs.append(source.costs[grid[0]] + options.costs[grid[1]])
        values.append(source.values[grid[0]] + options.values[grid[1]])
        parents.append(source.nodes[grid[0]])
        choices.append(grid[1])
    if kept is not None:
        costs.append(kept.costs)
        values.append(kept.values)
        parents.append(kept.nodes)
        choices.append(np.full(len(kept.costs), -1))
    cost, value = np.concatenate(costs), np.concatenate(values)
    chosen = _frontier(cost, value, bound=history.bound, most=MAX_STATES)
    parent, choice = np.concatenate(parents)[chosen], np.concatenate(choices)[chosen]
    is_new = choice >= 0
    nodes = parent.copy()
    nodes[is_new] = history.add(
        parent[is_new], layer, options.heads[choice[is_new]], options.groups[choice[is_new]]
    )
    return _States(costs=cost[chosen], values=value[chosen], nodes=nodes)


def _frontier(costs: np.ndarray, values: np.ndarray, *, bound: int, most: int) -> np.ndarray:
    """Indices of the entries within a bound that no cheaper one reaches in value, by rising cost."""
    inside = np.flatnonzero(costs <= bound)
    order = inside[np.lexsort((-values[inside], costs[inside]))]
    if not len(order):
        return order
    before = np.concatenate([[-np.inf], np.maximum.accumulate(values[order])[:-1]])
    front: np.ndarray = order[values[order] > before]
    if len(front) <= most:
        return front
    thinned: np.ndarray = front[np.unique(np.linspace(0, len(front) - 1, most).round().astype(int))]
    return thinned


def _tables(units: SubLayers, shared_heads: int | None) -> list[_Options]:
    """Sizes of each layer with their costs and scores; with so many heads or none where they are shared."""
    nothing = SubnetConfig(hidden=units.shape.hidden_size, layers=(None,) * len(units.heads))
    outside = units.parameters(nothing)
    firsts = {stack.start for stack in units.shape.stacks}
    tables = []
    for index, (most_heads, most_groups) in enumerate(units.sizes):
        heads = np.arange(most_heads + 1)
        if shared_heads is not None:
            heads = np.array([shared_heads] if index in firsts else [0, shared_heads])
        tables.append(_options(units, index, heads, np.arange(most_groups + 1), outside))
    return tables


def _options(units: SubLayers, index: int, heads: np.ndarray, groups: np.ndarray, outside: int) -> _Options:
    """Every pair of sizes of a layer but none at all, those that others dominate left out."""
    full = units.shape.layers[index]

    def parameters(number: int, group: int) -> int:
        queries = full.queries_per_head if number else 0
        layer = LayerUnits(heads=number, queries=queries, ffn=units.neurons(index, group))
        layers = [None] * len(units.heads)
        alone = SubnetConfig(
            hidden=units.shape.hidden_size, layers=(*layers[:index], layer, *layers[index + 1 :])
        )
        return units.parameters(alone) - outside

    # Weights that both sub-layers need are in the cost of each.
    common = parameters(1, 0) + parameters(0, 1) - parameters(1, 1)
    head_costs = np.array([parameters(int(n), 0) if n else common for n in heads], dtype=np.int64)
    group_costs = np.array([parameters(0, int(n)) if n else common for n in groups], dtype=np.int64)
    head_values = np.concatenate([[0.0], np.cumsum(units.heads[index])])[heads]
    group_values = np.concatenate([[0.0], np.cumsum(units.ffn[index])])[groups]
    rows, columns = np.indices((len(heads), len(groups))).reshape(2, -1)
    some = (heads[rows] > 0) | (groups[columns] > 0)
    rows, columns = rows[some], columns[some]
    costs = head_costs[rows] + group_costs[columns] - common
    values = head_values[rows] + group_values[columns]
    chosen = _frontier(costs, values, bound=_UNBOUNDED, most=_MAX_SIZES)
    return _Options(
        costs=costs[chosen],
        values=values[chosen],
        heads=heads[rows][chosen],
        groups=groups[columns][chosen],
    )

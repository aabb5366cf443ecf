"""From the largest sub-network down, each time by the move that costs least loss per saved parameter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from nas.search.design.block_scores import BlockScores
from nas.search.design.slots import Slot, config_of, merged, slots_of
from search_spaces import SearchSpace, SubnetConfig, Workload, cost

#: Times that the best moves are measured anew on the way down, and how many of them.
RECHECKS: Final = 6
RECHECKED_MOVES: Final = 5

#: Keeps the corrections finite where nothing varies, nats.
_LEAST_NOISE: Final = 1e-6

#: Mean loss of a sub-network.
Loss = Callable[[SubnetConfig], float]


@dataclass(frozen=True, kw_only=True)
class Point:
    """A sub-network on a path.

    Attributes:
        cost: weights.
        increase: of the loss by the additive block scores.
    """

    config: SubnetConfig
    cost: int
    increase: float


@dataclass(frozen=True, kw_only=True)
class _Move:
    """A slot filled less, and what it changes; this holds whatever other layers do meanwhile."""

    slot: int
    filling: int
    increase: float
    saved: int

    def rate(self, factor: float) -> float:
        return factor * self.increase / self.saved


def num_parameters(config: SubnetConfig, space: SearchSpace) -> int:
    """Weights of a canonical sub-network of the space's model."""
    return cost(space.shape, config, Workload()).num_parameters


def descend(space: SearchSpace, scores: BlockScores, *, loss: Loss | None = None) -> list[Point]:
    """A path from the largest to the smallest point of a space.

    A move empties one slot further, by one step or more, where the loss increases least for each parameter
    saved: by the block scores, corrected by what the best moves really cost where they were measured anew,
    `RECHECKS` times at even distances.

    Source: NetAdapt (Yang et al. 2018, arXiv 1804.03230), and SLEB (Song et al. 2024, arXiv 2402.09025) for
    whole blocks. Both measure every move at every step.

    Args:
        space: where the path runs.
        scores: of the sub-layers.
        loss: measures a sub-network; None trusts the scores all the way.
    """
    walk = _Walk(space=space, scores=scores, slots=slots_of(space))
    path = [walk.here]
    span = walk.here.cost - num_parameters(space.smallest(), space)
    checks = [walk.here.cost - span * step // (RECHECKS + 1) for step in range(1, RECHECKS + 1)]
    while walk.advance():
        if walk.here.cost < path[-1].cost:  # a repair of broken rules may have grown something else
            path.append(walk.here)
        if loss is not None and checks and walk.here.cost <= checks[0]:
            checks = [check for check in checks if check < walk.here.cost]
            walk.recheck(loss)
    return path


@dataclass(kw_only=True)
class _Walk:
    """Where a descent is, and the best move of each slot as long as it holds."""

    space: SearchSpace
    scores: BlockScores
    slots: Sequence[Slot]
    fillings: list[int] = field(init=False)
    here: Point = field(init=False)
    factors: dict[int, float] = field(default_factory=dict)
    moves: dict[int, _Move | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fillings = [len(slot.fillings) - 1 for slot in self.slots]
        self.here = self._point(self.fillings)

    def advance(self) -> bool:
        """Make the best move; False where none is left."""
        ranked = self._ranked()
        if not ranked:
            return False
        move = ranked[0]
        self.fillings[move.slot] = move.filling
        self.here = self._point(self.fillings)
        layer = self.slots[move.slot].layer
        # What a move saves depends on its own layer, and on what shapes all layers.
        for number, slot in enumerate(self.slots):
            if layer is None or slot.layer in (None, layer):
                self.moves.pop(number, None)
        return True

    def recheck(self, loss: Loss) -> None:
        """Measure the best moves from here, and correct their slots' scores."""
        here, noise = loss(self.here.config), max(self.scores.noise, _LEAST_NOISE)
        for move in self._ranked()[:RECHECKED_MOVES]:
            measured = max(0.0, loss(self._after(move.slot, move.filling).config) - here)
            self.factors[move.slot] = (measured + noise) / (move.increase + noise)
        self.moves.clear()

    def _ranked(self) -> list[_Move]:
        """Best move of each slot, the cheapest first; of equal ones that which saves most."""
        for number in range(len(self.slots)):
            if number not in self.moves:
                self.moves[number] = self._best(number)
        return sorted(filter(None, self.moves.values()), key=self._order)

    def _order(self, move: _Move) -> tuple[float, int]:
        return move.rate(self.factors.get(move.slot, 1.0)), -move.saved

    def _best(self, number: int) -> _Move | None:
        found = []
        for filling in range(self.fillings[number]):
            to = self._after(number, filling)
            increase, saved = max(0.0, to.increase - self.here.increase), self.here.cost - to.cost
            if saved > 0:
                found.append(_Move(slot=number, filling=filling, increase=increase, saved=saved))
        return min(found, key=self._order, default=None)

    def _after(self, number: int, filling: int) -> Point:
        """Where filling a slot so leads to from here."""
        return self._point([filling if i == number else old for i, old in enumerate(self.fillings)])

    def _point(self, fillings: Sequence[int]) -> Point:
        chosen = [slot.fillings[number] for slot, number in zip(self.slots, fillings, strict=True)]
        config = config_of(self.space, merged(chosen))
        return Point(
            config=config,
            cost=num_parameters(config, self.space),
            increase=self.scores.increase(config),
        )

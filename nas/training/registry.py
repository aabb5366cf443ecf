"""Strategies by the names that users write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from nas.errors import ConfigError
from nas.names import entry
from nas.training.nested import LayerDrop, Progressive, Sorted
from nas.training.strategies import (
    Alternating,
    InPlaceDistillation,
    RandomLinear,
    RandomStrategy,
    Sandwich,
    SandwichDistillation,
    Standard,
)
from nas.training.strategy import Strategy

_STRATEGIES: Final[dict[str, Strategy]] = {
    strategy.name: strategy
    for strategy in (
        Standard(),
        RandomStrategy(),
        RandomLinear(),
        Alternating(),
        Sandwich(),
        InPlaceDistillation(),
        SandwichDistillation(),
        Sorted(),
        LayerDrop(),
        Progressive(),
    )
}


def strategy_of(name: str, *, count: int | None = None) -> Strategy:
    """The strategy of a name.

    Args:
        name: as `known_strategies` lists them.
        count: random sub-networks a step, instead of the strategy's own number.

    Raises:
        ConfigError: there is none of that name, or it has no such number.
    """
    strategy: Any = entry(_STRATEGIES, name, "strategy")
    if count is None:
        return strategy  # type: ignore[no-any-return]  # replace needs Any
    if not hasattr(strategy, "count"):
        counted = [known for known, one in _STRATEGIES.items() if hasattr(one, "count")]
        raise ConfigError(
            f"strategy {name} has no number of random sub-networks a step, but {count} was given; leave it "
            f"out, or choose one of {', '.join(counted)}"
        )
    return replace(strategy, count=count)  # type: ignore[no-any-return]


def known_strategies() -> tuple[str, ...]:
    """Names of all strategies."""
    return tuple(_STRATEGIES)

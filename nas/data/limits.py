"""A random subset of anything that has positions."""

from __future__ import annotations

from typing import Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from nas.errors import ConfigError


class Takeable(Protocol):
    """Something with a length whose parts can be taken by position."""

    def __len__(self) -> int: ...

    def take(self, indices: npt.NDArray[np.int64]) -> Self:
        """The parts at these positions, in this order."""
        ...


T = TypeVar("T", bound=Takeable)


def limited(whole: T, n: int, seed: int) -> T:
    """At most `n` of its parts in their order; a smaller `n` gives a subset of it.

    Raises:
        ConfigError: `n` is below 1.
    """
    if n < 1:
        raise ConfigError(f"limit is {n}; it must be at least 1, or None for all examples.")
    if n >= len(whole):
        return whole
    return whole.take(np.sort(np.random.default_rng(seed).permutation(len(whole))[:n]))

"""Runs of dropped blocks and the kept block before each."""

from __future__ import annotations

from dataclasses import dataclass

from search_spaces import ModelShape, SubnetConfig


@dataclass(frozen=True, order=True)
class Run:
    """Neighbouring dropped blocks.

    Attributes:
        before: the kept block right before them, in the same stack.
        last: the last of them.
    """

    before: int
    last: int

    @property
    def dropped(self) -> range:
        """The dropped blocks."""
        return range(self.before + 1, self.last + 1)


def runs_of(config: SubnetConfig, shape: ModelShape) -> tuple[Run, ...]:
    """Runs of a canonical sub-network; blocks dropped at the start of a stack have no block before them."""
    runs = []
    for stack in shape.stacks:
        kept = [index for index in stack if config.layers[index] is not None]
        following = [*kept[1:], stack.stop]
        runs += [Run(a, b - 1) for a, b in zip(kept, following, strict=False) if b - 1 > a]
    return tuple(runs)

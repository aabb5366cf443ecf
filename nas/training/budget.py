"""How much training may cost."""

from __future__ import annotations

from dataclasses import dataclass

from nas.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """A compute budget that treats all strategies alike.

    Attributes:
        passes: forward/backward passes of one sub-network over one batch. A sandwich step costs four.
    """

    passes: int

    def __post_init__(self) -> None:
        if self.passes < 1:
            raise ConfigError(f"passes is {self.passes}; it must be at least 1")

    def steps(self, passes_a_step: int) -> int:
        """Optimiser steps that fit.

        Raises:
            ConfigError: not even one does.
        """
        if self.passes < passes_a_step:
            raise ConfigError(
                f"passes is {self.passes}, but one step of this strategy costs {passes_a_step}; "
                "give at least that"
            )
        return self.passes // passes_a_step

"""When a search ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nas.errors import ConfigError, TooManyFailuresError

MAX_CONSECUTIVE_FAILURES: Final = 10


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a search ends.

    Attributes:
        n_trials: distinct sub-networks evaluated in the study, those of earlier runs included.
        timeout_s: wall time of this run, after which nothing new begins.
        max_failed: failed evaluations that are put up with in this run.
    """

    n_trials: int
    timeout_s: float | None = None
    max_failed: int = 10

    def __post_init__(self) -> None:
        if self.n_trials < 1:
            raise ConfigError(f"n_trials is {self.n_trials}; it must be at least 1")
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise ConfigError(f"timeout is {self.timeout_s}; give seconds above 0, or None for no limit")
        if self.max_failed < 0:
            raise ConfigError(f"max_failed is {self.max_failed}; it must be 0 or more")


@dataclass(slots=True)
class Failures:
    """Failed evaluations of a run.

    Attributes:
        count: of all.
        in_row: since the last success.
        last: message of the last one.
    """

    count: int = 0
    in_row: int = 0
    last: str = ""

    def add(self, message: str) -> None:
        """Count one."""
        self.count += 1
        self.in_row += 1
        self.last = message

    def check(self, limits: Limits) -> None:
        """End a search that fails too often.

        Raises:
            TooManyFailuresError: more than the limits put up with, or too many in a row.
        """
        if self.count > limits.max_failed:
            raise TooManyFailuresError(
                f"{self.count} sub-networks failed in this run, more than max_failed {limits.max_failed}; "
                f"the last one: {self.last}; `nas trials ls STUDY` shows all reasons",
                "bug",
            )
        if self.in_row >= MAX_CONSECUTIVE_FAILURES:
            raise TooManyFailuresError(
                f"{self.in_row} sub-networks failed in a row, the last one: {self.last}", "bug"
            )

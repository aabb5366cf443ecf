"""Commands to a search while it runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from nas.study.limits import Limits

logger = logging.getLogger(__name__)

#: What is in flight when a search is halted may take this long to end.
GRACE_SECONDS: Final = 30.0
SECONDS_BETWEEN_LOOKS: Final = 1.0

Halt: TypeAlias = Literal["pause", "stop"]


@dataclass(frozen=True, kw_only=True)
class Command:
    """What a search is told; what is None stays as it is.

    Attributes:
        n_trials: the new total of evaluated sub-networks; at least 1.
        halt: `pause` leaves the study PAUSED, `stop` CANCELLED. A halt is final for the run.
        reason: of the halt, stored with the study.
    """

    n_trials: int | None = None
    halt: Halt | None = None
    reason: str | None = None


#: Asked about once a second, in the thread of the search, for what holds now.
Control: TypeAlias = Callable[[], Command]


class Orders:
    """What holds for a running search: its limits, and whether it is to halt.

    Args:
        limits: those that it begins with.
        control: asked for commands; None for a search that nobody commands.
        grace_s: seconds that work in flight has once the search is halted.

    Attributes:
        limits: those of now.
        halt: the command that halted the search.
    """

    def __init__(
        self, limits: Limits, control: Control | None = None, *, grace_s: float = GRACE_SECONDS
    ) -> None:
        self.limits = limits
        self.halt: Command | None = None
        self._control, self._grace_s = control, grace_s
        self._next_look = self._overdue_at = 0.0

    @property
    def n_trials(self) -> int:
        """Evaluated sub-networks that the study is to have."""
        return self.limits.n_trials

    @property
    def is_halted(self) -> bool:
        """Whether nothing new may begin."""
        return self.halt is not None

    @property
    def is_overdue(self) -> bool:
        """Whether the time for work in flight is over too."""
        return self.is_halted and time.monotonic() >= self._overdue_at

    def look(self, *, at_once: bool = False) -> None:
        """Ask the control, if that is not too soon.

        Raises:
            ConfigError: it wants a total that is not allowed.
        """
        now = time.monotonic()
        if self._control is None or self.is_halted or (now < self._next_look and not at_once):
            return
        self._next_look = now + SECONDS_BETWEEN_LOOKS
        self._obey(self._control(), now)

    def want_more(self) -> bool:
        """Whether the total was raised in this last moment; asks at once."""
        before = self.limits.n_trials
        self.look(at_once=True)
        return self.limits.n_trials > before and not self.is_halted

    def _obey(self, command: Command, now: float) -> None:
        if command.n_trials is not None and command.n_trials != self.limits.n_trials:
            logger.info("n_trials is %d from now on, no longer %d", command.n_trials, self.limits.n_trials)
            self.limits = replace(self.limits, n_trials=command.n_trials)
        if command.halt is not None:
            logger.info(
                "%s: nothing new begins; what is in flight has %g s",
                command.reason or "halted",
                self._grace_s,
            )
            self.halt, self._overdue_at = command, now + self._grace_s

"""Attempts that were given up although their results may still come."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Any, Final

import ray

from workers.actor import Outcome
from workers.slots import LostAttempt

_LOGGER = logging.getLogger(__name__)
_PAUSE_S: Final = 1.0
_MAX_QUESTIONS: Final = 30


class LostAttempts:
    """A short list, polled with all else; each entry ends with its task, its actor, or its result.

    An actor that cannot be reached is asked again, once a second, some thirty times.
    """

    def __init__(self) -> None:
        self._waiting: dict[Any, LostAttempt] = {}
        self._unreachable: list[tuple[float, LostAttempt]] = []

    @property
    def references(self) -> list[Any]:
        """What to wait for."""
        return list(self._waiting)

    def add(self, lost: LostAttempt) -> None:
        """Wait for a result in case it comes."""
        self._waiting[lost.reference] = lost

    def ask_again(self) -> None:
        """Ask the actors that could not be reached a while ago."""
        now = time.monotonic()
        due = [lost for ask_at, lost in self._unreachable if ask_at <= now]
        self._unreachable = [(ask_at, lost) for ask_at, lost in self._unreachable if ask_at > now]
        for lost in due:
            reference = lost.actor.recall.remote(lost.attempt.key)
            self.add(replace(lost, reference=reference, questions=lost.questions + 1))

    def take(self, reference: Any) -> tuple[LostAttempt, Outcome] | None:
        """Read an answer: the attempt with its outcome, or None if that will not come, or not yet."""
        lost = self._waiting.pop(reference, None)
        if lost is None:
            return None
        try:
            outcome: Outcome | None = ray.get(reference)
        except ray.exceptions.ActorUnavailableError:
            if lost.questions < _MAX_QUESTIONS:
                self._unreachable.append((time.monotonic() + _PAUSE_S, lost))
            else:
                lost.end()
            return None
        except ray.exceptions.RayError:
            lost.end()
            return None
        lost.end()
        if outcome is None or (outcome.failure is not None and outcome.failure.is_retried):
            return None
        _LOGGER.info("task %d: the result of a lost attempt came after all", lost.attempt.task.number)
        return lost, outcome

    def drop(self, key: int) -> None:
        """End all that was lost of a task that is over."""
        for reference, lost in list(self._waiting.items()):
            if lost.attempt.key == key:
                del self._waiting[reference]
                lost.end()
        for entry in list(self._unreachable):
            if entry[1].attempt.key == key:
                self._unreachable.remove(entry)
                entry[1].end()

    def end(self) -> None:
        """End all of it."""
        for lost in [*self._waiting.values(), *(lost for _, lost in self._unreachable)]:
            lost.end()
        self._waiting.clear()
        self._unreachable.clear()

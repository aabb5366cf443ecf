"""Time inside some methods of an object."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Time:
    """Seconds of wall time and of the calling thread's CPU time."""

    wall: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: Time) -> Time:
        return Time(self.wall + other.wall, self.cpu + other.cpu)

    def __sub__(self, other: Time) -> Time:
        return Time(self.wall - other.wall, self.cpu - other.cpu)

    @staticmethod
    def now() -> Time:
        """Readings of both clocks."""
        return Time(time.perf_counter(), time.thread_time())


class Stopwatch:
    """Adds up the time inside an object's methods; a method that calls another counts once."""

    def __init__(self, target: object, methods: Iterable[str]) -> None:
        self.total = Time()
        self._depth = 0
        for name in methods:
            setattr(target, name, self._timed(getattr(target, name)))

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def timed(*arguments: Any, **options: Any) -> Any:
            start = Time.now()
            self._depth += 1
            try:
                return method(*arguments, **options)
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self.total += Time.now() - start

        return timed

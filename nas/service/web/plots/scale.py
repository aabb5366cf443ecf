"""Where values lie on an axis, and where its ticks are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nas.figures import figure

#: Steps of ticks, times a power of ten.
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A mark on an axis.

    Attributes:
        at: place in the picture's units.
    """

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A linear axis.

    Attributes:
        low: value at `start`.
        high: value at `end`; above `low`.
        start: place of `low` in the picture's units.
        end: place of `high`.
    """

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Place of a value, at the edge where it lies outside."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self, metric: str, count: int) -> list[Tick]:
        """About `count` ticks at round values."""
        step = tick_step(self.high - self.low, count)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [Tick(at=self.at(n * step), text=_written(metric, n * step)) for n in range(first, last + 1)]


def tick_step(span: float, count: int) -> float:
    """The round step that parts a span into at most `count` and a few."""
    rough = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))


def domain(values: list[float]) -> tuple[float, float]:
    """Range of values with a margin; never below zero where all are at least zero."""
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return (max(low - margin, 0.0) if low >= 0 else low - margin), high + margin


def _written(metric: str, value: float) -> str:
    text = figure(metric, value)
    return f"{value:g}" if metric == "" or len(text) > 9 else text

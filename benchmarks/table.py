"""Rows of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from workers.intervals import Interval, median_interval

CONFIDENCE: Final = 0.95
_COLUMNS: Final = ("case", "measured [95 % interval]", "goal", "met", "also", "command")
HEADER: Final = f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}"


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on a figure."""

    sign: Literal["<=", ">="]
    bound: float

    def is_met(self, value: float) -> bool:
        """Whether a figure keeps the bound."""
        return value <= self.bound if self.sign == "<=" else value >= self.bound


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One figure.

    Attributes:
        unit: `x` for a ratio.
        goal: None where the figure is for information.
        also: other figures of the same runs.
    """

    case: str
    figure: Interval
    unit: Literal["x", "ms", "s"] = "x"
    goal: Goal | None = None
    also: str = ""


def line(row: Row, *, command: str, judged: bool = True) -> str:
    """A row as a line of the table; one that is not judged shows its goal only."""
    goal = "" if row.goal is None else f"{row.goal.sign} {row.goal.bound:g}{_sign(row.unit)}"
    met = ""
    if row.goal is not None and judged:
        met = "yes" if row.goal.is_met(row.figure.estimate) else "**no**"
    cells = (row.case, shown(row.figure, row.unit), goal, met, row.also, f"`{command}`")
    return f"| {' | '.join(cells)} |"


def shown(figure: Interval, unit: str = "x") -> str:
    """A figure with its interval, to three digits."""
    return f"{figure.estimate:#.3g}{_sign(unit)} [{figure.low:#.3g}, {figure.high:#.3g}]"


def median_of(values: list[float]) -> Interval:
    """The median with its interval."""
    return median_interval(np.asarray(values), CONFIDENCE)


def _sign(unit: str) -> str:
    return " ×" if unit == "x" else f" {unit}"

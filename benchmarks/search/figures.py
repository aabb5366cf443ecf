"""Figures of finished cells, as lines of one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.table import Goal

HEADER: Final = ("part", "case", "mean [least, most]", "runs", "goal", "met", "also")


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One figure over seeds.

    Attributes:
        values: one a seed.
        centre: what is shown and judged; the mean unless given.
        runs: that it is of; one a value unless given.
        also: other figures of the same runs.
    """

    part: str
    case: str
    values: Sequence[float]
    shown: Callable[[float], str]
    goal: Goal | None = None
    centre: float | None = None
    runs: int | None = None
    also: str = ""

    def cells(self, *, is_judged: bool) -> list[str]:
        """The line; a tiny run shows the goal without judging."""
        centre = float(np.mean(self.values)) if self.centre is None else self.centre
        spread = (
            f" [{self.shown(min(self.values))}, {self.shown(max(self.values))}]" if self.values[1:] else ""
        )
        goal = met = ""
        if self.goal is not None:
            goal = f"{self.goal.sign} {self.shown(self.goal.bound)}"
            met = ("yes" if self.goal.is_met(centre) else "**no**") if is_judged else ""
        runs = len(self.values) if self.runs is None else self.runs
        return [self.part, self.case, f"{self.shown(centre)}{spread}", f"{runs}", goal, met, self.also]


def percent(value: float) -> str:
    """A share as a percentage of three digits."""
    return f"{100 * value:.3g} %"


def seconds(value: float) -> str:
    """Whole seconds."""
    return f"{value:.0f} s"


def plain(value: float) -> str:
    """Four decimals."""
    return f"{value:.4f}"


def times(value: float) -> str:
    """A ratio of three digits."""
    return f"{value:#.3g} ×"

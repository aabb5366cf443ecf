"""A value over time as a step line, large with axes or small beside a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nas.service.web.plots.scale import Scale, Tick

WIDTH: Final = 620
HEIGHT: Final = 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 12, 44
SPARK_WIDTH: Final = 160
SPARK_HEIGHT: Final = 32


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A drawn curve.

    Attributes:
        path: of the line, as SVG's `d`.
    """

    path: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def curve(points: Sequence[tuple[float, float]]) -> Curve | None:
    """Draw values over counts, both ascending in the first; None without a point."""
    if not points:
        return None
    counts, values = [x for x, _ in points], [y for _, y in points]
    x = Scale(low=0.0, high=max(*counts, 1.0), start=_LEFT, end=WIDTH - _RIGHT)
    y = Scale(low=0.0, high=max(max(values) * 1.08, 1e-9), start=HEIGHT - _BOTTOM, end=_TOP)
    return Curve(
        path=_steps(points, x, y),
        x_ticks=tuple(x.ticks("num_trials", 6)),
        y_ticks=tuple(y.ticks("", 4)),
    )


def sparkline(points: Sequence[tuple[float, float]], *, until: float) -> str:
    """The path of a small line up to a count; empty without a point."""
    if not points:
        return ""
    x = Scale(low=0.0, high=max(points[-1][0], until, 1.0), start=2, end=SPARK_WIDTH - 2)
    y = Scale(low=0.0, high=max(*(v for _, v in points), 1e-9), start=SPARK_HEIGHT - 2, end=2)
    return _steps(points, x, y)


def _steps(points: Sequence[tuple[float, float]], x: Scale, y: Scale) -> str:
    first = points[0]
    parts = [f"M{x.at(first[0]):g} {y.at(first[1]):g}"]
    parts += [f"H{x.at(count):g}V{y.at(value):g}" for count, value in points[1:]]
    return "".join([*parts, f"H{x.end:g}"])

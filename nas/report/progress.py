"""How a search went on: a quantity that only grows, drawn over what was spent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nas.errors import ConfigError
from nas.report.drawing import INK, WIDTH
from nas.report.plots import load, styled

_BLUE = "#0072B2"
_HEIGHT = 260


@dataclass(frozen=True, kw_only=True)
class ProgressPoint:
    """What was reached when so much was spent.

    Attributes:
        number: of the trial that had just ended.

    Raises:
        ConfigError: a value that is not finite.
    """

    spent: float
    reached: float
    number: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.spent) and math.isfinite(self.reached)):
            raise ConfigError(
                f"progress at trial {self.number}: got ({self.spent}, {self.reached}); both must be finite"
            )


def progress_chart(points: Sequence[ProgressPoint], *, x: str, y: str, title: str) -> Any:
    """A step from point to point as an `altair.Chart`; `x` and `y` name the axes.

    Raises:
        ConfigError: no point, or Altair is not installed.
    """
    if not points:
        raise ConfigError("progress chart: got no point; at least one sub-network must be finished")
    alt = load("altair")
    rows = [{"spent": p.spent, "reached": p.reached, "number": p.number} for p in points]
    line = {
        "interpolate": "step-after",
        "color": _BLUE,
        "strokeWidth": 2.2,
        "point": {"size": 22, "opacity": 0.6},
    }
    heading = alt.TitleParams(text=title, anchor="start", fontSize=16, color=INK, offset=8)
    chart = alt.Chart(alt.Data(values=rows)).mark_line(**line)
    return styled(
        chart.encode(
            x=alt.X("spent:Q", title=x, axis=alt.Axis(format="~s", tickCount=7)),
            y=alt.Y("reached:Q", title=y, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=6)),
            tooltip=[
                alt.Tooltip(field="number", title="Trial", type="quantitative", format="d"),
                alt.Tooltip(field="spent", title=x, type="quantitative", format=",~f"),
                alt.Tooltip(field="reached", title=y, type="quantitative", format=".5f"),
            ],
        ).properties(
            width=WIDTH, height=_HEIGHT, title=heading, background="#FFFFFF", description=f"{y} over {x}"
        )
    )

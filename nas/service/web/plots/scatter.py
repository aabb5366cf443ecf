"""Two objectives of a study as a plot: every mark is an element that can be reached, named and followed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from nas.objectives import Objective
from nas.pareto import non_dominated
from nas.report import PlotAxis
from nas.report.labels import GAP, Box, Side, place_labels
from nas.service.web.plots.scale import Scale, Tick, domain

WIDTH: Final = 760
HEIGHT: Final = 470
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 22, 30, 58
#: Of a font that is wider than most, in the picture's units.
_NAME_SIZE: Final = 16
#: In the order in which they are drawn: what matters lies on top.
KINDS: Final = ("infeasible", "paused", "dominated", "baseline", "front", "selected")
NAMES: Final = {
    "front": "Pareto front",
    "selected": "best in budget",
    "baseline": "baseline",
    "dominated": "dominated",
    "paused": "stopped early (estimate)",
    "infeasible": "over budget",
}
#: Marks of these kinds are links that the keyboard reaches; the others are in the table below the plot.
LINKED: Final = ("baseline", "front", "selected")


@dataclass(frozen=True, kw_only=True)
class PlotValue:
    """A trial as the plot needs it.

    Attributes:
        x: value of the horizontal metric.
        y: value of the vertical metric.
        name: of a baseline, written beside its mark.
        is_out: whether it breaks a budget of the page.
    """

    number: int
    x: float
    y: float
    kind: str
    name: str = ""
    architecture: str = ""
    is_out: bool = False


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A drawn trial.

    Attributes:
        at: its place.
        text: what a screen reader says and a pointer shows.
        name: written beside it.
        side: of the mark, where the name stands.
    """

    value: PlotValue
    at: tuple[float, float]
    text: str
    name: str = ""
    side: Side = (1, 0)

    @property
    def anchor(self) -> str:
        """SVG's `text-anchor` of the name."""
        return ("middle", "start", "end")[self.side[0]]

    @property
    def name_at(self) -> tuple[float, float]:
        """Where the name is written."""
        gap = GAP if 0 in self.side else 0.7 * GAP
        across, down = self.side
        return round(self.at[0] + gap * across, 1), round(self.at[1] + (gap + 5) * down + 4, 1)


@dataclass(frozen=True, kw_only=True)
class Shade:
    """The side of a budget where it does not hold, and its line.

    Attributes:
        axis: `x` or `y`.
        line: place of the budget on that axis.
        start: lower edge of the shaded side.
        size: its extent.
    """

    axis: str
    line: float
    start: float
    size: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """A drawn plot.

    Attributes:
        marks: in the order of drawing.
        front: `d` of the line through the front, empty below two points.
        counts: marks by the name of their kind.
        description: the plot in a sentence.
    """

    x: Scale
    y: Scale
    x_title: str
    y_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    shades: tuple[Shade, ...]
    front: str
    counts: Mapping[str, int]
    description: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


@dataclass(frozen=True, kw_only=True)
class PlotAxes:
    """The objectives of the two axes, and budgets on their metrics."""

    x: Objective
    y: Objective
    budgets: Mapping[str, float]

    @property
    def horizontal(self) -> PlotAxis:
        """The axis at the bottom."""
        return PlotAxis.of(self.x, budget=self.budgets.get(self.x.metric))

    @property
    def vertical(self) -> PlotAxis:
        """The axis on the left."""
        return PlotAxis.of(self.y, budget=self.budgets.get(self.y.metric))


def scatter(values: Sequence[PlotValue], axes: PlotAxes) -> Scatter | None:
    """Draw trials; None without one."""
    if not values:
        return None
    x_axis, y_axis = axes.horizontal, axes.vertical
    (low_x, high_x), (low_y, high_y) = domain([v.x for v in values]), domain([v.y for v in values])
    x = Scale(low=low_x, high=high_x, start=_LEFT, end=WIDTH - _RIGHT)
    y = Scale(low=low_y, high=high_y, start=HEIGHT - _BOTTOM, end=_TOP)
    ordered = sorted(values, key=lambda value: (KINDS.index(value.kind), value.x, value.number))
    counts = {NAMES[kind]: sum(v.kind == kind for v in values) for kind in reversed(KINDS)}
    return Scatter(
        x=x,
        y=y,
        x_title=x_axis.heading,
        y_title=y_axis.heading,
        x_ticks=tuple(x.ticks(axes.x.metric, 7)),
        y_ticks=tuple(y.ticks(axes.y.metric, 6)),
        marks=tuple(_named([_mark(value, x, y, (x_axis, y_axis)) for value in ordered])),
        shades=tuple(_shades(axes, x, y)),
        front=_front_line(values, axes, x, y),
        counts={name: count for name, count in counts.items() if count},
        description=_description(values, x_axis, y_axis),
    )


def _mark(value: PlotValue, x: Scale, y: Scale, axes: tuple[PlotAxis, PlotAxis]) -> Mark:
    at = (x.at(value.x), y.at(value.y))
    parts = [
        f"{value.name}, trial {value.number}" if value.name else f"trial {value.number}",
        "" if value.name == NAMES[value.kind] else NAMES[value.kind],
        f"{axes[1].title} {axes[1].written(value.y)}",
        f"{axes[0].title} {axes[0].written(value.x)}",
        value.architecture,
    ]
    name = value.name if value.kind in ("baseline", "selected") else ""
    return Mark(value=value, at=at, text=": ".join([parts[0], ", ".join(filter(None, parts[1:]))]), name=name)


def _named(marks: Sequence[Mark]) -> list[Mark]:
    """Marks with their names where they cover least."""
    named = sorted((mark for mark in marks if mark.name), key=lambda mark: mark.value.kind != "selected")
    linked = [mark.at for mark in marks if mark.value.kind in LINKED]
    sides = place_labels(
        [mark.at for mark in named],
        [mark.name for mark in named],
        [Box(left=x - 6, top=y - 6, right=x + 6, bottom=y + 6, weight=5.0) for x, y in linked],
        frame=Box(left=_LEFT, top=_TOP, right=WIDTH - 4, bottom=HEIGHT - _BOTTOM),
        font_size=_NAME_SIZE,
    )
    found = dict(zip((mark.value.number for mark in named), sides, strict=True))
    return [replace(mark, side=found.get(mark.value.number, mark.side)) for mark in marks]


def _shades(axes: PlotAxes, x: Scale, y: Scale) -> Iterable[Shade]:
    for name, scale, objective, plot_axis in (
        ("x", x, axes.x, axes.horizontal),
        ("y", y, axes.y, axes.vertical),
    ):
        if plot_axis.budget is None:
            continue
        line = scale.at(plot_axis.budget)
        edge = scale.end if objective.direction == "min" else scale.start
        text = f"budget {plot_axis.written(plot_axis.budget)}"
        yield Shade(axis=name, line=line, start=min(line, edge), size=abs(edge - line), text=text)


def _front_line(values: Sequence[PlotValue], axes: PlotAxes, x: Scale, y: Scale) -> str:
    """What is attained at each cost: a step from point to point."""
    shown = [value for value in values if value.kind in ("front", "selected")]
    signs = [1.0 if o.direction == "min" else -1.0 for o in (axes.x, axes.y)]
    rows = [[signs[0] * value.x, signs[1] * value.y] for value in shown]
    kept: list[bool] = non_dominated(rows).tolist() if rows else []
    line = sorted((value.x, value.y) for value, keep in zip(shown, kept, strict=True) if keep)
    if len(line) < 2:
        return ""
    steps = [f"M{x.at(line[0][0]):g} {y.at(line[0][1]):g}"]
    for across, up in line[1:]:
        parts = [f"H{x.at(across):g}", f"V{y.at(up):g}"]
        steps += parts if axes.x.direction == "min" else reversed(parts)
    return "".join(steps)


def _description(values: Sequence[PlotValue], x: PlotAxis, y: PlotAxis) -> str:
    front = sum(value.kind in ("front", "selected") for value in values)
    return f"{y.name} against {x.name}: {len(values):,} sub-networks are drawn, {front} of them on the front"

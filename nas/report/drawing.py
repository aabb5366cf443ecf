"""Layers of the front chart: budgets, front line, points and labels on shared scales."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, TypeAlias

from nas.report.labels import GAP, Box, Side, place_labels
from nas.report.points import PlotAxis, PlotPoint, PointKind, front_line

Rows: TypeAlias = "list[dict[str, float | str]]"

WIDTH, HEIGHT = 600, 400
FONT = "system-ui, Segoe UI, Helvetica, Arial, sans-serif"
INK, MUTED, GREY, GRID = "#1A1A1A", "#595959", "#8C8C8C", "#ECECEC"

# Okabe and Ito 2008, "Color Universal Design": told apart in all common colour vision deficiencies.
_BLUE, _VERMILION, _GREEN = "#0072B2", "#D55E00", "#007A59"
_CLEAR = "transparent"
_SHADE = "#F4F1EA"
_LABEL_SIZE = 13
_CROSS = "M-0.6,-0.6L0.6,0.6M0.6,-0.6L-0.6,0.6"

# In the legend's order; drawn the other way round, so that what matters lies on top.
_KINDS: tuple[PointKind, ...] = ("front", "selected", "baseline", "dominated", "infeasible")
_NAMES = ("Pareto front", "selected", "baseline", "dominated", "over budget")
_STROKES = (_BLUE, _GREEN, _VERMILION, GREY, GREY)
_FILLS = (_BLUE, _CLEAR, _VERMILION, GREY, _CLEAR)
_SHAPES = ("circle", "circle", "diamond", "circle", _CROSS)
_SIZES = (75, 280, 130, 26, 30)
_STROKE_WIDTHS = (1.0, 2.6, 1.0, 0.0, 1.2)
_OPACITIES = (1.0, 1.0, 1.0, 0.55, 0.6)
_TEXT_COLORS = dict(zip(_KINDS, ("#005A8C", "#00664A", "#A84900", MUTED, MUTED), strict=True))


class Drawing:
    """Layers of one chart.

    Args:
        alt: the Altair module.
        points: at least one.
        x: horizontal axis.
        y: vertical axis.
    """

    def __init__(self, alt: ModuleType, points: Sequence[PlotPoint], x: PlotAxis, y: PlotAxis) -> None:
        self._alt = alt
        self._points = sorted(points, key=lambda point: _KINDS.index(point.kind), reverse=True)
        self._axes = (x, y)
        self._domains = (x.domain(p.x for p in points), y.domain(p.y for p in points))

    def budgets(self) -> Iterator[Any]:
        """The worse side of each budget, shaded, and the budget as a line."""
        for name, axis, domain in zip("xy", self._axes, self._domains, strict=True):
            if axis.budget is not None:
                end = domain[1] if axis.direction == "min" else domain[0]
                yield self._shade(name, axis.budget, end)
        for name, axis in zip("xy", self._axes, strict=True):
            if axis.budget is not None:
                rule = self._base([{name: axis.budget}]).mark_rule(
                    color=INK, strokeDash=[5, 4], strokeWidth=1.3
                )
                yield rule.encode(**{name: self._channel(name)})
                yield self._budget_text(name, axis, axis.budget)

    def line(self) -> Iterator[Any]:
        """What is attained at each cost: a step from point to point."""
        x, y = self._axes
        rows: Rows = [{"x": point.x, "y": point.y} for point in front_line(self._points, x, y)]
        if len(rows) > 1:
            steps = "step-after" if x.direction == "min" else "step-before"
            line = self._base(rows).mark_line(interpolate=steps, color=_BLUE, strokeWidth=2, opacity=0.7)
            yield line.encode(**self._position())

    def points(self) -> Iterator[Any]:
        """All points, told apart by colour, shape and size; a selected one is a dot in a ring."""
        rows, tooltip = self._rows()
        channels = {
            "stroke": self._look(self._alt.Stroke, _STROKES),
            "fill": self._look(self._alt.Fill, _FILLS),
            "shape": self._look(self._alt.Shape, _SHAPES),
            "size": self._alt.Size("size:Q", scale=None, legend=None),
            "strokeWidth": self._alt.StrokeWidth("width:Q", scale=None, legend=None),
            "opacity": self._alt.Opacity("opacity:Q", scale=None, legend=None),
        }
        yield self._base(rows).mark_point().encode(**self._position(), **channels, tooltip=tooltip)
        chosen: Rows = [{"x": point.x, "y": point.y} for point in self._points if point.kind == "selected"]
        if chosen:
            dot = self._base(chosen).mark_point(shape="circle", filled=True, color=_BLUE, size=75, opacity=1)
            yield dot.encode(**self._position())

    def labels(self) -> Iterator[Any]:
        """Texts of baselines and selected points, where they cover least."""
        named = [p for p in self._points if p.label and p.kind in ("baseline", "selected")]
        sides = place_labels(
            [self._pixel(point.x, point.y) for point in named],
            [point.label for point in named],
            list(self._obstacles()),
            frame=Box(left=0, top=0, right=WIDTH, bottom=HEIGHT),
            font_size=_LABEL_SIZE,
        )
        for point, side in zip(named, sides, strict=True):
            yield from self._label(point, side)

    def _base(self, rows: Rows) -> Any:
        return self._alt.Chart(self._alt.Data(values=rows))

    def _channel(self, name: str) -> Any:
        index = "xy".index(name)
        axis, (low, high) = self._axes[index], self._domains[index]
        kind = self._alt.X if name == "x" else self._alt.Y
        ticks = {"format": axis.number_format} if axis.number_format else {}
        # Text is not titled again by every layer: all layers share this axis.
        return kind(
            f"{name}:Q",
            title=axis.heading,
            scale=self._alt.Scale(domain=[low, high], zero=False, nice=False),
            axis=self._alt.Axis(tickCount=7, **ticks),
        )

    def _position(self) -> dict[str, Any]:
        return {"x": self._channel("x"), "y": self._channel("y")}

    def _look(self, channel: Any, values: Sequence[object]) -> Any:
        """One column of the table of looks, for the kinds that occur; equal legends are merged."""
        kinds = {point.kind for point in self._points}
        shown = [index for index, kind in enumerate(_KINDS) if kind in kinds]
        scale = self._alt.Scale(
            domain=[_NAMES[index] for index in shown], range=[values[index] for index in shown]
        )
        return channel("kind:N", title=None, scale=scale, sort=None)

    def _rows(self) -> tuple[Rows, list[Any]]:
        """Data and tooltip; free keys get safe field names, as Vega reads `a.b` as a path."""
        keys = list(dict.fromkeys(key for point in self._points for key in point.tooltip))
        rows: Rows = []
        for point in self._points:
            kind = _KINDS.index(point.kind)
            row: dict[str, float | str] = {
                "x": point.x,
                "y": point.y,
                "kind": _NAMES[kind],
                "size": _SIZES[kind],
                "width": _STROKE_WIDTHS[kind],
                "opacity": _OPACITIES[kind],
                "name": point.label or ("" if point.number is None else f"trial {point.number}"),
            }
            row |= {f"extra{keys.index(key)}": value for key, value in point.tooltip.items()}
            rows.append(row)
        x, y = self._axes
        fields = [("name", "Sub-network"), ("kind", "Kind"), ("x", x.name), ("y", y.name)]
        fields += [(f"extra{index}", key) for index, key in enumerate(keys)]
        formats = {"x": x.value_format, "y": y.value_format}
        return rows, [
            self._alt.Tooltip(field=name, title=title, type="quantitative", format=formats[name])
            if name in formats
            else self._alt.Tooltip(field=name, title=title, type="nominal")
            for name, title in fields
        ]

    def _shade(self, name: str, start: float, end: float) -> Any:
        area = self._base([{name: start, f"{name}2": end}]).mark_rect(color=_SHADE, opacity=1)
        return area.encode(**{name: self._channel(name), f"{name}2": f"{name}2:Q"})

    def _budget_text(self, name: str, axis: PlotAxis, budget: float) -> Any:
        """Written outside the frame, at the end of its line, where no point can lie."""
        value = self._alt.value
        place = {"y": value(-9)} if name == "x" else {"x": value(WIDTH + 7)}
        text = self._base([{name: budget}]).mark_text(
            text=f"budget {axis.written(budget)}",
            align="center" if name == "x" else "left",
            fontSize=12,
            color=INK,
        )
        return text.encode(**{name: self._channel(name)}, **place)

    def _pixel(self, x: float, y: float) -> tuple[float, float]:
        (left, right), (low, high) = self._domains
        return WIDTH * (x - left) / (right - left), HEIGHT * (high - y) / (high - low)

    def _obstacles(self) -> Iterator[Box]:
        for point in self._points:
            x, y = self._pixel(point.x, point.y)
            radius = _SIZES[_KINDS.index(point.kind)] ** 0.5 / 2 + 1
            weight = 1.0 if point.kind in ("dominated", "infeasible") else 5.0
            yield Box(left=x - radius, top=y - radius, right=x + radius, bottom=y + radius, weight=weight)
        for index, axis in enumerate(self._axes):
            if axis.budget is None:
                continue
            x, y = self._pixel(axis.budget, axis.budget)
            if index == 0:
                yield Box(left=x - 6, top=0, right=x + 6, bottom=HEIGHT, weight=2)
            else:
                yield Box(left=0, top=y - 6, right=WIDTH, bottom=y + 6, weight=2)

    def _label(self, point: PlotPoint, side: Side) -> Iterator[Any]:
        """The text on a white halo, which keeps it readable over points."""
        gap = GAP if 0 in side else 0.7 * GAP
        looks: list[dict[str, Any]] = [
            {"stroke": "#FFFFFF", "strokeWidth": 4, "strokeJoin": "round", "opacity": 0.85},
            {},
        ]
        for look in looks:
            text = self._base([{"x": point.x, "y": point.y, "label": point.label}]).mark_text(
                align=("center", "left", "right")[side[0]],
                baseline=("middle", "top", "bottom")[side[1]],
                dx=gap * side[0],
                dy=gap * side[1],
                fontSize=_LABEL_SIZE,
                fontWeight=600,
                color=_TEXT_COLORS[point.kind],
                limit=260,
                **look,
            )
            yield text.encode(**self._position(), text="label:N")

"""Geometry of the page's pictures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.objectives import Objective
from nas.service.web.plots.curve import curve, sparkline
from nas.service.web.plots.scale import Scale, domain, tick_step
from nas.service.web.plots.scatter import PlotAxes, PlotValue, scatter

AXES = PlotAxes(
    x=Objective(metric="num_parameters", direction="min"),
    y=Objective(metric="accuracy", direction="max"),
    budgets={"num_parameters": 30.0},
)


def _value(number: int, x: float, y: float, kind: str = "front") -> PlotValue:
    return PlotValue(number=number, x=x, y=y, kind=kind)


def test_a_scale_maps_its_ends_and_keeps_what_lies_outside_at_the_edge() -> None:
    scale = Scale(low=0, high=10, start=100, end=0)
    assert [scale.at(value) for value in (0, 5, 10, 99)] == [100, 50, 0, 0]


@given(st.floats(1e-9, 1e12), st.integers(2, 12))
def test_ticks_are_about_as_many_as_asked_for(span: float, count: int) -> None:
    assert count / 3 < span / tick_step(span, count) <= count * (1 + 1e-6)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1))
def test_a_domain_holds_its_values_and_has_an_extent(values: list[float]) -> None:
    low, high = domain(values)
    assert low < high
    assert low <= min(values)
    assert max(values) <= high


def test_what_matters_is_drawn_last() -> None:
    values = [_value(0, 1, 1, "selected"), _value(1, 2, 2, "front"), _value(2, 3, 1, "infeasible")]
    drawn = scatter(values, AXES)
    assert drawn is not None
    assert [mark.value.kind for mark in drawn.marks] == ["infeasible", "front", "selected"]


def test_the_line_runs_through_points_that_no_other_dominates() -> None:
    values = [_value(0, 10, 0.5), _value(1, 20, 0.4), _value(2, 30, 0.9)]
    drawn = scatter(values, AXES)
    assert drawn is not None
    assert drawn.front.count("V") == 1


def test_a_budget_shades_the_side_where_it_does_not_hold() -> None:
    drawn = scatter([_value(0, 10, 0.5), _value(1, 50, 0.9)], AXES)
    assert drawn is not None
    (shade,) = drawn.shades
    assert shade.start == drawn.x.at(30)
    assert shade.start + shade.size == pytest.approx(drawn.right)


def test_a_mark_says_what_it_is() -> None:
    drawn = scatter([_value(7, 10, 0.5), _value(1, 50, 0.9)], AXES)
    assert drawn is not None
    assert drawn.marks[0].text == "trial 7: Pareto front, Accuracy 0.5, Parameters 10"


def test_nothing_is_drawn_of_nothing() -> None:
    assert scatter([], AXES) is None
    assert curve([]) is None
    assert sparkline([], until=3) == ""


def test_a_curve_never_leaves_its_frame() -> None:
    drawn = curve([(1, 0.2), (5, 0.7), (9, 0.7)])
    assert drawn is not None
    assert drawn.path.endswith(f"H{drawn.right}")

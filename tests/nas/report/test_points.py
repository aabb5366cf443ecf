from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import ConfigError
from nas.objectives import Objective
from nas.report import PlotAxis, PlotPoint
from nas.report.points import front_line

_LATENCY = PlotAxis.of(Objective.parse("min latency_ms"))
_ACCURACY = PlotAxis.of(Objective.parse("max accuracy"))


def points(*places, kind="front"):
    return [PlotPoint(x=x, y=y, kind=kind) for x, y in places]


@pytest.mark.parametrize(
    ("objective", "heading"),
    [
        ("min latency_ms", "Latency (ms) · lower is better"),
        ("max accuracy", "Accuracy · higher is better"),
        ("min num_parameters", "Parameters · lower is better"),
        ("min weight_bytes", "Weights (bytes) · lower is better"),
        ("max matthews_correlation", "Matthews correlation · higher is better"),
    ],
)
def test_an_axis_names_metric_unit_and_direction(objective, heading):
    assert PlotAxis.of(Objective.parse(objective)).heading == heading


@pytest.mark.parametrize(
    ("objective", "value", "text"),
    [
        ("min num_parameters", 90e6, "90M"),
        ("min weight_bytes", 1500, "1.5k bytes"),
        ("min latency_ms", 8.25, "8.25 ms"),
        ("max accuracy", 0.9, "0.9"),
    ],
)
def test_a_budget_is_written_with_its_unit(objective, value, text):
    assert PlotAxis.of(Objective.parse(objective)).written(value) == text


def test_a_domain_does_not_reach_for_zero():
    low, high = _ACCURACY.domain([0.8, 0.9])
    assert 0.75 < low < 0.8
    assert 0.9 < high < 0.95


def test_a_domain_holds_the_budget():
    low, high = PlotAxis(title="Latency", direction="min", budget=20).domain([5, 6])
    assert low < 5
    assert high > 20


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=5))
def test_a_domain_has_room_and_holds_every_value(values):
    low, high = _LATENCY.domain(values)
    assert low < high
    assert low <= min(values)
    assert high >= max(values)
    assert low >= 0 or min(values) < 0


def test_the_front_line_leaves_out_what_is_dominated():
    line = front_line(points((3, 0.9), (1, 0.7), (2, 0.6)), _LATENCY, _ACCURACY)
    assert [point.x for point in line] == [1, 3]


def test_a_selected_point_on_the_front_is_part_of_the_line():
    shown = [*points((1, 0.7)), *points((2, 0.8), kind="selected"), *points((3, 0.95), kind="baseline")]
    assert [point.x for point in front_line(shown, _LATENCY, _ACCURACY)] == [1, 2]


def test_there_is_no_line_without_a_front():
    assert front_line(points((1, 1), kind="dominated"), _LATENCY, _ACCURACY) == []


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_point_that_is_not_finite_is_refused(value):
    with pytest.raises(ConfigError, match="finite"):
        PlotPoint(x=value, y=1, kind="front")


def test_a_point_of_another_kind_is_refused():
    with pytest.raises(ConfigError, match="allowed are front, dominated"):
        PlotPoint(x=1, y=1, kind="best")

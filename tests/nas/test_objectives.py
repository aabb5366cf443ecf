from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import ConfigError
from nas.objectives import (
    EXACT_METRICS,
    KNOWN_METRICS,
    Constraint,
    Objective,
    parse_constraints,
    parse_objectives,
    quantity,
)

_UNITS = {
    "count": ["K", "M", "G", "B"],
    "bytes": ["KB", "MB", "GB", "KiB", "MiB", "GiB"],
    "milliseconds": ["ms", "s"],
    "fraction": ["%"],
    "number": [],
}


@st.composite
def constraints(draw: st.DrawFn) -> Constraint:
    metric = draw(st.sampled_from(sorted(KNOWN_METRICS)))
    is_relative = draw(st.booleans())
    units = ["%"] if is_relative else _UNITS[quantity(metric)]
    return Constraint(
        metric=metric,
        relation=draw(st.sampled_from(["<=", ">="])),
        number=draw(st.floats(0, 1e15)),
        unit=draw(st.sampled_from([None, *units])),
        relative_to_baseline=is_relative,
    )


@given(constraints())
def test_a_constraint_survives_its_own_text(constraint):
    assert Constraint.parse(str(constraint)) == constraint


@given(constraints(), st.floats(-1e12, 1e12), st.floats(0, 1e12))
def test_violation_is_positive_exactly_on_the_wrong_side_of_the_threshold(constraint, value, full):
    bound = constraint.threshold({constraint.metric: full})
    is_met = value <= bound if constraint.relation == "<=" else value >= bound
    violation = constraint.violation(value, {constraint.metric: full})
    assert (violation <= 0) == is_met
    assert math.isfinite(violation)


@given(st.text(max_size=300))
def test_any_text_is_a_constraint_or_a_config_error(text):
    try:
        constraint = Constraint.parse(text)
    except ConfigError:
        return
    assert Constraint.parse(str(constraint)) == constraint


@given(st.text(max_size=300))
def test_any_text_is_an_objective_or_a_config_error(text):
    try:
        objective = Objective.parse(text)
    except ConfigError:
        return
    assert Objective.parse(str(objective)) == objective


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("latency_ms <= 8", 8),
        ("latency_ms<=8ms", 8),
        ("latency_ms <= 0.25 s", 250),
        ("num_parameters <= 60M", 60_000_000),
        ("num_parameters <= 1.5B", 1_500_000_000),
        ("macs <= 2 G", 2_000_000_000),
        ("weight_bytes <= 45 MiB", 45 * 2**20),
        ("weight_bytes <= 4.35 MB", 4_350_000),
        ("latency_ratio <= 80 %", 0.8),
        ("accuracy >= .9", 0.9),
        ("num_parameters <= 1e6", 1_000_000),
        ("  accuracy   >=  90%  ", 0.9),
    ],
)
def test_an_absolute_threshold_is_in_the_metrics_own_unit(text, expected):
    assert Constraint.parse(text).threshold({}) == expected


@pytest.mark.parametrize("text", ["num_parameters <= 0.57 * baseline", "num_parameters <= 57 % *baseline"])
def test_a_relative_threshold_has_no_rounding_error(text):
    assert Constraint.parse(text).threshold({"num_parameters": 100}) == 57


def test_violation_is_a_share_of_the_threshold():
    assert Constraint.parse("latency_ms <= 8").violation(10, {}) == pytest.approx(0.25)
    assert Constraint.parse("accuracy >= 0.8").violation(0.6, {}) == pytest.approx(0.25)


def test_violation_of_a_zero_threshold_is_absolute():
    assert Constraint.parse("matthews_correlation >= 0").violation(-0.25, {}) == 0.25


def test_satisfied_reads_its_own_metric_only():
    constraint = Constraint.parse("latency_ms <= 0.5 * baseline")
    assert constraint.satisfied({"latency_ms": 4, "macs": math.nan}, {"latency_ms": 8})
    assert not constraint.satisfied({"latency_ms": 4.01, "macs": 0}, {"latency_ms": 8})


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("latency_ms <= 8 MB", "allowed are ms, s"),
        ("weight_bytes <= 45M", "allowed are KB"),
        ("perplexity <= 9 %", "takes no unit"),
        ("latency_ms <= 8 ms * baseline", "latency_ms \\* baseline; allowed are %"),
        ("latency_ms < 8", "METRIC"),
        ("8 >= latency_ms", "METRIC"),
        ("latency_ms <= nan", "METRIC"),
        ("latency_ms <= 1e999", "finite"),
        ("latency_ms <= 8 * baselines", "METRIC"),
        ("latency_ms <= 8; drop", "METRIC"),
        ("latency_ms <= -1", "no sub-network"),
        ("latencyms <= 8", "did you mean latency_ms"),
        ("colour <= 8", "Known are"),
        ("", "METRIC"),
    ],
)
def test_a_refused_constraint_names_the_way_out(text, part):
    with pytest.raises(ConfigError, match=part):
        Constraint.parse(text)


@pytest.mark.parametrize("value", [8, None, ["latency_ms <= 8"]])
def test_a_constraint_that_is_no_text_is_refused(value):
    with pytest.raises(ConfigError, match="write a text"):
        Constraint.parse(value)


def test_a_users_own_metric_is_known_when_named():
    assert Constraint.parse("bleu >= 30", metrics=["bleu"]).threshold({}) == 30
    assert Objective.parse("max bleu", metrics=["bleu"]).metric == "bleu"


def test_a_users_own_metric_has_the_unit_of_its_suffix():
    assert Constraint.parse("first_token_ms <= 2 s", metrics=["first_token_ms"]).threshold({}) == 2000


@pytest.mark.parametrize("baseline", [{}, {"latency_ms": math.nan}, {"latency_ms": -1.0}])
def test_a_share_of_a_useless_baseline_is_refused(baseline):
    with pytest.raises(ConfigError, match="baseline"):
        Constraint.parse("latency_ms <= 0.5 * baseline").threshold(baseline)


def test_a_metric_that_was_not_measured_is_refused():
    with pytest.raises(ConfigError, match="latency_ms was not measured"):
        Constraint.parse("latency_ms <= 8").satisfied({"macs": 1}, {})


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_has_no_violation(value):
    with pytest.raises(ConfigError, match="finite"):
        Constraint.parse("latency_ms <= 8").violation(value, {})


def test_minimised_orders_values_from_best_to_worst():
    assert sorted([0.5, 0.9, 0.7], key=Objective.parse("max accuracy").minimised) == [0.9, 0.7, 0.5]
    assert sorted([5.0, 9.0, 7.0], key=Objective.parse("min latency_ms").minimised) == [5.0, 7.0, 9.0]


@pytest.mark.parametrize("text", ["accuracy", "maximise accuracy", "max", "max accuracy now", "MAX accuracy"])
def test_an_objective_of_another_form_is_refused_with_an_example(text):
    with pytest.raises(ConfigError, match="max accuracy"):
        Objective.parse(text)


def test_an_objective_on_a_misspelt_metric_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean accuracy"):
        Objective.parse("max acuracy")


def test_objectives_are_read_in_order():
    assert [str(o) for o in parse_objectives(["min macs", "max f1"])] == ["min macs", "max f1"]


@pytest.mark.parametrize(
    ("texts", "part"),
    [
        ([], "got 0; give 1 to 4"),
        ([f"min {metric}" for metric in EXACT_METRICS], "got 5; give 1 to 4"),
        (["max accuracy", "min accuracy"], "'accuracy' is given twice"),
        ("max accuracy", "give a list"),
    ],
)
def test_objectives_that_do_not_fit_are_refused(texts, part):
    with pytest.raises(ConfigError, match=part):
        parse_objectives(texts)


def test_the_same_constraint_in_two_spellings_is_refused():
    with pytest.raises(ConfigError, match="given twice"):
        parse_constraints(["latency_ms <= 8", "latency_ms<=8.0"])


def test_two_bounds_on_one_metric_are_kept():
    assert len(parse_constraints(["latency_ms <= 8", "latency_ms <= 0.5 * baseline"])) == 2


def test_no_constraint_is_fine():
    assert parse_constraints([]) == ()


def test_objectives_and_constraints_can_be_pickled():
    both = (Objective.parse("max accuracy"), Constraint.parse("macs <= 0.5 * baseline"))
    assert pickle.loads(pickle.dumps(both)) == both

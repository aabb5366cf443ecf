"""Constraints over columns are the constraints themselves, value by value."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nas
from nas.objectives import Constraint
from nas.study.selection import Candidates, matching_rows, select_rows, violations_of

FINITE = st.floats(allow_nan=False, allow_infinity=False)
CONSTRAINTS = st.builds(
    Constraint,
    metric=st.just("score"),
    relation=st.sampled_from(["<=", ">="]),
    number=st.floats(-1e6, 1e6),
    relative_to_baseline=st.booleans(),
)


@given(values=st.lists(FINITE, min_size=1, max_size=8), constraint=CONSTRAINTS, full=st.floats(0, 1e6))
def test_violations_of_a_column_are_those_of_its_values(
    values: list[float], constraint: Constraint, full: float
) -> None:
    baseline = {"score": full}
    found = violations_of(np.array(values), constraint, baseline)
    assert found.tolist() == [constraint.violation(value, baseline) for value in values]


def test_what_was_not_measured_holds_no_constraint() -> None:
    column = {"score": np.array([1.0, np.nan, 3.0])}
    mask = matching_rows(column, [Constraint.parse("score <= 2", metrics=["score"])], {}, 3)
    assert mask.tolist() == [True, False, False]


def test_equal_values_are_ordered_by_number() -> None:
    candidates = Candidates(
        numbers=np.array([4, 2, 9]), values=np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 1.0]]), metrics={}
    )
    assert select_rows(candidates, [], {}).rows.tolist() == [2, 1, 0]


def test_the_nearest_breaks_its_worst_constraint_least() -> None:
    metrics = {"speed": np.array([5.0, 9.0, 8.0]), "size": np.array([9.0, 2.5, 2.0])}
    candidates = Candidates(numbers=np.arange(3), values=np.zeros((3, 1)), metrics=metrics)
    wanted = [Constraint.parse(text, metrics=metrics) for text in ("speed >= 10", "size <= 1.9")]
    found = select_rows(candidates, wanted, {})
    assert (found.rows.size, found.nearest, str(found.binding)) == (0, 2, "speed >= 10")
    assert math.isclose(violations_of(metrics["speed"], wanted[0], {})[2], 0.2)


def test_a_metric_that_some_lack_cannot_be_selected_by() -> None:
    metrics = {"speed": np.array([5.0, np.nan]), "size": np.array([1.0, 2.0])}
    candidates = Candidates(numbers=np.arange(2), values=np.zeros((2, 1)), metrics=metrics)
    with pytest.raises(nas.ConfigError, match="speed was not measured in this study; there is size"):
        select_rows(candidates, [Constraint.parse("speed >= 1", metrics=metrics)], {})

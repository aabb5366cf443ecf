from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import ConfigError
from nas.pareto import attained_by, attainment_surface, non_dominated

_SIDE = 5
_GRID = np.array([(x, y) for x in range(_SIDE + 1) for y in range(_SIDE + 1)], dtype=float)

_POINT = st.tuples(st.integers(0, _SIDE), st.integers(0, _SIDE))
_RUN = st.lists(_POINT, max_size=6).map(lambda rows: np.array(rows, dtype=float).reshape(len(rows), 2))
several_runs = st.lists(_RUN, min_size=1, max_size=5)


def by_definition(runs: list[np.ndarray], goal: np.ndarray) -> int:
    return sum(any(p[0] <= goal[0] and p[1] <= goal[1] for p in run.tolist()) for run in runs)


def is_attained(surface: np.ndarray, goal: np.ndarray) -> bool:
    return any(x <= goal[0] and y <= goal[1] for x, y in surface.tolist())


@given(several_runs)
def test_a_goal_is_attained_by_the_runs_with_a_point_that_is_nowhere_worse(runs):
    assert attained_by(runs, _GRID).tolist() == [by_definition(runs, goal) for goal in _GRID]


@given(several_runs, st.data())
def test_a_surface_bounds_what_at_least_so_many_runs_attain(runs, data):
    count = data.draw(st.integers(1, len(runs)))
    surface = attainment_surface(runs, count)
    for goal in _GRID:
        assert is_attained(surface, goal) == (by_definition(runs, goal) >= count)


@given(several_runs, st.data())
def test_no_corner_of_a_surface_is_superfluous(runs, data):
    surface = attainment_surface(runs, data.draw(st.integers(1, len(runs))))
    assert len(np.unique(surface, axis=0)) == len(surface)
    assert non_dominated(surface).all()
    assert surface[:, 0].tolist() == sorted(surface[:, 0])


@given(several_runs)
def test_what_one_run_attains_is_bounded_by_the_front_of_all(runs):
    union = np.unique(np.vstack(runs), axis=0)
    assert attainment_surface(runs, 1).tolist() == union[non_dominated(union)].tolist()


def test_the_median_of_three_runs_lies_between_them():
    runs = [[[0, 0]], [[1, 3], [2, 1]], [[4, 4]]]
    assert attainment_surface(runs, 2).tolist() == [[1, 3], [2, 1]]


def test_what_all_runs_attain_may_have_corners_that_no_run_has():
    assert attainment_surface([[[0, 3]], [[3, 0]]], 2).tolist() == [[3, 3]]


def test_a_surface_is_empty_where_too_few_runs_found_anything():
    assert attainment_surface([np.empty((0, 2)), [[1, 1]]], 2).shape == (0, 2)


def test_attainment_is_counted_for_any_number_of_objectives():
    runs = [[[0, 1, 2]], [[2, 1, 0]]]
    assert attained_by(runs, [[2, 1, 2], [0, 1, 2], [0, 0, 0]]).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("runs", "count", "match"),
    [
        ([], 1, "no run"),
        ([[[1, 1]]], 0, "allowed are 1 to 1"),
        ([[[1, 1]]], 2, "allowed are 1 to 1"),
        ([[[1, 1, 1]]], 1, "3 objectives"),
        ([[[1, math.nan]]], 1, "finite"),
    ],
)
def test_what_has_no_surface_is_refused(runs, count, match):
    with pytest.raises(ConfigError, match=match):
        attainment_surface(runs, count)

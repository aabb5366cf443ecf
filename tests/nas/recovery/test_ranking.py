"""Agreement of two orders, and the points that stand for a front."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.pareto import hypervolume
from nas.recovery import keep_most, kendall_tau

CORNER = np.array([1.0, 1.0])


@pytest.mark.parametrize(
    ("first", "second", "tau"),
    [
        ([1, 2, 3, 4], [10, 20, 30, 40], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 2, 3, 4], [1, 3, 2, 4], 4 / 6),
        ([1, 1, 2, 3], [1, 2, 3, 4], 5 / np.sqrt(5 * 6)),
        ([1, 2, 2, 3], [1, 2, 2, 3], 1.0),
    ],
)
def test_tau_of_known_lists(first: list[float], second: list[float], tau: float) -> None:
    assert kendall_tau(first, second) == pytest.approx(tau)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=9))
def test_tau_is_scipys(pairs: list[tuple[int, int]]) -> None:
    stats = pytest.importorskip("scipy.stats")
    first, second = zip(*pairs, strict=True)
    expected = stats.kendalltau(first, second).statistic
    assert kendall_tau(first, second) == (None if np.isnan(expected) else pytest.approx(expected))


@pytest.mark.parametrize(("first", "second"), [([], []), ([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3])])
def test_there_is_no_tau_of_too_few_or_of_equal_scores(first: list[float], second: list[float]) -> None:
    assert kendall_tau(first, second) is None


def test_scores_of_different_items_are_refused() -> None:
    with pytest.raises(ValueError, match="3 and 2"):
        kendall_tau([1, 2, 3], [1, 2])


def test_the_point_that_adds_least_goes_first() -> None:
    front = np.array([[0.1, 0.9], [0.5, 0.5], [0.52, 0.49], [0.9, 0.1]])
    assert keep_most(front, CORNER, 3) == (0, 1, 3)


def test_one_point_that_is_left_is_the_best_of_all() -> None:
    front = np.array([[0.1, 0.9], [0.4, 0.4], [0.9, 0.1]])
    assert keep_most(front, CORNER, 1) == (1,)


def test_all_are_kept_where_there_are_no_more() -> None:
    assert keep_most(np.array([[0.1, 0.9], [0.9, 0.1]]), CORNER, 5) == (0, 1)


def test_of_equal_points_the_earlier_stays() -> None:
    assert keep_most(np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]), CORNER, 1) == (0,)


@given(st.lists(st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)), min_size=2, max_size=6))
def test_one_removal_is_the_best_one(points: list[tuple[float, float]]) -> None:
    front = np.array(points)
    kept = keep_most(front, CORNER, len(front) - 1)
    subsets = itertools.combinations(range(len(front)), len(front) - 1)
    best = max(hypervolume(front[list(rows)], CORNER) for rows in subsets)
    assert hypervolume(front[list(kept)], CORNER) == pytest.approx(best)

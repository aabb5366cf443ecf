from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import ConfigError
from nas.pareto import Front, dominates, hypervolume, knee, non_dominated

_SIDE = 6


@st.composite
def point_sets(draw, *, min_size=0, max_size=12, objectives=(1, 2, 3, 4)):
    width = draw(st.sampled_from(objectives))
    row = st.tuples(*[st.integers(0, _SIDE)] * width)
    rows = draw(st.lists(row, min_size=min_size, max_size=max_size))
    return np.array(rows, dtype=float).reshape(len(rows), width)


def cells_dominated(points: np.ndarray) -> int:
    """Unit cells of the integer grid below `_SIDE` that some point dominates."""
    cells = itertools.product(range(_SIDE), repeat=points.shape[1])
    return sum(
        any(all(p <= c for p, c in zip(point, cell, strict=True)) for point in points) for cell in cells
    )


def by_definition(points: np.ndarray) -> list[bool]:
    return [not any(dominates(other, point) for other in points) for point in points]


@given(point_sets())
def test_the_mask_is_the_definition(points):
    assert non_dominated(points).tolist() == by_definition(points)


@given(point_sets(min_size=1), st.randoms(use_true_random=False))
def test_the_mask_follows_the_points_when_they_are_shuffled(points, random):
    order = list(range(len(points)))
    random.shuffle(order)
    assert non_dominated(points[order]).tolist() == non_dominated(points)[order].tolist()


def test_all_copies_of_a_front_point_are_kept():
    assert non_dominated([[1, 2], [1, 2], [2, 2]]).tolist() == [True, True, False]


def test_signs_of_zero_are_equal():
    assert non_dominated([[0.0, 1.0], [-0.0, 1.0]]).tolist() == [True, True]


@given(point_sets(max_size=7))
def test_hypervolume_counts_the_dominated_cells(points):
    reference = [_SIDE] * points.shape[1]
    assert hypervolume(points, reference) == cells_dominated(points)


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_hypervolume_of_reals_agrees_with_inclusion_and_exclusion(objectives):
    points = np.random.default_rng(0).random((7, objectives))
    expected = 0.0
    for size in range(1, 8):
        for chosen in itertools.combinations(points, size):
            expected -= (-1) ** size * np.prod(1 - np.max(chosen, axis=0))
    # 127 products of numbers below 1: far more than their rounding errors.
    assert hypervolume(points, [1] * objectives) == pytest.approx(expected, rel=1e-12)


@given(point_sets(max_size=8), st.integers(0, 100))
def test_one_more_point_never_shrinks_the_hypervolume(points, seed):
    reference = [_SIDE] * points.shape[1]
    more = np.vstack([points, np.random.default_rng(seed).integers(0, _SIDE, points.shape[1])])
    assert hypervolume(more, reference) >= hypervolume(points, reference)


def test_points_beyond_the_reference_add_nothing():
    assert hypervolume([[1, 1], [0, 9], [3, 0]], [3, 3]) == 4


def test_hypervolume_of_no_point_is_zero():
    assert hypervolume(np.empty((0, 3)), [1, 1, 1]) == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "call",
    [
        lambda bad: non_dominated([[bad, 1], [1, 1]]),
        lambda bad: hypervolume([[bad, 1]], [2, 2]),
        lambda bad: hypervolume([[1, 1]], [bad, 2]),
        lambda bad: dominates([bad], [1]),
        lambda bad: knee([[bad, 1]]),
        lambda bad: Front(2).add([bad, 1], 0),
    ],
)
def test_values_that_are_not_finite_are_refused(call, value):
    with pytest.raises(ConfigError, match="finite"):
        call(value)


@pytest.mark.parametrize("values", [[1, 2], 3, [[]], [["a", "b"]], [[1, 2], [3]], [[10**400]]])
def test_what_is_no_matrix_is_refused(values):
    with pytest.raises(ConfigError):
        non_dominated(values)


def test_a_reference_of_another_length_is_refused():
    with pytest.raises(ConfigError, match="reference has 3"):
        hypervolume([[1, 1]], [2, 2, 2])


@given(point_sets(min_size=1))
def test_the_knee_lies_on_the_front(points):
    assert non_dominated(points)[knee(points)]


def test_the_knee_is_where_the_front_bends():
    assert knee([[0, 10], [1, 2], [5, 1], [10, 0]]) == 1


def test_the_knee_does_not_depend_on_units():
    front = np.array([[0, 10], [1, 2], [5, 1], [10, 0]])
    assert knee(front * [1e6, 1e-3]) == knee(front)


def test_a_dominated_outlier_does_not_move_the_knee():
    assert knee([[0, 10], [1, 2], [5, 1], [10, 0], [1000, 10]]) == 1


@given(point_sets(min_size=1), st.randoms(use_true_random=False))
def test_the_knees_values_do_not_depend_on_the_order(points, random):
    order = list(range(len(points)))
    random.shuffle(order)
    shuffled = points[order]
    assert shuffled[knee(shuffled)].tolist() == points[knee(points)].tolist()


@given(point_sets(min_size=1), st.data())
def test_copies_do_not_move_the_knee(points, data):
    copied = data.draw(st.integers(0, len(points) - 1))
    assert knee(np.vstack([points, points[copied]])) == knee(points)


def test_of_a_straight_front_the_knee_is_the_most_balanced():
    # Scaled sums are all 1, up to rounding: 0.1 + 0.9 and 0.3 + 0.7 differ in the last bit from others.
    assert knee([[i / 10, 1 - i / 10] for i in range(11)]) == 5


def test_an_objective_that_never_varies_does_not_move_the_knee():
    front = np.array([[0, 10], [1, 2], [5, 1], [10, 0]])
    assert knee(np.column_stack([front, np.full(4, 7.0)])) == knee(front)


def test_the_knee_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="at least one point"):
        knee(np.empty((0, 2)))


@given(point_sets())
def test_an_archive_holds_the_front_of_what_it_was_given(points):
    front: Front[int] = Front(points.shape[1])
    for index, point in enumerate(points):
        front.add(point, index)
    assert front.ids == tuple(np.flatnonzero(non_dominated(points)))
    assert np.array_equal(front.values, points[list(front.ids)])


@given(point_sets())
def test_an_archive_tells_whether_a_point_joined(points):
    front: Front[int] = Front(points.shape[1])
    for index, point in enumerate(points):
        is_new = not any(dominates(earlier, point) for earlier in points[:index])
        assert front.accepts(point) == is_new
        assert front.add(point, index) == is_new


def test_an_id_is_on_the_front_once():
    front: Front[str] = Front(2)
    front.add([1, 2], "a")
    with pytest.raises(ConfigError, match="'a' is on the front"):
        front.add([2, 1], "a")


def test_the_values_handed_out_are_a_copy():
    front: Front[int] = Front(2)
    front.add([1, 2], 0)
    front.values[:] = 0
    assert front.values.tolist() == [[1, 2]]


@pytest.mark.parametrize("method", ["add", "accepts"])
def test_a_point_with_another_number_of_objectives_is_refused(method):
    front: Front[int] = Front(2)
    arguments = ([1, 2, 3], 0)[: 2 if method == "add" else 1]
    with pytest.raises(ConfigError, match="3 objectives"):
        getattr(front, method)(*arguments)

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import ConfigError
from nas.pareto import GrowingHypervolume, contribution, contributions, hypervolume, non_dominated
from nas.pareto.staircase import Staircase

_SIDE = 5


@st.composite
def point_sets(draw, *, min_size=0, max_size=10, objectives=(1, 2, 3, 4)):
    """Integer points up to and beyond the reference, with copies and dominated ones."""
    width = draw(st.sampled_from(objectives))
    row = st.tuples(*[st.integers(0, _SIDE + 1)] * width)
    rows = draw(st.lists(row, min_size=min_size, max_size=max_size))
    return np.array(rows, dtype=float).reshape(len(rows), width)


def corner_of(points: np.ndarray) -> list[float]:
    return [float(_SIDE)] * points.shape[1]


def on_grid(points: np.ndarray, reference: np.ndarray) -> float:
    """Sum of the cells that some point dominates, of the grid through all coordinates."""
    axes = [
        np.unique(np.append(column[column < r], r)) for column, r in zip(points.T, reference, strict=True)
    ]
    lower = np.stack(np.meshgrid(*[axis[:-1] for axis in axes], indexing="ij"), axis=-1)
    sizes = np.stack(np.meshgrid(*[np.diff(axis) for axis in axes], indexing="ij"), axis=-1)
    is_dominated = np.zeros(lower.shape[:-1], dtype=bool)
    for point in points:
        is_dominated |= np.all(point <= lower, axis=-1)
    return float(np.prod(sizes, axis=-1)[is_dominated].sum())


def spherical(count: int, objectives: int, seed: int = 0) -> np.ndarray:
    """A front without dominated points: the part of a sphere around the reference 1 that faces the origin."""
    rows = np.abs(np.random.default_rng(seed).normal(size=(count, objectives)))
    return 1 - rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(point_sets())
def test_it_is_the_sum_of_the_dominated_cells(points):
    assert hypervolume(points, corner_of(points)) == on_grid(points, np.array(corner_of(points)))


@pytest.mark.parametrize("objectives", [2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_that_of_reals_is_the_sum_of_the_dominated_cells(objectives, seed):
    points = np.random.default_rng(seed).random((20, objectives)) * 1.2
    # Up to 160,000 cells are added up: their rounding errors stay far below the tolerance.
    expected = on_grid(points, np.ones(objectives))
    assert hypervolume(points, np.ones(objectives)) == pytest.approx(expected, rel=1e-11)


def test_five_objectives_are_exact_too():
    points = np.random.default_rng(0).integers(0, _SIDE, (6, 5)).astype(float)
    assert hypervolume(points, [_SIDE] * 5) == on_grid(points, np.full(5, float(_SIDE)))


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_not_even_rounding_depends_on_dominated_points_or_the_order(objectives):
    generator = np.random.default_rng(0)
    points = generator.random((60, objectives))
    front = points[non_dominated(points)]
    for _ in range(5):
        generator.shuffle(points)
        assert hypervolume(points, np.ones(objectives)) == hypervolume(front, np.ones(objectives))


@given(point_sets(min_size=1), st.randoms(use_true_random=False))
def test_the_order_does_not_matter(points, random):
    order = list(range(len(points)))
    random.shuffle(order)
    assert hypervolume(points[order], corner_of(points)) == hypervolume(points, corner_of(points))


def test_two_hundred_points_of_four_objectives_take_less_than_a_second():
    points = spherical(200, 4)
    begin = time.process_time()
    hypervolume(points, np.ones(4))
    assert time.process_time() - begin < 1


class Compared(float):
    """A number that counts how often it is compared."""

    count = 0

    def __lt__(self, other: float) -> bool:
        Compared.count += 1
        return float(self) < float(other)

    def __ge__(self, other: float) -> bool:
        Compared.count += 1
        return float(self) >= float(other)

    def __gt__(self, other: float) -> bool:
        Compared.count += 1
        return float(self) > float(other)


@pytest.mark.parametrize("count", [256, 4096])
def test_a_point_of_three_objectives_is_compared_with_a_logarithm_of_the_others(count):
    staircase = Staircase(1.0, 1.0)
    Compared.count = 0
    for x, y, _ in spherical(count, 3).tolist():
        staircase.add(Compared(x), Compared(y))
    # Two searches of at most log2(count) + 2 comparisons, one with the step found, one with the step after
    # it, and one with each step that is dropped, which happens to a point once.
    assert 0 < Compared.count <= count * (2 * (math.log2(count) + 2) + 3)


@given(point_sets(min_size=1))
def test_a_contribution_is_the_difference_that_a_point_makes(points):
    reference = corner_of(points)
    expected = hypervolume(points, reference) - hypervolume(points[:-1], reference)
    assert contribution(points[-1], points[:-1], reference) == expected


@given(point_sets())
def test_exclusive_contributions_are_what_is_lost_with_each_point(points):
    reference = corner_of(points)
    whole = hypervolume(points, reference)
    without = [hypervolume(np.delete(points, row, axis=0), reference) for row in range(len(points))]
    assert contributions(points, reference).tolist() == [whole - left for left in without]


@given(point_sets())
def test_only_points_of_the_front_contribute(points):
    assert not np.any(contributions(points, corner_of(points))[~non_dominated(points)])


def test_a_point_that_one_point_alone_dominates_lessens_its_contribution():
    assert contributions([[0, 0], [1, 1]], [2, 2]).tolist() == [3, 0]


def test_copies_contribute_nothing():
    assert contributions([[1, 1], [1, 1], [0, 2]], [3, 3]).tolist() == [0, 0, 1]


@given(point_sets())
def test_a_growing_hypervolume_is_that_of_all_points_so_far(points):
    growing = GrowingHypervolume(corner_of(points))
    for count, point in enumerate(points, start=1):
        before = growing.value
        assert growing.add(point) == growing.value - before
        assert growing.value == hypervolume(points[:count], corner_of(points))


@pytest.mark.parametrize(
    "call",
    [
        lambda: contribution([1, 1, 1], [[1, 1]], [2, 2]),
        lambda: contribution([1, 1], [[1, 1]], [2, 2, 2]),
        lambda: contributions([[1, 1]], [2, 2, 2]),
        lambda: GrowingHypervolume([2, 2]).add([1, 1, 1]),
    ],
)
def test_numbers_of_objectives_that_differ_are_refused(call):
    with pytest.raises(ConfigError, match=r"3 objectives|has 3"):
        call()
